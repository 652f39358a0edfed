"""What goes into a generator: seeds, edits of latents, paths through them.

z is [N, D], standard normal; ws is [N, L, D]. Every function is pure: its arguments stay as they were.
"""

from gan.latents.edits import mix, truncate
from gan.latents.paths import lerp, slerp, walk
from gan.latents.seeds import MAX_SEED, checked_seed, parse_seeds, z_from_seeds

__all__ = [
    "MAX_SEED",
    "checked_seed",
    "lerp",
    "mix",
    "parse_seeds",
    "slerp",
    "truncate",
    "walk",
    "z_from_seeds",
]

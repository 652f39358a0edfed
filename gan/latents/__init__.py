"""What goes into a generator: seeds, edits of latents, paths through them, styles, directions.

z is [N, D], standard normal; ws is [N, L, D]. Every function is pure: its arguments stay as they were.
"""

from gan.latents.directions import Directions, moved
from gan.latents.edits import mix, truncate
from gan.latents.paths import lerp, slerp, walk
from gan.latents.seeds import MAX_SEED, checked_seed, parse_seeds, z_from_seeds

__all__ = [
    "MAX_SEED",
    "Directions",
    "checked_seed",
    "lerp",
    "mix",
    "moved",
    "parse_seeds",
    "slerp",
    "truncate",
    "walk",
    "z_from_seeds",
]

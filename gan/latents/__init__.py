"""What goes into a generator: seeds, edits of latents, noise, paths through them, styles, directions.

z is [N, D], standard normal; ws is [N, L, D]. Every function is pure: its arguments stay as they were.
"""

from gan.latents.abilities import Abilities, abilities
from gan.latents.centers import class_centers, drawn_w, find_centers, nearest, nearest_center
from gan.latents.directions import Directions, moved
from gan.latents.edits import (
    analogy,
    assign,
    attribute,
    blend,
    mix,
    mix_layers,
    parse_layers,
    shift,
    truncate,
    without,
)
from gan.latents.noise import NoiseMaps, layer_noise, noise_maps, scaled_noise
from gan.latents.paths import along, cubic, frame_times, lerp, slerp, walk
from gan.latents.seeds import MAX_SEED, checked_seed, parse_seeds, seeds_text, z_from_seeds
from gan.latents.transform import placement, synthesized

__all__ = [
    "MAX_SEED",
    "Abilities",
    "Directions",
    "NoiseMaps",
    "abilities",
    "along",
    "analogy",
    "assign",
    "attribute",
    "blend",
    "checked_seed",
    "class_centers",
    "cubic",
    "drawn_w",
    "find_centers",
    "frame_times",
    "layer_noise",
    "lerp",
    "mix",
    "mix_layers",
    "moved",
    "nearest",
    "nearest_center",
    "noise_maps",
    "parse_layers",
    "parse_seeds",
    "placement",
    "scaled_noise",
    "seeds_text",
    "shift",
    "slerp",
    "synthesized",
    "truncate",
    "walk",
    "without",
    "z_from_seeds",
]

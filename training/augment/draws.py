"""Random draws of the augmentation pipe: one set of unit numbers per image, each gated by a probability.

All are drawn on the CPU, whatever the device of the images: they are a few numbers per image, and so it is
known without waiting for a GPU which images of a batch a transform leaves alone. One call draws all uniform
and one all normal numbers; what follows is numpy's, whose calls cost far less.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gan.randomness import Draws


class Sampler(NamedTuple):
    """How one transform draws: `columns` numbers per image, each with a coin of its own or one for all.

    law: the values [images, columns or more], from as many numbers uniform in [0, 1), or normal ones.
    """

    columns: int
    coins: int
    normal: bool
    law: Callable[[np.ndarray], np.ndarray]


def _same(x: np.ndarray) -> np.ndarray:
    return x


def _symmetric(x: np.ndarray) -> np.ndarray:
    """Uniform in [-1, 1)."""
    return x * 2 - 1


def _halves(x: np.ndarray) -> np.ndarray:
    """0 or 1, equally likely."""
    return np.floor(x * 2)


def _quarters(x: np.ndarray) -> np.ndarray:
    """0, 1, 2 or 3, equally likely."""
    return np.floor(x * 4)


def _place(x: np.ndarray) -> np.ndarray:
    """1, for "drawn", then uniform in [0, 1)."""
    return np.concatenate([np.ones_like(x[:, :1]), x], axis=1)


SAMPLERS = {
    "xflip": Sampler(1, 1, False, _halves),
    "rotate90": Sampler(1, 1, False, _quarters),
    "xint": Sampler(2, 1, False, _symmetric),
    "scale": Sampler(1, 1, True, _same),
    "rotate": Sampler(2, 2, False, _symmetric),
    "aniso": Sampler(1, 1, True, _same),
    "xfrac": Sampler(2, 1, True, _same),
    "brightness": Sampler(1, 1, True, _same),
    "contrast": Sampler(1, 1, True, _same),
    "lumaflip": Sampler(1, 1, False, _halves),
    "hue": Sampler(1, 1, False, _symmetric),
    "saturation": Sampler(1, 1, True, _same),
    "imgfilter": Sampler(4, 4, True, _same),
    "noise": Sampler(1, 1, True, np.abs),
    "cutout": Sampler(2, 1, False, _place),
}


def draw(
    transforms: Mapping[str, float], p: float, draws: Draws, bands: tuple[float, ...] = (1.0,) * 4
) -> dict[str, Tensor]:
    """Numbers of each image as training.augment.transforms lists them; 0 where the coin said no.

    Args:
        transforms: names and what p is multiplied by for each; a product above 1 counts as 1.
        p: probability of a transform.
        bands: further factors of it, one for each band of `imgfilter`.
    """
    samplers = [SAMPLERS[name] for name in transforms]
    normals = sum(s.columns for s in samplers if s.normal)
    uniforms = sum(s.coins + (0 if s.normal else s.columns) for s in samplers)
    normal = draws.normal((normals,), device="cpu").numpy()
    uniform = draws.uniform((uniforms,), device="cpu").numpy()
    drawn, taken = {}, {True: 0, False: 0}

    def take(kind: bool, columns: int) -> np.ndarray:
        begin = taken[kind]
        taken[kind] += columns
        return (normal if kind else uniform)[:, begin : begin + columns]

    for (name, factor), sampler in zip(transforms.items(), samplers, strict=True):
        probability = min(p * factor, 1.0)
        if name == "rotate":  # so that either of its two rotations happens with this probability
            probability = 1 - (1 - probability) ** 0.5
        limit = np.array(bands if name == "imgfilter" else (1.0,), np.float32) * np.float32(probability)
        value = sampler.law(take(sampler.normal, sampler.columns))
        gated = torch.from_numpy(value * (take(False, sampler.coins) < limit))
        drawn[name] = gated[:, 0] if gated.shape[1] == 1 else gated
    return drawn

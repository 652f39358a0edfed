"""Random draws of the augmentation pipe: one set of unit numbers per image, each gated by a probability.

All come from torch's global generator of the CPU, whatever the device of the images: they are a few numbers
per image, and so it is known without waiting for a GPU which images of a batch a transform leaves alone.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor


class Sampler(NamedTuple):
    """How one transform draws: `columns` numbers per image, each with a coin of its own or one for all."""

    columns: int
    coins: int
    draw: Callable[[int, int], Tensor]  # (images, columns) -> [images, columns]


def _choice(options: int, count: int, columns: int) -> Tensor:
    """0, 1, ..., options - 1, equally likely."""
    return torch.randint(options, (count, columns)).float()


def _symmetric(count: int, columns: int) -> Tensor:
    """Uniform in [-1, 1)."""
    return torch.rand(count, columns) * 2 - 1


def _magnitude(count: int, columns: int) -> Tensor:
    """|normal|."""
    return torch.randn(count, columns).abs()


def _place(count: int, columns: int) -> Tensor:
    """1, for "drawn", then uniform in [0, 1)."""
    return torch.cat([torch.ones(count, 1), torch.rand(count, columns - 1)], dim=1)


SAMPLERS = {
    "xflip": Sampler(1, 1, partial(_choice, 2)),
    "rotate90": Sampler(1, 1, partial(_choice, 4)),
    "xint": Sampler(2, 1, _symmetric),
    "scale": Sampler(1, 1, torch.randn),
    "rotate": Sampler(2, 2, _symmetric),
    "aniso": Sampler(1, 1, torch.randn),
    "xfrac": Sampler(2, 1, torch.randn),
    "brightness": Sampler(1, 1, torch.randn),
    "contrast": Sampler(1, 1, torch.randn),
    "lumaflip": Sampler(1, 1, partial(_choice, 2)),
    "hue": Sampler(1, 1, _symmetric),
    "saturation": Sampler(1, 1, torch.randn),
    "imgfilter": Sampler(4, 4, torch.randn),
    "noise": Sampler(1, 1, _magnitude),
    "cutout": Sampler(3, 1, _place),
}


def draw(
    transforms: Mapping[str, float], p: float, count: int, bands: tuple[float, ...] = (1.0,) * 4
) -> dict[str, Tensor]:
    """Draws for `count` images as training.augment.transforms lists them; 0 where the coin said no.

    Args:
        transforms: names and what p is multiplied by for each; a product above 1 counts as 1.
        p: probability of a transform.
        bands: further factors of it, one for each band of `imgfilter`.
    """
    drawn = {}
    for name, factor in transforms.items():
        columns, coins, sample = SAMPLERS[name]
        value, coin = sample(count, columns), torch.rand(count, coins)
        probability = min(p * factor, 1.0)
        if name == "rotate":  # so that either of its two rotations happens with this probability
            probability = 1 - (1 - probability) ** 0.5
        limit = torch.tensor(bands if name == "imgfilter" else (1.0,)) * probability
        gated = value * (coin < limit)
        drawn[name] = gated[:, 0] if columns == 1 else gated
    return drawn

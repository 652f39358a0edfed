"""Noise maps as variables, kept white, so that they hide no picture.

Letters: N images, H rows, W columns of a map.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

SMALLEST = 8  # pixels of a side below which no map is averaged further


def correlation(maps: Sequence[Tensor]) -> Tensor:
    """How far the maps [N, 1, H, W] are from white noise -> [N] (Karras et al. 2020, appendix D, L_ij).

    Sum over maps and over each one's halvings (means of 2x2, times 2, so that white noise keeps its
    variance), down to 8 pixels, of the squared mean products of neighbours, right and below, that wrap
    around. 0 for none.
    """
    total: Tensor | int = 0
    for map_ in maps:
        while True:
            for axis in (2, 3):
                total = total + (map_ * map_.roll(1, dims=axis)).mean(dim=(1, 2, 3)).square()
            if min(map_.shape[2:]) <= SMALLEST:
                break
            map_ = F.avg_pool2d(map_, 2) * 2
    return total


@torch.no_grad()
def normalize_(maps: Sequence[Tensor]) -> None:
    """Give each map of each image, in place, mean 0 and variance 1 (the same, after every step)."""
    for map_ in maps:
        map_ -= map_.mean(dim=(1, 2, 3), keepdim=True)
        map_ *= map_.square().mean(dim=(1, 2, 3), keepdim=True).clamp_min(1e-12).rsqrt()

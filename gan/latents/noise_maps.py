"""Noise maps as variables: given to a synthesis network, kept white, so that they hide no picture.

Letters: N images, H rows, W columns of a map.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SMALLEST = 8  # pixels of a side below which no map is averaged further


class NoiseMaps:
    """What a synthesis network takes as `noise`: its layers are given these maps, each [N, 1, H, W], in turn.

    One object serves one call of the network.
    """

    def __init__(self, maps: Sequence[Tensor]) -> None:
        self._rest = iter(maps)

    def normal(self, shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Tensor:
        """The next map, as `gan.randomness.Draws.normal` would draw one. ValueError for another shape."""
        given = next(self._rest)
        if tuple(given.shape[1:]) != tuple(shape):
            raise ValueError(f"a noise map is {list(given.shape[1:])}, the layer takes {list(shape)}")
        return given.to(dtype)


class _Shapes:
    """Notes what is drawn of it."""

    def __init__(self, count: int, device: torch.device) -> None:
        self.found: list[tuple[int, ...]] = []
        self._count, self._device = count, device

    def normal(self, shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Tensor:
        self.found.append(tuple(shape))
        return torch.zeros(self._count, *shape, dtype=dtype, device=self._device)


@torch.no_grad()
def shapes(generator: nn.Module, ws: Tensor) -> list[tuple[int, ...]]:
    """(1, H, W) of each map that a generator draws, in order; none for a model without noise.

    ws: [N, L, D], any, on the generator's device.
    """
    noted = _Shapes(len(ws), ws.device)
    generator.synthesis(ws, noise=noted)
    return noted.found


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

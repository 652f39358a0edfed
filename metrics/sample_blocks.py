"""Scores of pairs of images, and of samples that a metric draws itself, by blocks, for `metrics.jackknife`.

What is dealt into blocks is what is drawn independently: the images that pairs are made of, the pairs of
latents of a path length, the transformations of equivariance with all the latents that share one.

Letters: G blocks, N images or samples, P pairs, B batches.
"""

import torch
from torch import Tensor

from metrics.equivariance import SquaredErrors
from metrics.jackknife import GROUPS, block_of, dealt
from metrics.path_length import trimmed_mean


class BlockPairs:
    """Mean over those pairs both of whose images are in the blocks.

    An incomplete U-statistic (Blom 1976): unbiased, and the noise of drawing P pairs is part of what pairs
    contribute, Q in `metrics.jackknife`, as that of all pairs of images is.
    """

    biased, halves, local, share = False, True, False, None

    def __init__(self, pairs: Tensor, values: Tensor, images: int, *, seed: int = 0):
        """pairs: int64 [P, 2], from [0, images). values: [P]. ValueError for too few images."""
        first, second = block_of(images, seed)[pairs.cpu()].T  # [P] each
        cells, kind = first * GROUPS + second, {"minlength": GROUPS**2}
        self.sums = torch.bincount(cells, values.cpu().double(), **kind).view(GROUPS, GROUPS)
        self.counts = torch.bincount(cells, **kind).view(GROUPS, GROUPS).double()

    def __call__(self, keep: Tensor) -> float:
        """Of the blocks that bool [G] names. ValueError where no pair is in them."""
        w = keep.double()
        count = w @ self.counts @ w
        if count == 0:
            raise ValueError("too few pairs for an interval: some blocks of images have none")
        return (w @ self.sums @ w / count).item()


class BlockPaths:
    """Trimmed mean of the distances along the paths in the blocks, see `metrics.path_length`.

    Paths do not depend on each other, and what trimming few of them does to the mean is far below the error:
    the plain jackknife serves, also for order statistics where blocks are as large as here (Shao & Wu 1989).
    """

    biased, halves, local, share = False, False, False, None

    def __init__(self, distances: Tensor, *, seed: int = 0):
        """distances: [N], in any order. ValueError for too few."""
        self.parts = [distances[part.to(distances.device)] for part in dealt(len(distances), seed)]

    def __call__(self, keep: Tensor) -> float:
        """Of the blocks that bool [G] names."""
        return trimmed_mean(torch.cat([p for p, kept in zip(self.parts, keep, strict=True) if kept])).value


class BlockDecibels:
    """Equivariance, in dB, of the batches in the blocks; a batch shares one transformation."""

    biased, halves, local, share = True, True, False, None

    def __init__(self, errors: Tensor, *, seed: int = 0):
        """errors: [B, 2], `SquaredErrors` of each batch. ValueError for too few batches."""
        self.sums = torch.stack([errors.cpu()[part].sum(0) for part in dealt(len(errors), seed)])  # [G, 2]

    def __call__(self, keep: Tensor) -> float:
        """Of the blocks that bool [G] names; infinity where nothing differs."""
        return SquaredErrors(*(keep.double() @ self.sums).tolist()).decibels

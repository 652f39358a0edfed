"""Frechet distance extrapolated to infinitely many fakes (Chong & Forsyth 2020).

Letters: M fake rows, D features.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gan import distributed
from metrics.blockwise import BlockFrechet
from metrics.features import Moments
from metrics.frechet import fit_distance, moments_of, warn_if_singular
from metrics.jackknife import replicates
from metrics.rows import Rows, as_rows, chosen


class FrechetInfinity(NamedTuple):
    """distances[i] is the distance of sizes[i] fakes; value + slope / size is the line through them.

    value: the distance expected of infinitely many fakes; noise can make it negative. slope: >= 0 but for
    noise. standard_error: of value over other fakes: the scatter of the points around the line, and what all
    subsets have in common, by the jackknife over blocks of the fakes (`metrics.jackknife`).
    """

    value: float
    slope: float
    standard_error: float
    sizes: tuple[int, ...]
    distances: tuple[float, ...]


def fid_infinity(
    real: Moments | Rows, fake: Rows, *, points: int = 15, smallest: int = 5_000, seed: int = 0, ddof: int = 1
) -> FrechetInfinity:
    """Extrapolate the Frechet distance to infinitely many fakes (Chong & Forsyth 2020, section 3.2).

    The bias of n fakes is about proportional to 1 / n: a line in 1 / n is fitted to the distances of random
    subsets, with `points` evenly spaced sizes from `smallest` to all M rows of `fake`. The real images stay
    as they are, bias included, so use all. The subsets are drawn from `numpy.random.RandomState(seed)`.
    Warns and raises as `frechet_distance`; also ValueError for fewer than 3 points or M <= smallest.
    """
    p = moments_of(real)
    rows = as_rows(fake, "fake").to(p.sum.device)
    if points < 3 or len(rows) < smallest + points:
        raise ValueError(
            f"{points} sizes from {smallest:,} to {len(rows):,} fakes: at least 3 different ones needed"
        )
    if p.dim != rows.dim:
        raise ValueError(f"{p.dim} real features against {rows.dim} fake ones")
    warn_if_singular(p.dim, p.count, smallest)
    rng = np.random.RandomState(seed)
    sizes = tuple(int(size) for size in np.linspace(smallest, len(rows), points))
    drawn = [chosen(rng, rows, size) for size in sizes]

    def distance(index: int) -> Tensor:
        return torch.tensor(fit_distance(p, moments_of(rows.at(drawn[index])), ddof), dtype=torch.float64)

    distances = [found.item() for found in distributed.dealt(distance, points)]
    line, covariance = np.polyfit(1 / np.array(sizes), distances, 1, cov=True)
    shared = replicates(BlockFrechet(p, rows, ddof=ddof, seed=seed, halves=False)).estimate().standard_error
    error = float((covariance[1, 1] + shared**2) ** 0.5)
    return FrechetInfinity(float(line[1]), float(line[0]), error, sizes, tuple(distances))

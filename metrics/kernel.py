"""Kernel distance: squared maximum mean discrepancy, cubic kernel (Binkowski et al. 2018). Lower is better.

    MMD^2 = E k(x, x') + E k(y, y') - 2 E k(x, y),   k(a, b) = (a . b / D + 1)^3

over real x and fake y (Gretton et al. 2012, eq. 1). Both estimators here are unbiased: equal distributions
give 0 on average whatever the count, so a value may be slightly negative. No unit; "KID" is the name for
Inception's features. Published values are often multiplied by 1,000: these are not.

Letters: N real and M fake rows, D features.
"""

from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gan import distributed
from metrics import shards
from metrics.rows import Rows, as_pair, chosen
from metrics.shards import Shards

DEGREE, OFFSET = 3, 1.0  # of the kernel


class KernelDistance(NamedTuple):
    """value: the distance. std: population deviation over the subsets, None without subsets.

    standard_error: with subsets, std / sqrt(subsets): what drawing the subsets adds, given these images.
    Without, the jackknife's estimate of the deviation over other images of both distributions; for equal
    distributions it errs on the large side (by up to sqrt 2).
    """

    value: float
    std: float | None
    standard_error: float


def kernel_distance(
    real: Rows, fake: Rows, *, subsets: int | None = 100, subset_size: int = 1000, seed: int = 0
) -> KernelDistance:
    """Kernel distance of real [N, D] and fake [M, D] rows, in float64.

    subsets: the mean over so many random subsets of both, of min(subset_size, N, M) rows each, as published
    tools have it; the fakes of a subset are drawn before its reals, from `numpy.random.RandomState(seed)`.
    None: the unbiased estimator on all rows, of which that mean is a noisy estimate. It needs no seed, and
    the order of the rows changes no more than its rounding.
    Raises ValueError for fewer than 2 rows (without subsets: 3), rows of different widths, or subsets < 1.
    """
    real, fake = as_pair(real, fake, least=3 if subsets is None else 2)
    if subsets is None:
        return _full(real, fake)
    size = min(subset_size, len(real), len(fake))
    if subsets < 1 or size < 2:
        raise ValueError(f"{subsets} subsets of {subset_size} rows: at least 1 of 2 needed")
    rng = np.random.RandomState(seed)
    drawn = [[chosen(rng, rows, size) for rows in (fake, real)] for _ in range(subsets)]

    def estimate(index: int) -> Tensor:
        fakes, reals = drawn[index]
        return _row_sums(Shards(real.at(reals).whole()), Shards(fake.at(fakes).whole())).estimate()

    draws = torch.stack(list(distributed.dealt(estimate, subsets))).tolist()
    std = float(np.std(draws))
    return KernelDistance(float(np.mean(draws)), std, std / subsets**0.5)


def polynomial_kernel(x: Tensor, y: Tensor) -> Tensor:
    """(x_i . y_j / D + 1)^3: x [N, D], y [M, D] -> [N, M]."""
    return (x @ y.T).div_(x.shape[1]).add_(OFFSET).pow_(DEGREE)


def kernel_with_itself(x: Tensor) -> Tensor:
    """k(x_i, x_i) of rows [N, D] -> [N], float64."""
    return (x.double().square().sum(1) / x.shape[1] + OFFSET).pow(DEGREE)


def _full(real: Shards, fake: Shards) -> KernelDistance:
    """All rows; the error by leaving out one row after the other (Efron & Stein 1981)."""
    sums = _row_sums(real, fake)
    variances = [_jackknife(_without_each(*sums)), _jackknife(_without_each(*sums.swapped()))]
    return KernelDistance(sums.estimate().item(), None, sum(variances) ** 0.5)


class _Sums(NamedTuple):
    """Per row, the kernel summed over all other rows of its own set, and over the other set; float64."""

    real_real: Tensor  # [N]
    real_fake: Tensor  # [N]
    fake_fake: Tensor  # [M]
    fake_real: Tensor  # [M]

    def estimate(self) -> Tensor:
        """The unbiased estimator of MMD^2 (Gretton et al. 2012, eq. 3), a scalar."""
        n, m = len(self.real_real), len(self.fake_fake)
        within = self.real_real.sum() / (n * (n - 1)) + self.fake_fake.sum() / (m * (m - 1))
        return within - 2 * self.real_fake.sum() / (n * m)

    def swapped(self) -> "_Sums":
        """The same with real and fake exchanged."""
        return _Sums(self.fake_fake, self.fake_real, self.real_real, self.real_fake)


def _row_sums(real: Shards, fake: Shards) -> _Sums:
    """Block by block; of the two blocks (i, j) and (j, i) within a set only one is evaluated."""
    within = [sum(distributed.dealt(partial(_within, x), x.block_count)) for x in (real, fake)]
    crossed = sum(distributed.dealt(partial(_across, real, fake), real.block_count))
    return _Sums(within[0], crossed[: len(real)], within[1], crossed[len(real) :])


def _within(rows: Shards, index: int) -> Tensor:
    """What the kernels of block `index` with itself and the blocks behind it add to the sums of rows [N]."""
    sums = torch.zeros(len(rows), dtype=torch.float64, device=rows.device)
    start, x = index * shards.BLOCK, rows.block(index).double()
    for other, block in rows.blocks():
        if other < start:
            continue
        kernel = polynomial_kernel(x, block.double())
        if other == start:
            kernel.fill_diagonal_(0)
        else:
            sums[other:][: len(block)] += kernel.sum(0)
        sums[start:][: len(x)] += kernel.sum(1)
    return sums


def _across(real: Shards, fake: Shards, index: int) -> Tensor:
    """What the kernels of block `index` of the reals with all fakes add to the sums of both, [N + M]."""
    sums = torch.zeros(len(real) + len(fake), dtype=torch.float64, device=real.device)
    start, x = index * shards.BLOCK, real.block(index).double()
    for other, block in fake.blocks():
        kernel = polynomial_kernel(x, block.double())
        sums[start:][: len(x)] += kernel.sum(1)
        sums[len(real) + other :][: len(block)] += kernel.sum(0)
    return sums


def _without_each(own: Tensor, across: Tensor, other: Tensor, _: Tensor) -> Tensor:
    """The estimates [N] without row i of the first set, which has at least 3."""
    n, m = len(own), len(other)
    within = (own.sum() - 2 * own) / ((n - 1) * (n - 2))
    return within + other.sum() / (m * (m - 1)) - 2 * (across.sum() - across) / ((n - 1) * m)


def _jackknife(estimates: Tensor) -> float:
    """(N - 1) / N * sum of squared deviations from their mean."""
    return (len(estimates) - 1) * estimates.var(correction=0).item()

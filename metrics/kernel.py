"""Kernel distance: squared maximum mean discrepancy, cubic kernel (Binkowski et al. 2018). Lower is better.

    MMD^2 = E k(x, x') + E k(y, y') - 2 E k(x, y),   k(a, b) = (a . b / D + 1)^3

over real x and fake y (Gretton et al. 2012, eq. 1). Both estimators here are unbiased: equal distributions
give 0 on average whatever the count, so a value may be slightly negative. No unit; "KID" is the name for
Inception's features. Published values are often multiplied by 1,000: these are not.

Letters: N real and M fake rows, D features.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from metrics.rows import Rows, as_pair, blocks, subset

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
    draws = []
    for _ in range(subsets):
        fakes = subset(rng, fake, size)
        draws.append(_row_sums(subset(rng, real, size), fakes).estimate())
    std = float(np.std(draws))
    return KernelDistance(float(np.mean(draws)), std, std / subsets**0.5)


def polynomial_kernel(x: Tensor, y: Tensor) -> Tensor:
    """(x_i . y_j / D + 1)^3: x [N, D], y [M, D] -> [N, M]."""
    return (x @ y.T).div_(x.shape[1]).add_(OFFSET).pow_(DEGREE)


def _full(real: Tensor, fake: Tensor) -> KernelDistance:
    """All rows; the error by leaving out one row after the other (Efron & Stein 1981)."""
    sums = _row_sums(real, fake)
    variances = [_jackknife(_without_each(*sums)), _jackknife(_without_each(*sums.swapped()))]
    return KernelDistance(sums.estimate(), None, sum(variances) ** 0.5)


class _Sums(NamedTuple):
    """Per row, the kernel summed over all other rows of its own set, and over the other set; float64."""

    real_real: Tensor  # [N]
    real_fake: Tensor  # [N]
    fake_fake: Tensor  # [M]
    fake_real: Tensor  # [M]

    def estimate(self) -> float:
        """The unbiased estimator of MMD^2 (Gretton et al. 2012, eq. 3)."""
        n, m = len(self.real_real), len(self.fake_fake)
        within = self.real_real.sum() / (n * (n - 1)) + self.fake_fake.sum() / (m * (m - 1))
        return (within - 2 * self.real_fake.sum() / (n * m)).item()

    def swapped(self) -> "_Sums":
        """The same with real and fake exchanged."""
        return _Sums(self.fake_fake, self.fake_real, self.real_real, self.real_fake)


def _row_sums(real: Tensor, fake: Tensor) -> _Sums:
    """Block by block; of the two blocks (i, j) and (j, i) within a set only one is evaluated."""
    sums = _Sums(*(rows.new_zeros(len(rows), dtype=torch.float64) for rows in (real, real, fake, fake)))
    for rows, own in ((real, sums.real_real), (fake, sums.fake_fake)):
        for start, block in blocks(rows):
            x = block.double()
            for other, block in blocks(rows[start:]):
                kernel = polynomial_kernel(x, block.double())
                if other == 0:
                    kernel.fill_diagonal_(0)
                else:
                    own[start + other :][: len(block)] += kernel.sum(0)
                own[start:][: len(x)] += kernel.sum(1)
    for start, block in blocks(real):
        x = block.double()
        for other, block in blocks(fake):
            kernel = polynomial_kernel(x, block.double())
            sums.real_fake[start:][: len(x)] += kernel.sum(1)
            sums.fake_real[other:][: len(block)] += kernel.sum(0)
    return sums


def _without_each(own: Tensor, across: Tensor, other: Tensor, _: Tensor) -> Tensor:
    """The estimates [N] without row i of the first set, which has at least 3."""
    n, m = len(own), len(other)
    within = (own.sum() - 2 * own) / ((n - 1) * (n - 2))
    return within + other.sum() / (m * (m - 1)) - 2 * (across.sum() - across) / ((n - 1) * m)


def _jackknife(estimates: Tensor) -> float:
    """(N - 1) / N * sum of squared deviations from their mean."""
    return (len(estimates) - 1) * estimates.var(correction=0).item()

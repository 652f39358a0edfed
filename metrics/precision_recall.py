"""Fidelity and diversity apart, by balls around images in feature space.

The ball of an image has the radius of its k-th nearest other image of the same set. It includes its surface
in the paper of precision and recall, and not in the code of density and coverage.

    precision = share of fakes in the ball of any real                 (Kynkaanniemi et al. 2019, eq. 1, 2)
    recall    = share of reals in the ball of any fake
    density   = balls of reals around a fake, over k, mean of fakes    (Naeem et al. 2020, eq. 3)
    coverage  = share of reals whose ball holds any fake               (eq. 4)

All are better when higher. Precision, recall and coverage are in [0, 1], density in [0, N / k], on average 1
for equal distributions. A generator that collapses to few good images has high precision and density, but low
recall and coverage. Outliers have large balls, which raises precision and recall; all four depend on k and on
the counts.

Letters: N real and M fake rows, D features.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from gan import distributed
from metrics import shards
from metrics.rows import (
    Rows,
    as_pair,
    exact_squared_distances,
    nearest,
    rounding,
    squared_distances,
)
from metrics.shards import Shards

_PAIRS = 4096  # pairs of rows that are compared exactly at a time
_TIE = 1e-12  # relative: squared distances that differ by less are equal


class PrecisionRecall(NamedTuple):
    """Shares in [0, 1]; higher is better."""

    precision: float
    recall: float


class DensityCoverage(NamedTuple):
    """density in [0, N / k], coverage in [0, 1]; higher is better."""

    density: float
    coverage: float


class ManifoldScores(NamedTuple):
    """All four, for one k."""

    precision: float
    recall: float
    density: float
    coverage: float


def precision_recall(real: Rows, fake: Rows, *, k: int = 3) -> PrecisionRecall:
    """Improved precision and recall of real [N, D] and fake [M, D] rows. Errors as in `manifold_scores`."""
    scores = manifold_scores(real, fake, (k,))[k]
    return PrecisionRecall(scores.precision, scores.recall)


def density_coverage(real: Rows, fake: Rows, *, k: int = 5) -> DensityCoverage:
    """Density and coverage of real [N, D] and fake [M, D] rows. Errors as in `manifold_scores`."""
    scores = manifold_scores(real, fake, (k,), strict=True)[k]
    return DensityCoverage(scores.density, scores.coverage)


def manifold_scores(
    real: Rows, fake: Rows, ks: Sequence[int] = (3, 5), *, strict: bool = False
) -> dict[int, ManifoldScores]:
    """All four scores of real [N, D] and fake [M, D] rows for every k of `ks`, in one pass.

    strict: balls without their surface, as the code of Naeem et al. has them; it matters for repeated images.

    Neither the size of the blocks nor the order of the rows changes a digit: distances come as matrix
    products in float64, and the few that are too near to a radius to tell are summed again, difference by
    difference. What is then equal to 12 digits lies on the surface.
    Raises ValueError for k < 1, no more than max(ks) rows in a set, or rows of different widths.
    """
    if not ks or min(ks) < 1:
        raise ValueError(f"k must be at least 1, got {list(ks)}")
    real, fake = as_pair(real, fake, least=max(ks) + 1)
    columns = [k - 1 for k in ks]
    real_radii, fake_radii = (  # squared, [K, N] and [K, M]
        nearest(rows, rows, max(ks), exclude_self=True).squared[:, columns].T for rows in (real, fake)
    )

    def counted(index: int) -> Tensor:
        block = real.block(index)
        radii = real_radii[:, index * shards.BLOCK :, None][:, : len(block)]  # [K, n, 1]
        found = _against(block.double(), fake, radii, fake_radii, strict)
        return torch.cat([flags.packed() for flags in found])

    tallies = [_Tally(len(real), len(fake)) for _ in ks]
    for numbers in distributed.dealt(counted, real.block_count):
        for tally, own in zip(tallies, numbers.chunk(len(ks)), strict=True):
            tally.add(own)
    return {k: tally.scores(k) for k, tally in zip(ks, tallies, strict=True)}


class _Flags:
    """What is known so far of one block of n reals, for one k."""

    def __init__(self, reals: int, fakes: int, device: torch.device):
        flags = (torch.zeros(n, dtype=torch.bool, device=device) for n in (fakes, reals, reals))
        self.fake_in_real, self.real_holds_fake, self.real_in_fake = flags
        self.balls = 0  # pairs (ball of a real, fake in it)

    def add(self, other: int, in_real: Tensor, in_fake: Tensor) -> None:
        """[n, m]: is fake other + j in the ball of real i; is that real in the ball of that fake."""
        self.fake_in_real[other:][: in_real.shape[1]] |= in_real.any(0)
        self.real_holds_fake |= in_real.any(1)
        self.real_in_fake |= in_fake.any(1)
        self.balls += int(in_real.sum())

    def packed(self) -> Tensor:
        """int64 [1 + M + 2 BLOCK]: the balls, then the flags, those of the reals filled up with zeros."""
        reals = torch.stack([self.real_holds_fake, self.real_in_fake]).long()
        reals = torch.nn.functional.pad(reals, (0, shards.BLOCK - reals.shape[1]))
        return torch.cat([reals.new_tensor([self.balls]), self.fake_in_real.long(), reals.flatten()])


class _Tally:
    """What is known so far of all reals, for one k: the numbers of their blocks."""

    def __init__(self, reals: int, fakes: int):
        self.reals, self.fakes = reals, fakes
        self.balls = self.holding = self.inside = 0
        self.fake_in_real: Tensor | int = 0  # [M], blocks of reals with a ball around it

    def add(self, numbers: Tensor) -> None:
        """numbers: as `_Flags.packed` has them."""
        balls, fakes, holding, inside = numbers.split([1, self.fakes, shards.BLOCK, shards.BLOCK])
        self.balls += int(balls)
        self.holding += int(holding.sum())
        self.inside += int(inside.sum())
        self.fake_in_real = self.fake_in_real + fakes

    def scores(self, k: int) -> ManifoldScores:
        """Shares of the counts."""
        precision = int((self.fake_in_real > 0).sum()) / self.fakes
        density = self.balls / (k * self.fakes)
        return ManifoldScores(precision, self.inside / self.reals, density, self.holding / self.reals)


def _against(x: Tensor, fake: Shards, real_radii: Tensor, fake_radii: Tensor, strict: bool) -> list[_Flags]:
    """One block of reals x [n, D], float64, against all fakes; radii [K, n, 1] and [K, M], squared."""
    found = [_Flags(len(x), len(fake), x.device) for _ in fake_radii]
    for other, block in fake.blocks():
        y = block.double()
        distances, slack = squared_distances(x, y), rounding(x, y)
        for flags, of_real, of_fake in zip(found, real_radii, fake_radii, strict=True):
            in_real = _inside(distances, of_real, slack, x, y, strict)
            in_fake = _inside(distances, of_fake[other:][: len(y)], slack, x, y, strict)
            flags.add(other, in_real, in_fake)
    return found


def _inside(distances: Tensor, radii: Tensor, slack: float, x: Tensor, y: Tensor, strict: bool) -> Tensor:
    """distances <= radii, strict: <, both squared [n, m]; by exact sums where closer than `slack`."""
    gaps = distances - radii
    inside = gaps <= 0
    close = gaps.abs_() <= slack
    if close.any():
        pairs = close.nonzero()  # [P, 2]
        bounds = radii.expand_as(inside)[close]
        exact = [exact_squared_distances(x[part[:, 0]], y[part[:, 1]]) for part in pairs.split(_PAIRS)]
        exact = torch.cat(exact)
        inside[close] = exact < bounds * (1 - _TIE) if strict else exact <= bounds * (1 + _TIE)
    return inside

"""Scores of any of the blocks of images that `metrics.jackknife` takes, from sums that are made once.

Letters: G blocks, N real and M fake rows, D features, C classes.
"""

import torch
from torch import Tensor

from gan import distributed
from metrics.diversity import exponential_entropy
from metrics.features import Moments
from metrics.frechet import fit_distance, moments_of
from metrics.jackknife import GROUPS, dealt
from metrics.kernel import kernel_with_itself, polynomial_kernel
from metrics.rows import Rows, as_pair, as_rows, blocks, unit


class BlockMoments:
    """Moments of blocks of rows [N, D]; summed when asked for, so that memory is a few [D, D]."""

    def __init__(self, rows: Tensor, seed: int):
        self.rows, self.parts = rows, dealt(len(rows), seed)
        self.whole = moments_of(rows)
        self._last = torch.ones(GROUPS, dtype=torch.bool), self.whole

    def moments(self, keep: Tensor) -> Moments:
        """Of the blocks that bool [G] names; without their sum in float32."""
        if keep.all():
            return self.whole
        if torch.equal(~keep, self._last[0]):  # the other half
            return self._rest(self._last[1])
        if keep.sum() > GROUPS // 2:
            return self._rest(self._summed(~keep))
        self._last = keep.clone(), self._summed(keep)
        return self._last[1]

    def _summed(self, keep: Tensor) -> Moments:
        dim, kind = self.rows.shape[1], {"dtype": torch.float64, "device": self.rows.device}
        count, total, outer = 0, torch.zeros(dim, **kind), torch.zeros(dim, dim, **kind)
        chosen = torch.cat([part for part, kept in zip(self.parts, keep, strict=True) if kept])
        for _, block in blocks(chosen):
            x = self.rows[block.to(self.rows.device)].double()
            count, total = count + len(x), total + x.sum(0)
            outer.addmm_(x.T, x)
        return Moments.of_sums(count, total, outer)

    def _rest(self, part: Moments) -> Moments:
        whole = self.whole
        return Moments.of_sums(whole.count - part.count, whole.sum - part.sum, whole.outer - part.outer)


class BlockFrechet:
    """Frechet distance; `real` as moments is a fixed distribution, of which no block is left out."""

    biased, local, share = True, False, None

    def __init__(
        self, real: Moments | Rows, fake: Rows, *, ddof: int = 1, seed: int = 0, halves: bool = True
    ):
        self.ddof, self.halves = ddof, halves
        fake = as_rows(fake, "fake")
        fixed = isinstance(real, Moments)
        self.real = real.to(fake.device) if fixed else BlockMoments(as_pair(fake, real)[1], seed)
        self.fake = BlockMoments(fake, seed)

    def __call__(self, keep: Tensor) -> float:
        """Of the blocks that bool [G] names."""
        real = self.real if isinstance(self.real, Moments) else self.real.moments(keep)
        return fit_distance(real, self.fake.moments(keep), self.ddof)


class BlockKernel:
    """The unbiased estimator of the squared kernel distance, see `metrics.kernel`."""

    biased, halves, local, share = False, True, False, None

    def __init__(self, real: Rows, fake: Rows, *, seed: int = 0):
        real, fake = as_pair(real, fake)
        parts = [[rows[i.to(rows.device)] for i in dealt(len(rows), seed)] for rows in (real, fake)]
        self.counts = torch.tensor(
            [[len(part) for part in own] for own in parts], dtype=torch.float64
        )  # [2, G]
        self.within = [_symmetric_sums(own) for own in parts]  # [G, G] each
        self.across = _cross_sums(*parts)

    def __call__(self, keep: Tensor) -> float:
        """Of the blocks that bool [G] names (Gretton et al. 2012, eq. 3)."""
        w = keep.double()
        n, m = (self.counts @ w).tolist()
        real, fake = (w @ sums @ w for sums in self.within)
        return (real / (n * (n - 1)) + fake / (m * (m - 1)) - 2 * (w @ self.across @ w) / (n * m)).item()


class BlockInception:
    """Inception Score of all rows at once, of logits [N, C]."""

    biased, halves, local, share = True, True, False, None

    def __init__(self, logits: Rows, *, seed: int = 0):
        rows = as_rows(logits, "predictions")
        parts = dealt(len(rows), seed)
        self.counts = torch.tensor([len(part) for part in parts], dtype=torch.float64)
        self.probabilities = torch.zeros(GROUPS, rows.shape[1], dtype=torch.float64)
        self.entropies = torch.zeros(GROUPS, dtype=torch.float64)  # negative ones
        for j, part in enumerate(parts):
            for _, block in blocks(part):
                log_p = rows[block.to(rows.device)].double().log_softmax(1).cpu()
                self.probabilities[j] += log_p.exp().sum(0)
                self.entropies[j] += (log_p.exp() * log_p).sum()

    def __call__(self, keep: Tensor) -> float:
        """Of the blocks that bool [G] names."""
        w = keep.double()
        marginal = w @ self.probabilities / (w @ self.counts)
        return (w @ self.entropies / (w @ self.counts) - torch.xlogy(marginal, marginal).sum()).exp().item()


class BlockVendi:
    """Vendi score of rows [M, D], see `metrics.diversity`."""

    biased, halves, local, share = True, True, False, None

    def __init__(self, rows: Rows, *, seed: int = 0):
        self.moments = BlockMoments(unit(as_rows(rows, "features")), seed)

    def __call__(self, keep: Tensor) -> float:
        """Of the blocks that bool [G] names."""
        moments = self.moments.moments(keep)
        return exponential_entropy(moments.outer / moments.count)


def _symmetric_sums(parts: list[Tensor]) -> Tensor:
    """[G, G]: the kernel summed over the pairs of rows of two blocks; within one, of different rows."""

    def line(i: int) -> Tensor:
        sums = torch.zeros(GROUPS, dtype=torch.float64)
        for j in range(i, GROUPS):
            sums[j] = _kernel_sum(parts[i], parts[j])
        sums[i] -= sum(kernel_with_itself(block).sum() for _, block in blocks(parts[i])).item()
        return sums

    upper = torch.stack(list(distributed.dealt(line, GROUPS)))
    return upper + upper.triu(1).T


def _cross_sums(parts: list[Tensor], others: list[Tensor]) -> Tensor:
    """[G, G]: the kernel summed over the pairs of rows of two blocks of two sets."""

    def line(i: int) -> Tensor:
        return torch.tensor([_kernel_sum(parts[i], y) for y in others], dtype=torch.float64)

    return torch.stack(list(distributed.dealt(line, GROUPS)))


def _kernel_sum(x: Tensor, y: Tensor) -> float:
    return sum(
        polynomial_kernel(a.double(), b.double()).sum().item() for _, a in blocks(x) for _, b in blocks(y)
    )

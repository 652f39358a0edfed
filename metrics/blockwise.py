"""Scores of any of the blocks of images that `metrics.jackknife` takes, from sums that are made once.

Letters: G blocks, N real and M fake rows, D features, C classes.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from gan import distributed
from metrics.diversity import exponential_entropy
from metrics.features import Moments
from metrics.frechet import fit_distance
from metrics.jackknife import GROUPS, dealt
from metrics.kernel import kernel_with_itself, polynomial_kernel
from metrics.rows import Rows, as_pair, as_rows, unit
from metrics.shards import Shards


class BlockMoments:
    """Moments of blocks of rows [N, D]; summed when asked for, so that memory is a few [D, D]."""

    def __init__(self, rows: Shards, seed: int, change: Callable[[Tensor], Tensor] = torch.Tensor.double):
        """change: rows [n, D] -> what the moments are of, [n, D]."""
        self.rows, self.parts, self.change = rows, dealt(len(rows), seed), change
        self.whole = Moments.of_batches(change(block) for _, block in rows.blocks())
        self._last = torch.ones(GROUPS, dtype=torch.bool), self.whole

    def moments(self, keep: Tensor) -> Moments:
        """Of the blocks that bool [G] names; without their sum in float32. A common step.

        The processes, which may have asked for others, must all have asked for halves or all for more.
        """
        if torch.equal(~keep, self._last[0]):  # the other half
            return self._rest(self._last[1])
        if keep.sum() > GROUPS // 2:
            return self._rest(self._summed(~keep))
        self._last = keep.clone(), self._summed(keep)
        return self._last[1]

    def _summed(self, keep: Tensor) -> Moments:
        dim, kind = self.rows.dim, {"dtype": torch.float64, "device": self.rows.device}
        count, total, outer = 0, torch.zeros(dim, **kind), torch.zeros(dim, dim, **kind)
        none = torch.empty(0, dtype=torch.int64)
        chosen = torch.cat([none, *(part for part, kept in zip(self.parts, keep, strict=True) if kept)])
        for _, block in self.rows.at(chosen).blocks():
            x = self.change(block)
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
        parts = [[rows.at(i).ordered() for i in dealt(len(rows), seed)] for rows in (real, fake)]
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

        def sums(j: int) -> Tensor:
            """Of the probabilities of each class, and of the negative entropies, [C + 1]."""
            found = torch.zeros(rows.dim + 1, dtype=torch.float64)
            for _, block in rows.at(parts[j]).blocks():
                log_p = block.double().log_softmax(1).cpu()
                found[:-1] += log_p.exp().sum(0)
                found[-1] += (log_p.exp() * log_p).sum()
            return found

        found = torch.stack(list(distributed.dealt(sums, GROUPS)))
        self.probabilities, self.entropies = found[:, :-1], found[:, -1]  # [G, C], [G]; negative ones

    def __call__(self, keep: Tensor) -> float:
        """Of the blocks that bool [G] names."""
        w = keep.double()
        marginal = w @ self.probabilities / (w @ self.counts)
        return (w @ self.entropies / (w @ self.counts) - torch.xlogy(marginal, marginal).sum()).exp().item()


class BlockVendi:
    """Vendi score of rows [M, D], see `metrics.diversity`."""

    biased, halves, local, share = True, True, False, None

    def __init__(self, rows: Rows, *, seed: int = 0):
        self.moments = BlockMoments(as_rows(rows, "features"), seed, unit)

    def __call__(self, keep: Tensor) -> float:
        """Of the blocks that bool [G] names."""
        moments = self.moments.moments(keep)
        return exponential_entropy(moments.outer / moments.count)


def _symmetric_sums(parts: list[Shards]) -> Tensor:
    """[G, G]: the kernel summed over the pairs of rows of two blocks; within one, of different rows."""

    def line(i: int) -> Tensor:
        sums = _kernel_sums(parts[i], parts, i)
        sums[i] -= sum(kernel_with_itself(block).sum() for _, block in parts[i].blocks()).item()
        return sums

    upper = torch.stack(list(distributed.dealt(line, GROUPS)))
    return upper + upper.triu(1).T


def _cross_sums(parts: list[Shards], others: list[Shards]) -> Tensor:
    """[G, G]: the kernel summed over the pairs of rows of two blocks of two sets."""
    return torch.stack(list(distributed.dealt(lambda i: _kernel_sums(parts[i], others), GROUPS)))


def _kernel_sums(rows: Shards, parts: list[Shards], first: int = 0) -> Tensor:
    """[G]: the kernel summed over the pairs of these rows and those of each of the parts from `first` on.

    The rows before it come by all the same: another process may need them.
    """
    sums = torch.zeros(GROUPS, dtype=torch.float64)
    for _, block in rows.blocks():
        x = block.double()
        for j, part in enumerate(parts):
            for _, other in part.blocks():
                if j >= first:
                    sums[j] += _kernel_sum(x, other.double())
    return sums


def _kernel_sum(x: Tensor, y: Tensor) -> float:
    return polynomial_kernel(x, y).sum().item()

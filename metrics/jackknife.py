"""How sure a number is: jackknife over blocks of images, with balanced half-samples.

Images are dealt at random into GROUPS blocks, and the score is computed again without each block and of
halves of the blocks. With v the value of all of n images, its expectation is

    E v = t + a / n + b / n^2 + ...      t: the score of the distributions, of infinitely many images

    J = (G - 1) (mean of the values without a block - v)      estimates a / n + 2 b / n^2    (Quenouille 1956)
    H = mean of the values of halves - v                      estimates a / n + 3 b / n^2    (McCarthy 1969)

so t is estimated by v - J + (H - J) G / (G - 2), exactly where there are no more terms. The variance of v
has a part L that each image contributes by itself and a part Q of pairs of images, which is all that is
left where both distributions are equal. The jackknife's variance is L + 2 Q (Efron & Stein 1981, section
3), and the variance of H over balanced splits is Q: their difference is what is wanted. Where noise makes
it smaller than Q, L is not to be seen: then both are estimates of Q, and their mean is taken.

The interval of a share is Wilson's (1927), which stays within 0 and 1 and is no point where all images or
none count, with the number of images that would make the variance found that of independent ones.

Letters: G blocks, R splits into halves.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
import torch
from scipy import linalg, stats
from torch import Tensor

from gan import distributed

GROUPS = 16  # blocks; a power of two, for which scipy has the matrix of balanced halves (Hadamard)
LEAST = 2 * GROUPS  # images in a set
LEVEL = 0.95  # of the intervals in records
_STREAM = 0x626C6F63  # beside the seed


class Blockwise(Protocol):
    """A score of any of the blocks.

    biased: whether its expectation depends on the number of images. halves: whether it can be had of halves
    of the blocks, not only without single ones. share: of what it is a share; None for another number.
    """

    biased: bool
    halves: bool
    share: "Share | None"

    def __call__(self, keep: Tensor) -> float:
        """Of the blocks that bool [G] names."""


class Share(NamedTuple):
    """A share of `images` images, or of their number times `whole`: 100 for percent."""

    images: int
    whole: float = 1.0

    def interval(self, value: float, variance: float, quantile: float) -> tuple[float, float]:
        """Wilson's, of as many independent images as would have that variance, and no more than there are.

        Whatever is found, this number is of a share moved to 1 / 2 by four images (Agresti & Coull 1998), so
        that it is known of 0 and 1, too.
        """
        p, variance = value / self.whole, variance / self.whole**2
        moved = (self.images * p + 2) / (self.images + 4)
        count = min(self.images, moved * (1 - moved) / variance) if variance else self.images
        squared = quantile**2 / count
        centre = (p + squared / 2) / (1 + squared)
        reach = (squared * (p * (1 - p) + squared / 4)) ** 0.5 / (1 + squared)
        low, high = max(centre - reach, 0.0), min(centre + reach, 1.0)
        return self.whole * min(low, p), self.whole * max(high, p)  # but for rounding it holds p


class Estimate(NamedTuple):
    """corrected: the score with the bias of few images taken off; the value itself where it has none.

    standard_error: of both, over other images of the same distributions. low, high: interval around
    `corrected`.
    """

    corrected: float
    standard_error: float
    low: float
    high: float


class Replicates(NamedTuple):
    """The score again: value of all blocks, without [G] of all but one, halves [R] mean of two halves each.

    halves is None for a score that cannot be had of halves: then nothing is corrected, and the standard
    error is the jackknife's, too large by up to sqrt 2 for equal distributions. biased, share: as `Blockwise`
    has them.
    """

    value: float
    without: Tensor
    halves: Tensor | None
    biased: bool
    share: Share | None = None

    def minus(self, other: "Replicates") -> "Replicates":
        """Those of the difference of two scores on the same blocks."""
        halves = None if self.halves is None or other.halves is None else self.halves - other.halves
        return Replicates(self.value - other.value, self.without - other.without, halves, self.biased)

    def estimate(self, level: float = LEVEL) -> Estimate:
        """Interval at `level`, by Student's t with G - 1 degrees of freedom."""
        count = len(self.without)
        variance = (count - 1) * self.without.var(correction=0).item()
        bias = 0.0
        if self.halves is not None:
            pairs = self.halves.var().item()
            variance = max(variance - pairs, (variance / 2 + pairs) / 2)
            first = (count - 1) * (self.without.mean().item() - self.value)
            curved = self.halves.mean().item() - self.value - first  # (1 - 2 / G) b / n^2
            bias = first - curved * count / (count - 2) if self.biased else 0.0
        error, centre = variance**0.5, self.value - bias
        quantile = float(stats.t.ppf((1 + level) / 2, count - 1))
        if self.share:
            return Estimate(centre, error, *self.share.interval(centre, variance, quantile))
        return Estimate(centre, error, centre - quantile * error, centre + quantile * error)


def replicates(score: Blockwise) -> Replicates:
    """The score of all blocks, without each, and of the halves of G - 1 balanced splits."""
    whole = torch.ones(GROUPS, dtype=torch.bool)
    splits = list(_splits())

    def of(work: Callable[[int], float], count: int) -> Tensor:
        numbers = distributed.dealt(lambda i: torch.tensor(work(i), dtype=torch.float64), count)
        return torch.stack(list(numbers))

    found = of(lambda j: score(whole & (torch.arange(GROUPS) != j)), GROUPS + 1)  # the last leaves none out
    halves = of(lambda r: (score(splits[r]) + score(~splits[r])) / 2, len(splits)) if score.halves else None
    return Replicates(found[-1].item(), found[:-1], halves, score.biased, score.share)


def dealt(count: int, seed: int = 0) -> list[Tensor]:
    """The numbers 0 to count - 1 dealt into GROUPS blocks whose sizes differ by one at most.

    By a stream of random numbers of its own, so that neither a set in the order of its classes is a trap nor
    what is drawn from `numpy.random.RandomState(seed)`. ValueError for fewer than LEAST, two a block.
    """
    if count < LEAST:
        raise ValueError(f"{count} images are too few for an interval: at least {LEAST} needed")
    order = np.random.RandomState([seed, _STREAM]).permutation(count)
    return list(torch.from_numpy(order).tensor_split(GROUPS))


def block_of(count: int, seed: int = 0) -> Tensor:
    """In which of the blocks of `dealt` each number is, int64 [count]."""
    blocks = torch.empty(count, dtype=torch.int64)
    for number, part in enumerate(dealt(count, seed)):
        blocks[part] = number
    return blocks


def _splits() -> Tensor:
    """bool [G - 1, G]: halves of the blocks; any two blocks are on one side about every second time."""
    return torch.from_numpy(linalg.hadamard(GROUPS)[1:] > 0)

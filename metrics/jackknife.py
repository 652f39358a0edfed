"""How sure a number is: jackknife over blocks of images, and balanced half-samples.

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

That is right where groups of three and more add nothing. To a local score, which adds up what the nearest
neighbours of each image say, they add as much as single images do, and the part of groups of k would be
counted k times by the jackknife, k (k - 1) / 2 times by second differences, which leave out pairs of blocks.
Two halves share no image, so (their difference)^2 / 2 has every part once: it estimates the variance of the
score of n / 2 images. That of a local score falls as 1 / n with all its parts (Penrose 2007), so half of it
is the variance of v: the mean of (difference)^2 / 4 over balanced splits, with G - 1 degrees of freedom.

The interval of a share is Wilson's (1927), which stays within 0 and 1 and is no point where all images or
none count, with the number of images that would make the variance found that of independent ones.

Letters: G blocks, R splits into halves.
"""

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

    biased: whether its expectation depends on the number of images, and is corrected. halves: whether it can
    be had of halves of the blocks, not only without single ones. local: whether it adds up what the nearest
    neighbours of each image say; then it is had of halves alone. share: of what it is a share; None for
    another number.
    """

    biased: bool
    halves: bool
    local: bool
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
    """The score again: value of all blocks, without [G] of all but one, halves [R, 2] of both of each split.

    halves is None for a score that cannot be had of halves: then nothing is corrected, and the standard
    error is the jackknife's, too large by up to sqrt 2 for equal distributions. without is None for a local
    one. biased, share: as `Blockwise` has them.
    """

    value: float
    without: Tensor | None
    halves: Tensor | None
    biased: bool
    share: Share | None = None

    def minus(self, other: "Replicates") -> "Replicates":
        """Those of the difference of two scores on the same blocks."""
        pairs = (self.without, other.without), (self.halves, other.halves)
        without, halves = (None if a is None or b is None else a - b for a, b in pairs)
        return Replicates(self.value - other.value, without, halves, self.biased)

    def estimate(self, level: float = LEVEL) -> Estimate:
        """Interval at `level`, by Student's t with G - 1 degrees of freedom."""
        variance, bias = self._variance(), self._bias() if self.biased else 0.0
        error, centre = variance**0.5, self.value - bias
        degrees = (GROUPS if self.without is None else len(self.without)) - 1
        quantile = float(stats.t.ppf((1 + level) / 2, degrees))
        if self.share:
            return Estimate(centre, error, *self.share.interval(centre, variance, quantile))
        return Estimate(centre, error, centre - quantile * error, centre + quantile * error)

    def _variance(self) -> float:
        if self.without is None:
            return (self.halves[:, 0] - self.halves[:, 1]).square().mean().item() / 4
        variance = (len(self.without) - 1) * self.without.var(correction=0).item()
        if self.halves is None:
            return variance
        pairs = self.halves.mean(1).var().item()
        return max(variance - pairs, (variance / 2 + pairs) / 2)

    def _bias(self) -> float:
        if self.without is None or self.halves is None:
            return 0.0
        count = len(self.without)
        first = (count - 1) * (self.without.mean().item() - self.value)
        curved = self.halves.mean().item() - self.value - first  # (1 - 2 / G) b / n^2
        return first - curved * count / (count - 2)


def replicates(score: Blockwise) -> Replicates:
    """The score of all blocks, without each, and of the halves of G - 1 balanced splits, as it has them."""
    whole = torch.ones(GROUPS, dtype=torch.bool)

    def of(cases: list[tuple[Tensor, ...]]) -> Tensor:
        def numbers(index: int) -> Tensor:
            return torch.tensor([score(keep) for keep in cases[index]], dtype=torch.float64)

        return torch.stack(list(distributed.dealt(numbers, len(cases))))

    without = [] if score.local else [(keep,) for keep in ~torch.eye(GROUPS, dtype=torch.bool)]
    found = of([*without, (whole,)])[:, 0]
    halves = of([(half, ~half) for half in splits()]) if score.halves else None
    value, others = found[-1].item(), None if score.local else found[:-1]
    return Replicates(value, others, halves, score.biased, score.share)


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


def splits() -> Tensor:
    """bool [G - 1, G]: halves of the blocks; any two blocks are on one side about every second time."""
    return torch.from_numpy(linalg.hadamard(GROUPS)[1:] > 0)

"""Bootstrap intervals (Efron & Tibshirani 1993, section 13.3): how far a score moves with the images drawn.

Images are drawn again with replacement from those at hand, the score is computed of each draw, and the
interval lies between percentiles of the results. Two traps: repeated images lie at distance 0 of each other,
so scores by nearest neighbours (precision, recall, memorisation) are off; and scores that are biased for few
images (Frechet distance) are biased once more, so that their interval may lie above the score: see
`Interval.bias`.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
import torch

from metrics.rows import Rows, as_rows


class Mergeable(Protocol):
    """Statistics of a part of the images, such as Moments."""

    def merge(self, other: "Mergeable") -> "Mergeable":
        """Statistics of both parts."""


Store = TypeVar("Store", bound=Mergeable)


class Interval(NamedTuple):
    """value: of the images at hand. low, high: percentiles over the draws.

    standard_error: deviation over the draws. bias: their mean minus the value; where it is not small against
    the standard error, the interval is not centred on what it should be.
    """

    value: float
    low: float
    high: float
    standard_error: float
    bias: float


def bootstrap_rows(
    score: Callable[..., float], *sets: Rows, draws: int = 1_000, level: float = 0.95, seed: int = 0
) -> Interval:
    """Interval of score(*sets), drawing the rows of every set [N, D] again.

    level: share of the draws inside. The draws come from `numpy.random.RandomState(seed)`.
    Raises ValueError for fewer than 2 draws, no set, or a level outside (0, 1).
    """
    rows = [as_rows(x, "rows") for x in sets]
    rng = np.random.RandomState(seed)

    def again() -> float:
        places = [torch.from_numpy(rng.randint(len(x), size=len(x))) for x in rows]
        return score(*(x[i.to(x.device)] for x, i in zip(rows, places, strict=True)))

    return _interval(score(*rows), again, len(rows), draws, level)


def bootstrap_shards(
    score: Callable[..., float],
    *sets: Sequence[Store],
    draws: int = 1_000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Interval of score(merged, ...) where every set comes as statistics of shards, which are drawn again.

    For scores of Moments, whose rows are not kept: cut the images into shards of equal size at random, and
    rather 50 than 10. Other arguments and errors as in `bootstrap_rows`; also ValueError for fewer than 2
    shards in a set.
    """
    if any(len(shards) < 2 for shards in sets):
        raise ValueError("every set needs at least 2 shards to draw from")
    rng = np.random.RandomState(seed)

    def again() -> float:
        return score(
            *(merged([shards[i] for i in rng.randint(len(shards), size=len(shards))]) for shards in sets)
        )

    return _interval(score(*map(merged, sets)), again, len(sets), draws, level)


def merged(shards: Sequence[Store]) -> Store:
    """Statistics of all shards together, merged in their order. Raises ValueError for none."""
    if not shards:
        raise ValueError("no shards to merge")
    whole = shards[0]
    for shard in shards[1:]:
        whole = whole.merge(shard)
    return whole


def _interval(value: float, again: Callable[[], float], sets: int, draws: int, level: float) -> Interval:
    """The percentiles (1 - level) / 2 and (1 + level) / 2 of `draws` calls of `again`."""
    if draws < 2 or sets == 0 or not 0 < level < 1:
        raise ValueError(f"{draws} draws from {sets} sets at level {level}: need 2, 1 and a level in (0, 1)")
    found = np.array([again() for _ in range(draws)])
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high), float(found.std(ddof=1)), float(found.mean()) - value)

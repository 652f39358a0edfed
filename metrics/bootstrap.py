"""Bootstrap intervals (Efron & Tibshirani 1993, section 13.3): how far a score moves with the images drawn.

Images are drawn again with replacement from those at hand, the score is computed of each draw, and the
interval lies between percentiles of the results. Two traps: repeated images lie at distance 0 of each other,
so scores by nearest neighbours (precision, recall, memorisation) are off; and scores that are biased for few
images (Frechet distance) are biased once more, so that their interval may lie above the score: see
`Interval.bias`.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from metrics.rows import Rows, as_rows


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


def _interval(value: float, again: Callable[[], float], sets: int, draws: int, level: float) -> Interval:
    """The percentiles (1 - level) / 2 and (1 + level) / 2 of `draws` calls of `again`."""
    if draws < 2 or sets == 0 or not 0 < level < 1:
        raise ValueError(f"{draws} draws from {sets} sets at level {level}: need 2, 1 and a level in (0, 1)")
    found = np.array([again() for _ in range(draws)])
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high), float(found.std(ddof=1)), float(found.mean()) - value)

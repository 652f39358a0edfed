"""How far raters agree: Krippendorff's alpha, for any number of raters, also where ratings are missing.

    alpha = 1 - D_o / D_e                                        (Krippendorff 2011, "Computing alpha")

D_o is the mean squared difference of ratings of the same unit, D_e that of ratings of all units, each pair of
ratings once. 1 is perfect agreement, 0 what chance gives, below 0 is disagreement beyond chance.

Letters: R raters, N units, V values that occur, c and k two of them, n_c how often c occurs, n all ratings.
"""

from collections.abc import Callable

import numpy as np

MAX_VALUES = 1000  # that may occur


def _nominal(values: np.ndarray, _: np.ndarray) -> np.ndarray:
    """1 where the values differ."""
    return (values[:, None] != values[None, :]).astype(float)


def _ordinal(_: np.ndarray, occurs: np.ndarray) -> np.ndarray:
    """(sum of n_g for g from c to k, - (n_c + n_k) / 2)^2: how many ratings lie between."""
    upto = occurs.cumsum()
    between = np.abs(upto[:, None] - upto[None, :])  # n of the values behind the lower, up to the upper
    lower = np.minimum.outer(np.arange(len(occurs)), np.arange(len(occurs)))
    spanned = between + occurs[lower]
    return (spanned - (occurs[:, None] + occurs[None, :]) / 2) ** 2


def _interval(values: np.ndarray, _: np.ndarray) -> np.ndarray:
    """(c - k)^2."""
    return (values[:, None] - values[None, :]) ** 2


DIFFERENCES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "nominal": _nominal,
    "ordinal": _ordinal,
    "interval": _interval,
}


def krippendorff_alpha(ratings: np.ndarray, scale: str = "nominal") -> float | None:
    """Alpha of ratings [R, N], NaN where a rater has not rated a unit.

    scale: nominal (names), ordinal (ranks) or interval (distances count). Units with fewer than two ratings
    say nothing and are left out. None where alpha has no meaning: nothing was rated twice, or all ratings are
    one value, so that chance could not have erred.
    Raises KeyError for another scale, ValueError for another shape or too many values.
    """
    difference = DIFFERENCES[scale]
    ratings = np.asarray(ratings, float)
    if ratings.ndim != 2:
        raise ValueError(f"ratings are {list(ratings.shape)}: give [raters, units]")
    ratings = ratings[:, (~np.isnan(ratings)).sum(axis=0) >= 2]
    values = np.unique(ratings[~np.isnan(ratings)])
    if len(values) > MAX_VALUES:
        raise ValueError(f"{len(values)} different ratings: at most {MAX_VALUES} can be compared")
    if len(values) < 2:
        return None
    given = np.stack([(ratings == value).sum(axis=0) for value in values]).astype(float)  # [V, units]
    raters = given.sum(axis=0)  # of each unit
    coincidences = (given / (raters - 1)) @ given.T - np.diag((given / (raters - 1)).sum(axis=1))
    occurs = coincidences.sum(axis=1)  # [V]
    total, apart = occurs.sum(), difference(values, occurs)
    expected = (np.outer(occurs, occurs) * apart).sum() / (total * (total - 1))
    return float(1 - (coincidences * apart).sum() / total / expected)

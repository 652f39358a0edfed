"""Intervals by resampling units with replacement: the bootstrap (Efron 1979), with percentiles as its ends.

The unit is what varies between repetitions of a study: the rater where there are several, because answers of
one rater are alike; else the single answer.

Letters: B resamples, U units.
"""

import numpy as np

RESAMPLES = 1000
LEVEL = 0.95  # of intervals


def counts(units: int, resamples: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """How often each unit is drawn, int64 [B, U]; every row sums to `units`, which must be 1 or more."""
    if units < 1:
        raise ValueError("there is nothing to resample")
    rng = np.random.default_rng(seed)
    return rng.multinomial(units, np.full(units, 1 / units), size=resamples)


def percentiles(values: np.ndarray, level: float = LEVEL) -> np.ndarray:
    """Ends of the interval that holds the middle `level` of values [B, ...] -> [2, ...]."""
    tail = 100 * (1 - level) / 2
    return np.percentile(values, (tail, 100 - tail), axis=0)


def ratio(numerators: np.ndarray, denominators: np.ndarray, seed: int = 0) -> tuple[float, float, float]:
    """(value, low, high) of sum(numerators) / sum(denominators), each [U], with its interval.

    A mean is the ratio of a sum and a count. Resamples without anything in the denominator are left out.
    Raises ValueError where the denominators sum to nothing.
    """
    numerators, denominators = np.asarray(numerators, float), np.asarray(denominators, float)
    if denominators.sum() <= 0:
        raise ValueError("a ratio needs a denominator above 0")
    drawn = counts(len(numerators), seed=seed)
    above, below = drawn @ numerators, drawn @ denominators
    low, high = percentiles(above[below > 0] / below[below > 0])
    return float(numerators.sum() / denominators.sum()), float(low), float(high)

"""HYPE: how often people take fakes for real and reals for fake (Zhou et al. 2019). In [0, 1]; 0.5 is chance.

    HYPE = (share of fakes judged real + share of reals judged fake) / 2

With as many fakes as reals, as the paper shows them, it is the share of wrong answers. Above 0.5 fakes look
more real than reals. With pictures shown for a fixed time the number holds for that time; without a limit it
is the paper's HYPE-infinity. Its HYPE-time, which searches the time by a staircase, is another number.

Letters: U units (raters, or single answers where there is one rater).
"""

from typing import NamedTuple

import numpy as np

from metrics import resampling


class Share(NamedTuple):
    """value, and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


class Deception(NamedTuple):
    """hype: as above.  fakes: share of fakes judged real.  reals: share of reals judged fake."""

    hype: Share
    fakes: Share
    reals: Share


def hype(
    fakes_wrong: np.ndarray,
    fakes_shown: np.ndarray,
    reals_wrong: np.ndarray,
    reals_shown: np.ndarray,
    seed: int = 0,
) -> Deception:
    """Of counts, each [U]: answers of every unit that were wrong, and answers at all.

    Intervals resample units (section 3 of the paper: evaluators). Raises ValueError where no fake or no real
    was judged.
    """
    wrong = np.stack([fakes_wrong, reals_wrong]).astype(float)  # [2, U]
    shown = np.stack([fakes_shown, reals_shown]).astype(float)
    if not (shown.sum(axis=1) > 0).all():
        raise ValueError("HYPE needs answers about fakes and about reals")
    values = wrong.sum(axis=1) / shown.sum(axis=1)  # [2]
    drawn = resampling.counts(shown.shape[1], seed=seed)
    below = drawn @ shown.T  # [B, 2]
    judged = (below > 0).all(axis=1)  # of single answers a resample may lack one kind
    shares = (drawn @ wrong.T)[judged] / below[judged]
    ends = resampling.percentiles(np.column_stack([shares.mean(axis=1), shares]))  # [2, 3]
    return Deception(
        *(Share(*map(float, row)) for row in np.column_stack([[values.mean(), *values], ends.T]))
    )

"""HYPE: shares by hand, and intervals that resample raters."""

import numpy as np
import pytest

from metrics.deception import hype


def test_by_hand():
    found = hype([1, 3], [10, 10], [0, 2], [5, 5])
    assert found.fakes.value == 0.2 and found.reals.value == 0.2 and found.hype.value == pytest.approx(0.2)
    found = hype([5], [10], [1], [10])
    assert found.hype == pytest.approx((0.3, 0.3, 0.3))  # one unit: nothing varies


def test_fakes_and_reals_weigh_the_same():
    assert hype([90], [90], [0], [10]).hype.value == 0.5


def test_intervals_of_single_answers():
    """200 answers, half about fakes: the standard error of the mean of two shares of 100 each."""
    is_fake, wrong = np.tile([1, 0], 100), np.tile([1, 0, 0, 1, 0, 0, 0, 0], 25)
    found = hype(wrong * is_fake, is_fake, wrong * (1 - is_fake), 1 - is_fake)
    error = np.sqrt(2 * 0.25 * 0.75 / 100) / 2
    assert found.hype.value == 0.25 and found.fakes.value == 0.25
    assert found.hype.high - found.hype.low == pytest.approx(2 * 1.96 * error, rel=0.08)
    assert found.fakes.low < 0.25 < found.fakes.high


def test_raters_are_resampled():
    """All answers of a rater are alike: the interval is that of 10 coins, however many answers each gave."""
    wrong = np.tile([0, 50], 5)
    found = hype(wrong, np.full(10, 50), wrong, np.full(10, 50))
    assert found.hype.value == 0.5 and found.hype.high - found.hype.low == pytest.approx(0.6, abs=0.11)


def test_without_one_kind_there_is_no_hype():
    with pytest.raises(ValueError, match="about fakes and about reals"):
        hype([1], [2], [0], [0])

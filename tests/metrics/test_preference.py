"""Bradley-Terry: closed forms, an independent fit, planted rankings, and where no finite maximum exists."""

import numpy as np
import pytest
from scipy.optimize import brentq, minimize

from metrics import resampling
from metrics.preference import NoMaximum, bradley_terry, preferred, with_intervals


def independent(wins):
    """The maximum of the likelihood as a logistic regression, by another method."""
    items = len(wins)
    rows = [(i, j, wins[i, j]) for i in range(items) for j in range(items) if wins[i, j]]

    def negative(free):
        s = np.append(free, 0.0)
        return sum(count * np.log1p(np.exp(s[j] - s[i])) for i, j, count in rows)

    def slope(free):
        s, gradient = np.append(free, 0.0), np.zeros(items)
        for i, j, count in rows:
            lost = count / (1 + np.exp(s[i] - s[j]))
            gradient[i] -= lost
            gradient[j] += lost
        return gradient[:-1]

    found = minimize(negative, np.zeros(items - 1), jac=slope, method="BFGS", options={"gtol": 1e-11})
    s = np.append(found.x, 0.0)
    return s - s.mean()


def simulated(strengths, each, rng):
    """Wins of `each` comparisons of every pair."""
    wins, chance = np.zeros((len(strengths),) * 2), preferred(np.asarray(strengths))
    for i in range(len(strengths)):
        for j in range(i):
            wins[i, j] = rng.binomial(each, chance[i, j])
            wins[j, i] = each - wins[i, j]
    return wins


def test_two_items_are_the_log_of_the_odds():
    found = bradley_terry([[0, 30], [10, 0]])
    assert found == pytest.approx([np.log(3) / 2, -np.log(3) / 2], abs=1e-12)


def test_a_chain_adds_up():
    """a and c never met: each strength is the sum of the log odds on the way."""
    found = bradley_terry([[0, 6, 0], [2, 0, 5], [0, 1, 0]])
    assert found[0] - found[1] == pytest.approx(np.log(3), abs=1e-9)
    assert found[1] - found[2] == pytest.approx(np.log(5), abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_equals_an_independent_fit(seed):
    rng = np.random.default_rng(seed)
    wins = rng.integers(1, 30, (6, 6)) * (rng.random((6, 6)) < 0.8) + rng.integers(0, 2, (6, 6)) / 2
    wins[np.arange(6), (np.arange(6) + 1) % 6] += 1  # a circle, so that a maximum exists
    np.fill_diagonal(wins, 0)
    assert bradley_terry(wins) == pytest.approx(independent(wins), abs=1e-6)


def test_a_far_maximum_is_reached():
    """By symmetry it is (x, 0, -x), where the first item has won as often as expected."""
    chances = lambda x: 1 / (1 + np.exp(-x)) + 1 / (1 + np.exp(-2 * x))  # noqa: E731
    x = brentq(lambda x: (1e6 + 1) * chances(x) - 2e6, 1, 30, xtol=1e-13)
    found = bradley_terry([[0, 1e6, 1e6], [1, 0, 1e6], [1, 1, 0]])
    assert found == pytest.approx([x, 0, -x], abs=1e-6)


def test_raters_recover_a_planted_ranking():
    planted = np.array([0.9, 0.3, 0.0, -0.4, -0.8])
    rng = np.random.default_rng(0)
    units = np.stack([simulated(planted, 20, rng) for _ in range(12)])
    found = with_intervals(units)
    assert (np.argsort(-found.values) == np.arange(5)).all()
    assert np.abs(found.values - planted).max() < 0.2 and found.undefined == 0
    low, high = found.intervals
    assert (low < found.values).all() and (found.values < high).all() and (high - low < 0.7).all()


def test_intervals_hold_the_truth_as_often_as_they_say():
    planted, rng, held = np.array([0.5, 0.0, -0.5]), np.random.default_rng(1), 0
    for study in range(8):
        found = with_intervals(np.stack([simulated(planted, 8, rng) for _ in range(20)]), seed=study)
        held += int(((found.intervals[0] < planted) & (planted < found.intervals[1])).sum())
    assert held >= 19  # of 24 at 95 %: fewer happens once in two hundred seeds


def test_raters_who_differ_make_wider_intervals_than_their_answers():
    """Two camps of raters: the same comparisons in sum, much less known."""
    camps = np.array([[[0, 18], [2, 0]], [[0, 6], [14, 0]]] * 5, float)  # [10, 2, 2]
    singles = [[[0, 1], [0, 0]]] * 120 + [[[0, 0], [1, 0]]] * 80
    by_rater, by_answer = with_intervals(camps), with_intervals(np.array(singles, float))
    assert by_rater.values == pytest.approx(by_answer.values, abs=1e-9)
    assert np.ptp(by_rater.intervals[:, 0]) > 1.5 * np.ptp(by_answer.intervals[:, 0])


@pytest.mark.parametrize(
    ("wins", "words"),
    [
        ([[0, 3, 1], [2, 0, 1], [0, 0, 0]], "a, b never lost to c"),
        ([[0, 3, 0], [2, 0, 0], [0, 0, 0]], "never compared with"),
        ([[0, 0, 0], [1, 0, 2], [1, 1, 0]], "b, c never lost to a"),
    ],
)
def test_items_beyond_comparison_are_named(wins, words):
    with pytest.raises(NoMaximum, match=words):
        bradley_terry(wins, "abc")


def test_half_a_win_makes_a_maximum():
    assert bradley_terry([[0, 3.5], [0.5, 0]])[0] == pytest.approx(np.log(7) / 2, abs=1e-9)


def test_few_comparisons_have_no_interval():
    """Of 10 comparisons with one loss a third of the resamples has none."""
    units = np.array([[[0, 1], [0, 0]]] * 9 + [[[0, 0], [1, 0]]], float)
    found = with_intervals(units)
    assert found.intervals is None and 0.3 < found.undefined < 0.4


@pytest.mark.parametrize(
    "wins", [[[1, 0], [0, 0]], [[0, -1], [1, 0]], [[0, np.nan], [1, 0]], [[0]], [[0, 1]]]
)
def test_what_is_no_table_of_wins(wins):
    with pytest.raises(ValueError, match="wins are"):
        bradley_terry(wins)


def test_a_ratio_and_its_interval():
    assert resampling.ratio([3.0], [4.0]) == (0.75, 0.75, 0.75)  # one unit: nothing varies
    value, low, high = resampling.ratio(np.repeat([0.0, 1.0], 50), np.ones(100))
    assert value == 0.5 and low == pytest.approx(0.402, abs=0.015) and high == pytest.approx(0.598, abs=0.015)
    with pytest.raises(ValueError, match="denominator"):
        resampling.ratio([1.0], [0.0])

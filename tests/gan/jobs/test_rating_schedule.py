"""Who sees what: balanced for each rater and over all, nothing twice, the same by the seed."""

from collections import Counter
from itertools import pairwise

import pytest

from gan.errors import UsageError
from gan.jobs.rating_schedule import deal, places_of_catches, plan


def spread(counts):
    return max(counts) - min(counts)


@pytest.mark.parametrize("trials", [30, 31, 44])
def test_pairs_are_balanced(trials):
    found = plan("pairs", [None, 40, None], None, trials, 3)
    dealt = deal(found, 5, 3)
    everything = Counter()
    for mine in dealt:
        pairs = Counter(tuple(sorted(s for s, _ in trial)) for trial in mine)
        assert len(mine) == trials and len(pairs) == 3 and spread(pairs.values()) <= 1
        for pair in pairs:
            sides = [trial[0][0] for trial in mine if {s for s, _ in trial} == set(pair)]
            assert abs(sides.count(pair[0]) - sides.count(pair[1])) <= 1
        assert len({frozenset(trial) for trial in mine}) == trials  # no pair twice
        everything += pairs
    assert spread(everything.values()) <= 1
    by_picture = Counter(picture for mine in dealt for trial in mine for picture in trial if picture[0] == 0)
    assert spread(by_picture.values()) <= 2  # it is in two of the pairs


def test_raters_have_the_same_pictures_in_an_order_of_their_own():
    first, second = deal(plan("pairs", [None, None], None, 40, 0), 2, 0)
    assert {frozenset(trial) for trial in first} == {frozenset(trial) for trial in second}
    assert [frozenset(trial) for trial in first] != [frozenset(trial) for trial in second]
    turned = {frozenset(trial): trial for trial in second}
    assert all(turned[frozenset(trial)] == trial[::-1] for trial in first)  # each on both sides


@pytest.mark.parametrize("trials", [40, 41, 46])
def test_as_many_real_as_fake(trials):
    found = plan("real-or-fake", [None, None, 60], 2, trials, 0)
    together = Counter()
    for mine in deal(found, 4, 0):
        counts = Counter(source for ((source, _),) in mine)
        assert abs(counts[2] - counts[0] - counts[1]) <= 1 and abs(counts[0] - counts[1]) <= 1
        assert len(set(mine)) == trials
        together += counts
    assert abs(together[2] - together[0] - together[1]) <= 1


def test_flags_show_everything_once():
    found = plan("flags", [7, 5], None, None, 0)
    (mine,) = deal(found, 1, 0)
    assert sorted(picture for (picture,) in mine) == [(0, n) for n in range(7)] + [(1, n) for n in range(5)]


def test_models_of_a_pair_draw_the_same_seeds():
    found = plan("pairs", [None, None], None, 20, 0)
    assert all(trial[0][1] == trial[1][1] for trial in deal(found, 1, 0)[0])


def test_by_the_seed():
    found = plan("quality", [50, 50], None, 40, 1)
    assert deal(found, 2, 1) == deal(plan("quality", [50, 50], None, 40, 1), 2, 1)
    other = plan("quality", [50, 50], None, 40, 2)
    assert found.decks != other.decks and deal(found, 1, 1) != deal(found, 1, 2)


def test_order_tells_nothing():
    """Sides and sources come in no pattern: of 100 trials neither alternates nor repeats for long."""
    (mine,) = deal(plan("pairs", [None, None], None, 100, 0), 1, 0)
    changes = sum(a[0][0] != b[0][0] for a, b in pairwise(mine))
    assert 35 <= changes <= 65


@pytest.mark.parametrize(
    ("kind", "sizes", "real", "most"),
    [
        ("pairs", [10, 7, None], None, 21),
        ("real-or-fake", [None, None, 10], 2, 20),
        ("quality", [10, 7], None, 14),
        ("flags", [10, 7], None, 17),
    ],
)
def test_no_more_trials_than_pictures(kind, sizes, real, most):
    assert plan(kind, sizes, real, None, 0).trials == most == plan(kind, sizes, real, most, 0).trials
    with pytest.raises(UsageError, match=f"take --trials {most}"):
        plan(kind, sizes, real, most + 1, 0)


@pytest.mark.parametrize("kind, sizes", [("pairs", [9]), ("real-or-fake", [9, 9]), ("quality", [0])])
def test_what_is_missing_is_named(kind, sizes):
    with pytest.raises(UsageError, match="another one|--real FOLDER|too few"):
        plan(kind, sizes, None, None, 0)


def test_catch_trials_are_spread():
    found = [places_of_catches(90, 10, rater, 0) for rater in range(20)]
    assert all(len(set(p)) == 10 and p == sorted(p) and p[0] >= 0 and p[-1] < 100 for p in found)
    assert 40 < sum(map(sum, found)) / 200 < 60 and found[0] != found[1]

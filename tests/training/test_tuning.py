"""Candidates around the rule of thumb, and successive halving against scores known beforehand."""

import math

import pytest

from gan.config import override
from gan.errors import UsageError
from training.config import RunConfig
from training.schedules import Schedule
from training.tuning import Candidate, applied, candidates, first_length, moved, ranking, search


def named(*gammas):
    return [Candidate(gamma, 0.002) for gamma in gammas]


def test_default_gammas_lie_around_the_rule_of_thumb_and_hold_the_presets_own():
    config = override(RunConfig(), ["batch=32"])
    found = candidates(config, 1024, [], [])
    assert [c.gamma for c in found] == [0.0064, 0.00064, 0.064, 0.64]
    assert {c.lr for c in found} == {0.002}
    own = candidates(override(config, ["loss.r1_gamma=30"]), 1024, [], [])
    assert [c.gamma for c in own] == [0.0064, 0.00064, 0.064, 0.64, 30.0]


def test_every_pair_once_and_nothing_to_compare_is_refused():
    pairs = candidates(RunConfig(), 64, [1.0, 2.0, 1.0], [0.1, 0.2])
    assert pairs == [Candidate(1, 0.1), Candidate(2, 0.1), Candidate(1, 0.2), Candidate(2, 0.2)]
    without = override(RunConfig(), ["loss.r1_gamma=0"])
    assert [c.gamma for c in candidates(without, 64, [], [0.1, 0.2])] == [0.0, 0.0]
    with pytest.raises(UsageError, match="--gammas"):
        candidates(without, 64, [], [])


def test_a_candidate_moves_schedules_as_a_whole_and_keeps_the_ratio_of_the_rates():
    schedule = "{start: 2, end: 0.2, kimg: 10}"
    config = override(
        RunConfig(), [f"loss.r1_gamma={schedule}", "optimizer_g.lr=0.001", "optimizer_d.lr=0.004"]
    )
    found = applied(config, Candidate(1.0, 0.0005))
    assert found.loss.r1_gamma == Schedule(start=1.0, end=0.1, kimg=10.0)
    assert (found.optimizer_g.lr, found.optimizer_d.lr) == (0.0005, 0.002)
    assert moved(Schedule(start=0.0, end=1.0, kimg=1.0), 3.0) == moved(None, 3.0) == 3.0
    penalised = override(RunConfig(), ["loss.r1_gamma=0", "loss.gradient_penalty_weight=10"])
    with pytest.raises(UsageError, match="r1_gamma"):
        applied(penalised, Candidate(1.0, 0.002))


def test_halving_keeps_the_better_half_for_twice_as_long():
    asked = []

    def measure(candidate, kimg):
        asked.append((candidate.gamma, kimg))
        return abs(candidate.gamma - 3) / kimg

    rounds = search(named(1, 2, 3, 4, 5), 10.0, measure)
    first = [(g, 10) for g in (1, 2, 3, 4, 5)]
    assert asked == [*first, (3, 20), (2, 20), (4, 20), (3, 40), (2, 40)]
    assert [(c.gamma, number) for c, number, _ in ranking(rounds)] == [(3, 2), (2, 2), (4, 1), (1, 0), (5, 0)]


def test_a_later_round_overrules_an_earlier_one():
    rounds = search(named(1, 2, 3), 1.0, lambda c, kimg: c.gamma if kimg == 1 else -c.gamma)
    assert [c.gamma for c, _, _ in ranking(rounds)] == [2, 1, 3]


def test_a_lost_run_goes_no_further():
    asked = []

    def measure(candidate, kimg):
        asked.append((candidate.gamma, kimg))
        return math.inf if candidate.gamma != 2 else 1.0

    rounds = search(named(1, 2, 3, 4), 1.0, measure)
    assert len(asked) == 4 and ranking(rounds)[0][0].gamma == 2


def test_a_round_cut_short_does_not_count_unless_it_is_the_first():
    def until(limit):
        left = iter(range(limit))
        return lambda candidate, kimg: candidate.gamma * kimg if next(left, None) is not None else None

    gammas = [[c.gamma for c in scores] for scores in search(named(1, 2, 3, 4), 1.0, until(5))]
    assert gammas == [[1, 2, 3, 4]]
    assert [[c.gamma for c in scores] for scores in search(named(1, 2, 3), 1.0, until(2))] == [[1, 2]]


def test_the_first_round_fills_the_budget():
    # Five candidates: 5 at 1 unit, 3 go on to 2, 2 to 4: 5 + 3 + 4 units of training and 10 scores.
    kimg = first_length(5, seconds=1000, per_kimg=2.0, per_score=6.0)
    assert kimg == pytest.approx((900 - 60) / (12 * 2))
    assert first_length(5, seconds=60, per_kimg=2.0, per_score=6.0) <= 0

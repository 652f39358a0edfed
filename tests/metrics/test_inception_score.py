"""Inception Score: closed forms, conventions, invariances."""

import numpy as np
import pytest
import torch

from metrics.inception_score import InceptionScore, inception_score


def drawn(n, c, seed=0, scale=2.0):
    return torch.randn(n, c, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * scale


@pytest.mark.parametrize("classes", [2, 10])
def test_certain_and_balanced_predictions_score_the_number_of_classes(classes):
    peaked = torch.eye(classes).repeat(20, 1)
    assert inception_score(peaked) == InceptionScore(
        pytest.approx(classes, rel=1e-12), pytest.approx(0, abs=1e-12)
    )


def test_the_same_prediction_for_all_scores_one():
    for row in ([0.25] * 4, [1.0, 0, 0, 0], [0.7, 0.1, 0.1, 0.1]):
        assert inception_score(torch.tensor([row]).repeat(40, 1)).mean == pytest.approx(1, rel=1e-7)


def test_two_kinds_of_image():
    """p = (a, 1 - a) and (1 - a, a) equally often: exp(log 2 - H(a))."""
    a = 0.9
    rows = torch.tensor([[a, 1 - a], [1 - a, a]], dtype=torch.float64).repeat(10, 1)
    entropy = -a * np.log(a) - (1 - a) * np.log(1 - a)
    assert inception_score(rows, splits=1).mean == pytest.approx(2 * np.exp(-entropy), rel=1e-12)


def test_logits_are_probabilities_before_the_softmax():
    logits = drawn(100, 7)
    want = inception_score(logits.softmax(1))
    assert inception_score(logits, logits=True) == pytest.approx(want, rel=1e-12)
    assert inception_score(logits + 1e3, logits=True) == pytest.approx(want, rel=1e-9)
    huge = torch.eye(5).repeat(20, 1) * 1e5  # probabilities underflow to 0
    assert inception_score(huge, logits=True).mean == pytest.approx(5, rel=1e-12)


def test_splits_are_consecutive_and_their_moments_are_returned():
    rows = drawn(23, 4).softmax(1)
    parts = [inception_score(rows[i * 23 // 5 : (i + 1) * 23 // 5], splits=1).mean for i in range(5)]
    got = inception_score(rows, splits=5)
    assert got.mean == pytest.approx(np.mean(parts), rel=1e-12)
    assert got.std == pytest.approx(np.std(parts), rel=1e-12)
    assert inception_score(rows, splits=5, ddof=1).std == pytest.approx(np.std(parts, ddof=1), rel=1e-12)


def test_one_split_has_no_spread():
    rows = drawn(20, 4).softmax(1)
    assert inception_score(rows, splits=1).std == 0
    assert inception_score(rows, splits=1, ddof=1).std is None


def test_shuffle_is_the_legacy_permutation():
    rows = drawn(60, 5).softmax(1)
    order = np.random.RandomState(2020).permutation(60)
    assert inception_score(rows, shuffle_seed=2020) == inception_score(rows[order])
    assert inception_score(rows, shuffle_seed=2020) != inception_score(rows)


def test_order_within_a_split_does_not_matter():
    rows = drawn(90, 6).softmax(1)
    assert inception_score(rows[torch.randperm(90)], splits=1).mean == pytest.approx(
        inception_score(rows, splits=1).mean, rel=1e-12
    )


def test_directions():
    """Certain beats vague, varied beats collapsed."""
    certain, vague = drawn(500, 10, scale=5), drawn(500, 10, scale=0.5)
    collapsed = certain.clone()
    collapsed[:, 0] += 100
    scores = [inception_score(x, logits=True).mean for x in (certain, vague, collapsed)]
    assert scores[0] > scores[1] > scores[2] == pytest.approx(1, abs=1e-6)


def test_arrays_and_half_precision():
    rows = drawn(50, 5).softmax(1)
    assert inception_score(rows.numpy()) == inception_score(rows)
    assert inception_score(rows.half()).mean == pytest.approx(inception_score(rows).mean, rel=1e-2)


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (torch.full((9, 2), 0.5), {}, "9 row.s., at least 10"),
        (torch.full((20, 2), 0.6), {}, "logits=True"),
        (torch.tensor([[1.5, -0.5]]).repeat(20, 1), {}, "logits=True"),
        (torch.full((20, 2), 0.5), {"splits": 0}, "0 splits"),
        (torch.full((20, 2), torch.nan), {}, "NaN"),
    ],
)
def test_refusals(rows, options, message):
    with pytest.raises(ValueError, match=message):
        inception_score(rows, **options)

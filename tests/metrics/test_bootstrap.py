"""Bootstrap: the mean's known interval, coverage, seeds."""

import numpy as np
import pytest
import torch

from metrics.bootstrap import bootstrap_rows
from metrics.frechet import frechet_distance


def mean(rows):
    return rows.mean().item()


def test_interval_of_a_mean():
    """Of n rows with deviation s: about the mean +- 1.96 s / sqrt n."""
    rows = torch.randn(400, 1, dtype=torch.float64)
    found = bootstrap_rows(mean, rows, draws=2_000)
    error = rows.std(correction=0).item() / 20
    assert found.value == mean(rows) and found.bias == pytest.approx(0, abs=4 * error / 2_000**0.5)
    assert found.standard_error == pytest.approx(error, rel=0.08)
    assert found.low == pytest.approx(found.value - 1.96 * error, abs=0.2 * error)
    assert found.high == pytest.approx(found.value + 1.96 * error, abs=0.2 * error)


def test_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    found = [bootstrap_rows(mean, rng.standard_normal((50, 1)), draws=200, level=0.8) for _ in range(150)]
    assert np.mean([f.low <= 0 <= f.high for f in found]) == pytest.approx(0.8, abs=0.1)


def test_seeded_and_wider_for_a_higher_level():
    rows = torch.randn(60, 1)
    found = bootstrap_rows(mean, rows, draws=100)
    assert (
        found
        == bootstrap_rows(mean, rows.numpy(), draws=100)
        != bootstrap_rows(mean, rows, draws=100, seed=1)
    )
    wide = bootstrap_rows(mean, rows, draws=100, level=0.99)
    assert wide.low <= found.low < found.high <= wide.high


def test_both_sets_are_drawn():
    real, fake = torch.randn(100, 1), torch.randn(100, 1) + 3
    found = bootstrap_rows(lambda a, b: mean(b) - mean(a), real, fake, draws=500)
    assert found.low < 3 < found.high
    assert found.standard_error == pytest.approx((2 / 100) ** 0.5, rel=0.3)


def test_bias_of_a_biased_score_shows():
    """Two samples of one distribution: resampling adds as much bias as there is."""
    real, fake = torch.randn(100, 8), torch.randn(100, 8)
    found = bootstrap_rows(frechet_distance, real, fake, draws=100)
    assert found.bias > 2 * found.standard_error


@pytest.mark.parametrize(
    "call",
    [
        lambda: bootstrap_rows(mean, torch.randn(5, 1), draws=1),
        lambda: bootstrap_rows(mean, torch.randn(5, 1), level=1.0),
        lambda: bootstrap_rows(lambda: 0.0),
    ],
)
def test_refusals(call):
    with pytest.raises(ValueError, match="draws from"):
        call()

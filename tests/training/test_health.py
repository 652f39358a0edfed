"""The judge on windows in closed form, and the two statistics on points whose answer is known."""

import pytest
import torch

from training.health import HealthConfig, judge
from training.monitor import coverage, diversity, features, weight_norm

WELL = {"health/diversity": 0.9, "health/coverage": 0.8, "health/gap": 1.0, "kimg": 500.0, "nonfinite": 0}
WELL |= {"weight_norm/g": 50.0, "weight_norm/d": 60.0, "grad_norm/g": 1.0, "grad_norm/d": 1.0}


def window(name, *values):
    return [WELL | {name: value} for value in values]


@pytest.mark.parametrize(
    ("records", "state", "words"),
    [
        ([], "healthy", ""),
        ([WELL] * 8, "healthy", ""),
        ([{}], "healthy", ""),
        (window("health/diversity", 0.9, 0.0), "collapsed", "fell from 0.9 to 0"),
        (window("health/diversity", 0.0, 0.0), "collapsed", "below 0.1"),
        (window("health/diversity", 0.9, 0.8, 0.7, 0.6, 0.5, 0.44), "drifting", "halved"),
        (window("health/diversity", *[0.29] * 8), "drifting", "below 0.3"),
        (window("health/coverage", 0.01), "drifting", "cover 0.01"),
        (window("health/gap", 80.0), "drifting", "max_gap"),
        (window("grad_norm/d", 1.0, 1.0, 1.0, 11.0), "drifting", "grad_norm/d"),
        (window("grad_norm/d", 1.0, 11.0), "healthy", ""),
        (window("nonfinite", 0, 2), "diverged", "NaN"),
        (window("logits/real", -2000.0), "diverged", "max_logit"),
        (window("weight_norm/d", 60.0, 700.0), "diverged", "weight_norm/d grew"),
        (window("weight_norm/d", 60.0, *[700.0] * 8), "healthy", ""),
    ],
)
def test_states(records, state, words):
    verdict = judge(records, HealthConfig())
    assert verdict.state == state and words in verdict.reason
    assert bool(verdict.reason) == (state != "healthy")


def test_an_untrained_generator_has_time_but_a_fall_counts_at_once():
    young = WELL | {"kimg": 1.0, "health/coverage": 0.0}
    assert judge([young | {"health/diversity": 0.02}], HealthConfig()).state == "healthy"
    fallen = [young | {"health/diversity": value} for value in (0.3, 0.02)]
    assert judge(fallen, HealthConfig()).state == "collapsed"


def test_a_missing_newest_number_is_not_replaced_by_an_old_one():
    assert judge(window("health/gap", 80.0, None), HealthConfig()).state == "healthy"


def test_diversity_and_coverage():
    torch.manual_seed(0)
    reals = torch.randn(64, 8)
    assert diversity(reals, reals) == pytest.approx(1)
    assert diversity(0.5 * reals, reals) == pytest.approx(0.5)
    constant = reals[:1].expand(64, 8)
    assert diversity(constant, reals) == 0 and diversity(reals, constant) > 1e3
    assert coverage(reals, reals) == 1
    assert coverage(constant, reals) < 0.3
    two = torch.cat([torch.randn(32, 8), torch.randn(32, 8) + 100])
    assert coverage(torch.randn(64, 8), two) < 0.5
    assert 0.7 < coverage(torch.randn(64, 8), reals) < 1


def test_features_are_pooled_pixels():
    images = torch.arange(2 * 3 * 16 * 16).remainder(256).to(torch.uint8).view(2, 3, 16, 16)
    assert features(images).shape == (2, 192)
    first = images[0, 0, :2, :2].float().mean() / 255
    assert float(features(images)[0, 0]) == pytest.approx(float(first))
    assert features(images[:, :1, :4]).shape == (2, 64)


def test_weight_norm_shows_nan():
    network = torch.nn.Linear(2, 1, bias=False)
    torch.nn.init.constant_(network.weight, 3.0)
    assert weight_norm(network) == pytest.approx(18**0.5)
    torch.nn.init.constant_(network.weight, float("nan"))
    assert weight_norm(network) != weight_norm(network)


@pytest.mark.parametrize("wrong", [{"images": 1}, {"max_growth": 1.0}, {"collapsed_diversity": 0.9}])
def test_impossible_settings(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        HealthConfig(**wrong)

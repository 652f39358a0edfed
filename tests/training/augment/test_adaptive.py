"""The controller: direction, step, limits, what it remembers."""

import pytest
import torch

from gan.randomness import Draws
from training.augment.adaptive import Augmentation, adjusted
from training.augment.config import AugmentConfig
from training.schedules import Schedule

SETTINGS = {"target": 0.6, "batch": 32, "interval": 4, "kimg": 500, "limit": 0.8}


def augmentation(name="ada", batch=4, **settings):
    return Augmentation(AugmentConfig(name=name, **settings), batch, torch.device("cpu"))


@pytest.mark.parametrize(
    ("p", "sign", "want"),
    [
        (0.0, 0.7, 0.000256),
        (0.0, 0.5, 0.0),
        (0.25, 0.6, 0.25),
        (0.25, -0.2, 0.249744),
        (0.79999, 1.0, 0.8),
        (0.8, 1.0, 0.8),
    ],
)
def test_step(p, sign, want):
    assert adjusted(p, sign, **SETTINGS) == pytest.approx(want)


def test_from_0_to_1_in_kimg():
    p = 0.0
    for _ in range(500_000 // (32 * 4)):
        p = adjusted(p, 1.0, **SETTINGS | {"limit": 1.0})
    assert p == pytest.approx(1.0, abs=3e-4)


def test_the_mean_sign_of_all_batches_of_an_interval_counts():
    found = augmentation(interval=2, kimg=0.01)
    found.observe(torch.tensor([[5.0], [0.1], [-0.1], [2.0]]))
    found.step(1)
    assert found.p == 0  # not yet
    found.observe(torch.tensor([[5.0], [0.1], [0.1], [2.0]]))
    found.step(2)
    assert found.p == pytest.approx(0.8)  # mean sign 0.75; a step of 4 * 2 / 10
    found.observe(torch.full((4, 1), -1.0))
    found.step(3)
    found.step(4)
    assert found.p == 0.0  # signs before the last step are forgotten


def test_a_fixed_p_stays():
    found = augmentation(p=0.3)
    found.observe(torch.ones(4, 1))
    found.step(4)
    assert found.p == 0.3


def test_a_scheduled_p():
    found = augmentation(p=Schedule(start=0.0, end=0.4, kimg=0.016, shape="linear"))
    assert found.p == 0
    found.step(2)
    assert found.p == pytest.approx(0.2)


def test_the_state_survives():
    first = augmentation(interval=4, kimg=0.1)
    for done in range(1, 7):
        first.observe(torch.tensor([1.0, 1.0, 1.0, -0.5 if done % 3 else 1.0]))
        first.step(done)
    second = augmentation(interval=4, kimg=0.1)
    second.restore(first.counters())
    for one in (first, second):
        one.observe(torch.ones(4))
        one.observe(torch.ones(4))
        one.step(8)
    assert 0 < first.p == second.p


def test_diffaugment_has_no_probability():
    found, images = augmentation("diffaugment"), torch.rand(4, 3, 8, 8)
    found.observe(torch.ones(4))
    found.step(4)
    assert found.p == 1 and found.warning() is None
    assert not found(images, Draws(0, 0, range(4))).equal(images)


def test_one_warning_at_a_high_p():
    assert augmentation(p=0.59).warning() is None
    found = augmentation(p=0.6)
    assert "augment/p is 0.60" in found.warning()
    assert found.warning() is None

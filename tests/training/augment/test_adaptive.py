"""The controller: direction, step, limits, what it remembers."""

import pytest
import torch

from training.augment.adaptive import Controller, adjusted
from training.augment.config import AugmentConfig

SETTINGS = {"target": 0.6, "batch": 32, "interval": 4, "kimg": 500, "limit": 0.8}


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
    controller = Controller(AugmentConfig(name="ada", interval=2, kimg=0.01), 4, torch.device("cpu"))
    controller.observe(torch.tensor([[5.0], [0.1], [-0.1], [2.0]]))
    controller.step(1)
    assert controller.p == 0  # not yet
    controller.observe(torch.tensor([[5.0], [0.1], [0.1], [2.0]]))
    controller.step(2)
    assert controller.p == pytest.approx(0.8)  # mean sign 0.75; a step of 4 * 2 / 10
    controller.observe(torch.full((4, 1), -1.0))
    controller.step(3)
    controller.step(4)
    assert controller.p == 0.0  # signs before the last step are forgotten


def test_a_fixed_p_stays():
    controller = Controller(AugmentConfig(name="ada", p=0.3), 4, torch.device("cpu"))
    controller.observe(torch.ones(4, 1))
    controller.step(4)
    assert controller.p == 0.3

"""Blur of the discriminator's input against hand computation."""

import pytest
import torch

from training.blur import blurred, kernel, sigma_at


def test_sigma_falls_in_a_straight_line():
    assert [sigma_at(10, 200, 1000 * k) for k in (0, 50, 200, 900)] == [10, 7.5, 0, 0]
    assert sigma_at(10, 0, 0) == 0


def test_taps_halve_at_one_sigma():
    taps = kernel(2.0)
    assert len(taps) == 13 and taps.sum().item() == pytest.approx(1)
    assert (taps[6 + 2] / taps[6]).item() == pytest.approx(1 / 2)
    assert (taps[6 + 4] / taps[6]).item() == pytest.approx(1 / 16)
    assert kernel(0.3) is None


def test_a_point_becomes_the_outer_product_and_a_small_sigma_nothing():
    image = torch.zeros(1, 1, 9, 9)
    image[..., 4, 4] = 1
    taps = kernel(1.0)  # 7 taps
    want = torch.zeros(9, 9)
    want[1:8, 1:8] = taps[:, None] * taps
    torch.testing.assert_close(blurred(image, 1.0)[0, 0], want)
    assert blurred(image, 0.2) is image

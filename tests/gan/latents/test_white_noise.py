"""Noise maps as variables: the measure of whiteness in closed form, and normalised maps."""

import pytest
import torch

from gan.latents import white_noise


def test_whiteness_in_closed_form():
    ones = torch.ones(1, 1, 16, 16)
    # neighbours of ones multiply to 1, of their halving, which is 2, to 4; squared, and two axes of each
    assert white_noise.correlation([ones]).item() == pytest.approx(2 * (1 + 16))
    rows = torch.arange(16)
    board = (1 - 2.0 * ((rows[:, None] + rows) % 2)).view(1, 1, 16, 16)
    assert white_noise.correlation([board]).item() == pytest.approx(2)  # averages of 2x2 are 0
    assert white_noise.correlation([ones[:, :, :8, :8]]).item() == pytest.approx(2)  # is not averaged


def test_whiteness_is_of_each_image():
    maps = torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    maps[1] = 1
    apart = white_noise.correlation([maps, maps])
    assert apart[0] < 0.1
    assert apart[1] == pytest.approx(2 * 34)


def test_normalized_maps_have_mean_0_and_variance_1():
    maps = [3 + 2 * torch.randn(2, 1, size, size) for size in (4, 8)]
    white_noise.normalize_(maps)
    for map_ in maps:
        torch.testing.assert_close(map_.mean(dim=(1, 2, 3)), torch.zeros(2), atol=1e-6, rtol=0)
        torch.testing.assert_close(map_.var(dim=(1, 2, 3), unbiased=False), torch.ones(2))


def test_no_maps_are_white():
    assert white_noise.correlation([]) == 0

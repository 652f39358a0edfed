"""The wavelets' filters: their defining equations, and the low orders that have a closed form."""

import math

import numpy as np
import pytest
import torch

from training.augment.filters import BAND_ENERGY, BANK_RADIUS, filter_bank, symlet


def test_two_moments_have_a_closed_form():
    root = math.sqrt(3)
    want = torch.tensor([1 + root, 3 + root, 3 - root, 1 - root], dtype=torch.float64) / 8
    torch.testing.assert_close(symlet(2), want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("moments", [2, 4, 6])
def test_orthogonal_to_even_shifts_and_blind_to_polynomials(moments):
    h = symlet(moments).numpy()
    assert h.sum() == pytest.approx(1)
    products = np.convolve(h, h[::-1])[1::2]  # lags -2 (moments - 1), ..., -2, 0, 2, ...
    want = np.zeros(len(products))
    want[moments - 1] = 0.5
    np.testing.assert_allclose(products, want, atol=1e-12)
    g = h * (-1.0) ** np.arange(len(h))
    k = np.arange(len(h)) / len(h)
    np.testing.assert_allclose([g @ k**power for power in range(moments)], 0, atol=1e-10)


def test_six_moments_are_the_published_symlet():
    """Daubechies, Ten Lectures, table 6.3, N = 6, first and largest taps (times sqrt 2)."""
    h = symlet(6) * math.sqrt(2)
    assert h[0].item() == pytest.approx(0.015404109327, abs=1e-10)
    assert h.max().item() == pytest.approx(0.787641141030, abs=1e-10)


def test_bands_add_up_to_the_signal():
    bank = filter_bank().double()
    want = torch.zeros(2 * BANK_RADIUS + 1, dtype=torch.float64)
    want[BANK_RADIUS] = 1
    torch.testing.assert_close(bank.sum(0), want, rtol=0, atol=1e-7)
    torch.testing.assert_close(bank, bank.flip(1), rtol=0, atol=1e-8)


def test_bands_pass_their_frequencies():
    response = torch.fft.rfft(filter_bank().double(), n=256).abs()  # [4, 129], up to Nyquist
    for band, frequency in enumerate((2, 24, 48, 100)):
        assert response[:, frequency].argmax() == band
    assert response[0, 0] == pytest.approx(1, abs=1e-6)
    assert sum(BAND_ENERGY) == pytest.approx(1)

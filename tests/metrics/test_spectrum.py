"""Power by frequency: waves and noise of known power."""

import math

import pytest
import torch

from metrics.spectrum import radial_power


@pytest.mark.parametrize(("down", "across", "ring"), [(0, 3, 3), (5, 0, 5), (3, 4, 5)])
def test_a_wave_is_at_its_frequency(down, across, ring):
    """Amplitude a: power a^2 / 2 in all, half of it at each of the two signs, shared by the ring."""
    y, x = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    wave = 3 * torch.cos(2 * math.pi * (down * y + across * x) / 32) + 7
    frequencies, power = radial_power(wave[None, None])
    assert frequencies[ring - 1] == ring / 32
    fy, fx = torch.meshgrid(torch.fft.fftfreq(32) * 32, torch.fft.fftfreq(32) * 32, indexing="ij")
    members = int((torch.hypot(fy, fx).round() == ring).sum())
    assert power[ring - 1] == pytest.approx(4.5 * 32 * 32 / members)
    assert power.sum() == pytest.approx(power[ring - 1].item())


def test_white_noise_is_flat():
    noise = torch.randn(200, 3, 16, 24, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    frequencies, power = radial_power(2 * noise)
    assert len(frequencies) == 12 and frequencies[-1] == 0.5
    assert torch.allclose(power, torch.full_like(power, 4.0), rtol=0.05)

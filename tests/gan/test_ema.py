"""The weight average: half-life, ramp-up, buffers."""

import pytest
import torch

from gan.ema import ema_beta, update


def test_half_life():
    assert ema_beta(batch=100, nimg=10**9, kimg=0.1, rampup=None) == pytest.approx(0.5)
    assert ema_beta(batch=32, nimg=0, kimg=10, rampup=0.05) == 0
    assert ema_beta(batch=32, nimg=32_000, kimg=10, rampup=0.05) == pytest.approx(0.5 ** (32 / 1600))


def test_parameters_move_and_buffers_are_copied():
    average, module = torch.nn.BatchNorm1d(2), torch.nn.BatchNorm1d(2)
    module.weight.data.fill_(3.0)
    module.running_mean.fill_(5.0)
    update(average, module, beta=0.75)
    assert average.weight.tolist() == [1.5, 1.5]
    assert average.running_mean.tolist() == [5.0, 5.0]

"""Equalised layers, normalisation and minibatch statistics in closed form."""

import pytest
import torch

from gan.networks.layers import Conv2d, Linear, minibatch_std, normalize_2nd_moment


def test_linear_scales_weight_and_bias():
    layer = Linear(4, 3, lr_multiplier=0.01, bias_init=2.0)
    x = torch.randn(5, 4)
    want = x @ layer.weight.T * (0.01 / 2) + layer.bias * 0.01
    torch.testing.assert_close(layer(x), want)
    torch.testing.assert_close(layer.bias * 0.01, torch.full([3], 2.0))


def test_layers_keep_unit_variance():
    x = torch.randn(16, 64, 16, 16)
    for layer in (Conv2d(64, 64, 3, activation="lrelu"), Conv2d(64, 64, 1)):
        assert layer(x)[..., 2:-2, 2:-2].square().mean().item() == pytest.approx(1, abs=0.15)
    y = Linear(256, 256, activation="lrelu", lr_multiplier=0.01)(torch.randn(512, 256))
    assert y.square().mean().item() == pytest.approx(1, abs=0.1)


def test_gain_scales_clamp_too():
    layer = Conv2d(3, 3, 1, clamp=0.5)
    y = layer(torch.randn(2, 3, 8, 8) * 100, gain=0.5)
    assert y.abs().max() == 0.25


def test_frozen_layer_keeps_names_but_has_no_parameters():
    free, frozen = Conv2d(2, 3, 3), Conv2d(2, 3, 3, trainable=False)
    assert free.state_dict().keys() == frozen.state_dict().keys()
    assert not list(frozen.parameters())


def test_second_moment():
    y = normalize_2nd_moment(torch.randn(4, 100) * 7)
    torch.testing.assert_close(y.square().mean(dim=1), torch.ones(4))


def test_minibatch_std_groups_are_interleaved():
    x = torch.zeros(4, 2, 3, 3)
    x[0], x[2] = 1.0, -1.0  # group 0 holds samples 0 and 2, group 1 samples 1 and 3
    y = minibatch_std(x, group=2, channels=1)
    assert y.shape == (4, 3, 3, 3) and torch.equal(y[:, :2], x)
    torch.testing.assert_close(y[:, 2, 0, 0], torch.tensor([1.0, 1e-4, 1.0, 1e-4]))


def test_minibatch_std_of_the_whole_batch_and_of_none():
    x = torch.randn(6, 4, 2, 2)
    y = minibatch_std(x, group=None, channels=2)
    want = x.var(dim=0, unbiased=False).add(1e-8).sqrt()
    torch.testing.assert_close(y[3, 4:, 0, 0], torch.stack([want[:2].mean(), want[2:].mean()]))
    assert minibatch_std(x, group=4, channels=0) is x


def test_minibatch_std_refuses_what_does_not_divide():
    with pytest.raises(ValueError, match="batch 6"):
        minibatch_std(torch.zeros(6, 4, 2, 2), group=4, channels=1)

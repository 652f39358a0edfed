"""Weights scaled once a step: the same results and gradients, fewer products."""

import copy

import pytest
import torch

from benchmarks.launches import Launches
from gan.networks import reparametrize
from gan.networks.layers import Conv2d, Linear
from gan.networks.prepared import Scaled, prepared


class Small(torch.nn.Module):
    """Two convolutions, the first of which may be frozen, and two linear layers."""

    def __init__(self, frozen=False):
        super().__init__()
        self.a = Conv2d(3, 4, 3, trainable=not frozen)
        self.skip = Conv2d(4, 4, 1, bias=False, gain=0.5)
        self.b = Linear(4, 5, lr_multiplier=0.1, bias_init=1)
        self.c = Linear(5, 1)

    def forward(self, x):
        return self.c(self.b(self.skip(self.a(x)).mean(dim=(2, 3))))


@pytest.mark.parametrize("frozen", [False, True])
def test_results_and_gradients_of_both_orders(frozen, close):
    network, x = Small(frozen).double(), torch.randn(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)

    def measured():
        y = network(x)
        (slope,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
        return [y, *torch.autograd.grad(slope.square().sum(), list(network.parameters()), allow_unused=True)]

    want = measured()
    with prepared(network):
        for got, wanted in zip(measured(), want, strict=True):
            if wanted is None:
                assert got is None
            else:
                close(got, wanted)


def test_one_product_for_all_passes():
    network, x = Small(), torch.randn(2, 3, 4, 4)
    with prepared(network):
        with Launches() as seen, torch.no_grad():  # who asks first wants no gradient
            network(x)
        assert seen.found["_foreach_mul"] == 1 and seen.found["mul"] == 0
        with Launches() as seen:
            network(x).sum().backward()  # two parts of a batch
            network(x).sum().backward()
        assert seen.found["_foreach_mul"] == 2  # of the gradients, once a backward pass
    assert all(p.grad is not None for p in network.parameters())
    with Launches() as seen:
        network(x)
    assert seen.found["mul"] == 5  # four weights and a bias


def test_weights_are_prepared_anew_after_a_step():
    network, x = Small(), torch.randn(2, 3, 4, 4)
    with prepared(network):
        before = network(x)
    with torch.no_grad():
        network.c.weight.mul_(2)
    with prepared(network):
        torch.testing.assert_close(network(x), 2 * before)


def test_copies_ask_for_their_own_and_errors_leave_nothing():
    network, x = Small(), torch.randn(2, 3, 4, 4)
    with prepared(network):
        network(x)
    other = copy.deepcopy(network)
    torch.nn.init.zeros_(other.c.weight)
    with pytest.raises(RuntimeError, match="broken"), prepared(other):
        assert not other(x).any()
        raise RuntimeError("broken")
    assert network(x).any()
    assert all(m.ready is None for n in (network, other) for m in n.modules() if isinstance(m, Scaled))


def test_reparametrized_weights_are_left_to_their_modules(close):
    network, x = Small(), torch.randn(2, 3, 4, 4)
    reparametrize.add_spectral_norm(network)
    network.eval()  # norms stay as they are
    want = network(x)
    with prepared(network):
        close(network(x), want)
        assert network.b.ready.get(network.b, "weight") is None
        assert network.b.ready.get(network.b, "bias") is not None

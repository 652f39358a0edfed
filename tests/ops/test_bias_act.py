"""bias_act against closed forms."""

import pytest
import torch

from ops import bias_act
from ops.bias_act import ACTIVATIONS


def test_leaky_relu_by_hand():
    x = torch.tensor([[1.0, -1.0], [3.0, -4.0]])
    y = bias_act(x, torch.tensor([1.0, -1.0]), act="lrelu", gain=2.0, clamp=5.0)
    torch.testing.assert_close(y, torch.tensor([[4.0, -0.8], [5.0, -2.0]]))


@pytest.mark.parametrize("dim", [0, 1, 2])
def test_bias_runs_along_dim(dim):
    x = torch.zeros(2, 3, 4)
    b = torch.arange(x.shape[dim], dtype=torch.float32)
    y = bias_act(x, b, dim=dim)
    assert torch.equal(y.movedim(dim, -1), b.expand_as(y.movedim(dim, -1)))


@pytest.mark.parametrize("act", ACTIVATIONS)
def test_derivatives(act):
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    b = torch.randn(4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, b: bias_act(x, b, act=act, clamp=1.5), (x, b), rtol=1e-6)
    assert torch.autograd.gradgradcheck(lambda x, b: bias_act(x, b, act=act, clamp=1.5), (x, b), rtol=1e-6)


def test_zero_clamp_gives_zeros_and_dtype_follows_x():
    y = bias_act(torch.randn(2, 3, dtype=torch.float16), torch.ones(3), act="swish", clamp=0)
    assert y.dtype == torch.float16 and not y.any()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"act": "lelu"}, "lelu"), ({"b": torch.zeros(5)}, r"\[3\]"), ({"clamp": -1.0}, "clamp")],
)
def test_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        bias_act(torch.zeros(2, 3), **options)

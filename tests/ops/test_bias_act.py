"""bias_act against closed forms, and its kernels against the definition."""

import pytest
import torch

from ops import bias_act
from ops.bias_act import ACTIVATIONS, activation, bias_act_ref
from ops.library import fused
from tests.ops.orders import orders, same

SHAPES = [(2, 3), (7,), (4, 1, 5), (1, 8, 4, 4), (3, 5, 7, 2), (2, 64, 16, 16), (0, 3, 2, 2), (1, 1, 1, 1)]


def definition(x, b=None, dim=1, act="linear", alpha=None, gain=None, clamp=None):
    _, alpha, gain = activation(act, alpha, gain, clamp)
    return bias_act_ref(x, None if b is None else b.to(x.dtype), dim, act, alpha, gain, clamp)


def inputs(shape, device, dtype, dim):
    drawn = torch.randn(shape), torch.randn(shape[dim])
    return [t.to(device, dtype).requires_grad_() for t in drawn]


def test_leaky_relu_by_hand():
    x = torch.tensor([[1.0, -1.0], [3.0, -4.0]])
    y = bias_act(x, torch.tensor([1.0, -1.0]), act="lrelu", gain=2.0, clamp=5.0)
    torch.testing.assert_close(y, torch.tensor([[4.0, -0.8], [5.0, -2.0]]))


@pytest.mark.parametrize("dim", [0, 1, 2, -1])
def test_bias_runs_along_dim(dim):
    x = torch.zeros(2, 3, 4)
    b = torch.arange(x.shape[dim], dtype=torch.float32)
    y = bias_act(x, b, dim=dim)
    assert torch.equal(y.movedim(dim, -1), b.expand_as(y.movedim(dim, -1)))


@pytest.mark.parametrize("options", [{"act": "lrelu", "clamp": 1.0}, {"act": "swish", "gain": 0.7}], ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_matches_definition(shape, options, device, dtype, close):
    dim = min(1, len(shape) - 1)
    tensors = inputs(shape, device, dtype, dim)
    got, want = (orders(f, tensors, options | {"dim": dim}) for f in (bias_act, definition))
    same(got, want, close, scale=4)


@pytest.mark.parametrize("act", ACTIVATIONS)
def test_every_activation(act, device, close):
    tensors = inputs((3, 6, 5), device, torch.float64, 2)
    for options in ({"clamp": 0.8}, {"gain": -1.5}, {"gain": 0.0}, {"alpha": -0.3}):
        options = options | {"act": act, "dim": 2}
        same(orders(bias_act, tensors, options), orders(definition, tensors, options), close)


@pytest.mark.parametrize("act", ["lrelu", "swish"])
def test_channels_last_stays_so(act, device, close):
    x, b = inputs((2, 12, 5, 4), device, torch.float32, 1)
    x = x.detach().contiguous(memory_format=torch.channels_last).requires_grad_()
    y = bias_act(x, b, act=act)
    assert y.is_contiguous(memory_format=torch.channels_last)
    same(orders(bias_act, [x, b], {"act": act}), orders(definition, [x, b], {"act": act}), close, scale=4)


def test_views_and_expanded_gradients(device, close):
    x = torch.randn(4, 6, 8, 10, device=device)[:, ::2, 1:, ::3].requires_grad_()
    for f in (bias_act, definition):
        close(f(x, act="lrelu"), definition(x.contiguous(), act="lrelu"))
    (got,) = torch.autograd.grad(bias_act(x, act="tanh").sum(), x)
    (want,) = torch.autograd.grad(definition(x, act="tanh").sum(), x)
    close(got, want)


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
@pytest.mark.parametrize("act", ACTIVATIONS)
def test_half_types_compute_in_float(act, name, device, close):
    dtype = getattr(torch, name)
    x, b = (t.detach().to(dtype) for t in inputs((4, 16, 3, 3), device, torch.float32, 1))
    y = bias_act(x, b.float(), act=act)
    assert y.dtype == dtype
    close(y, definition(x.float(), b.float(), act=act).to(dtype))


@pytest.mark.parametrize("act", ACTIVATIONS)
def test_derivatives(act):
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    b = torch.randn(4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, b: bias_act(x, b, act=act, clamp=1.5), (x, b), rtol=1e-6)
    assert torch.autograd.gradgradcheck(lambda x, b: bias_act(x, b, act=act, clamp=1.5), (x, b), rtol=1e-6)


@pytest.mark.parametrize("act", [0, 2, 8])
def test_contract_of_custom_operators(act, device):
    x, b = inputs((2, 3, 4, 4), device, torch.float32, 1)
    if not fused(x):
        pytest.skip("plain PyTorch is in use: no custom operators")
    options = (1, act, 0.2, 1.4, 2.0)
    torch.library.opcheck(torch.ops.gan.bias_act, (x, b, *options))
    torch.library.opcheck(torch.ops.gan.bias_act_dx, (x, x.detach(), b, *options))


def test_compiles_without_a_graph_break(device, close):
    x, b = inputs((2, 4, 3, 3), device, torch.float32, 1)
    compiled = torch.compile(
        lambda x, b: bias_act(x, b, act="lrelu") * 2, fullgraph=True, backend="aot_eager"
    )
    close(compiled(x, b), bias_act(x, b, act="lrelu") * 2)
    for got, want in zip(
        *(
            torch.autograd.grad(f(x, b).square().sum(), (x, b))
            for f in (compiled, lambda x, b: bias_act(x, b, act="lrelu") * 2)
        ),
        strict=True,
    ):
        close(got, want)


def test_zero_clamp_gives_zeros_and_dtype_follows_x():
    y = bias_act(torch.randn(2, 3, dtype=torch.float16), torch.ones(3), act="swish", clamp=0)
    assert y.dtype == torch.float16 and not y.any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"act": "lelu"}, "lelu"),
        ({"b": torch.zeros(5)}, r"\[3\]"),
        ({"clamp": -1.0}, "clamp"),
        ({"b": torch.zeros(3), "dim": 2}, "dim"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        bias_act(torch.zeros(2, 3), **options)

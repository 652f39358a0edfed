"""scale_bias_act against its definition, up to the second derivative of path length steps."""

import itertools

import pytest
import torch

from ops import scale_bias_act
from ops.bias_act import ACTIVATIONS, activation
from ops.library import fused
from ops.scale_bias_act import scale_bias_act_ref
from tests.ops.orders import orders, same

SHAPES = [(2, 3, 4, 5), (1, 8, 1, 1), (3, 1, 2, 2), (2, 16, 8, 8), (0, 4, 3, 3), (2, 5, 97, 90)]
SHAPES += [(1, 40, 34, 33)]  # more channels than a warp has lanes


def definition(x, scale, noise, b, act="linear", alpha=None, gain=None, clamp=None):
    _, alpha, gain = activation(act, alpha, gain, clamp)
    scale, noise, b = (None if t is None else t.to(x.dtype) for t in (scale, noise, b))
    return scale_bias_act_ref(x, scale, noise, b, act, alpha, gain, clamp)


def inputs(shape, device, dtype, noise="each", layout=torch.contiguous_format):
    n, c, h, w = shape
    x = torch.randn(shape, dtype=dtype).contiguous(memory_format=layout)
    sizes = {"each": (n, 1, h, w), "shared": (h, w)}
    drawn = [x, torch.randn(n, c), torch.randn(sizes[noise]) if noise in sizes else None, torch.randn(c)]
    return [None if t is None else t.to(device, dtype).requires_grad_() for t in drawn]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("noise", ["each", "shared", "none"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_matches_definition(shape, noise, layout, device, dtype, close):
    tensors = inputs(shape, device, dtype, noise, layout)
    options = {"act": "lrelu", "clamp": 1.5}
    got, want = (orders(f, tensors, options) for f in (scale_bias_act, definition))
    same(got, want, close, scale=50 if shape[2] > 30 else 4)  # sums over many pixels


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("noise", ["each", "shared", "none"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_first_derivative_by_kernels(shape, noise, layout, device, dtype, close):
    """Without create_graph, under which the definition is differentiated instead."""
    tensors = inputs(shape, device, dtype, noise, layout)
    wanted = [t for t in tensors if t is not None]
    got, want = (f(*tensors, act="lrelu", clamp=1.5) for f in (scale_bias_act, definition))
    dy = torch.randn_like(want)
    gradients = (torch.autograd.grad(y, wanted, dy) for y in (got, want))
    for actual, expected in zip(*gradients, strict=True):
        close(actual, expected, scale=50 if shape[2] > 30 else 4)  # sums over many pixels


def test_gradient_keeps_the_memory_format(device):
    x, *rest = inputs((2, 8, 6, 4), device, torch.float32, layout=torch.channels_last)
    if not fused(x):
        pytest.skip("plain PyTorch is in use, which promises no format")
    [dx] = torch.autograd.grad(scale_bias_act(x, *rest).sum(), x)
    assert dx.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("act", ACTIVATIONS)
def test_every_activation(act, device, close):
    tensors = inputs((2, 4, 5, 3), device, torch.float64)
    options = {"act": act, "clamp": 1.0, "gain": 1.3}
    same(orders(scale_bias_act, tensors, options), orders(definition, tensors, options), close)


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_half_types_follow_x(name, device, close):
    dtype = getattr(torch, name)
    x, scale, noise, b = (t.detach() for t in inputs((2, 8, 6, 4), device, dtype))
    y = scale_bias_act(x, scale.float(), noise.float(), b.float(), act="lrelu")
    assert y.dtype == dtype
    close(y, definition(*(t.float() for t in (x, scale, noise, b)), act="lrelu").to(dtype))


@pytest.mark.parametrize("check", [torch.autograd.gradcheck, torch.autograd.gradgradcheck])
def test_finite_differences(check, device):
    case = inputs((2, 3, 3, 2), device, torch.float64)
    assert check(lambda *t: scale_bias_act(*t, act="swish", clamp=2.0), case, rtol=1e-6, atol=1e-7)


def test_expanded_gradient_and_missing_gradients(device, close):
    for needed in itertools.product([False, True], repeat=4):
        tensors = [
            t.detach().requires_grad_(want)
            for t, want in zip(inputs((2, 3, 4, 4), device, torch.float64), needed, strict=True)
        ]
        if not any(needed):
            continue
        wanted = [t for t in tensors if t.requires_grad]
        got = torch.autograd.grad(scale_bias_act(*tensors, act="lrelu").sum(), wanted)
        want = torch.autograd.grad(definition(*tensors, act="lrelu").sum(), wanted)
        for a, b in zip(got, want, strict=True):
            close(a, b)


def test_contract_of_a_custom_operator(device):
    x, scale, noise, b = inputs((2, 3, 4, 4), device, torch.float32)
    if not fused(x):
        pytest.skip("plain PyTorch is in use: no custom operators")
    flat = noise.detach().reshape(2, 16).requires_grad_()
    torch.library.opcheck(torch.ops.gan.scale_bias_act, (x, scale, flat, b, 2, 0.2, 1.4, 2.0))


def test_refusals():
    x = torch.zeros(2, 3, 4, 4)
    for arguments, message in [
        ((torch.zeros(2, 4),), "scale must be"),
        ((torch.zeros(2, 3), torch.zeros(4, 5)), "noise must be"),
        ((torch.zeros(2, 3), None, torch.zeros(2)), "b .3."),
    ]:
        with pytest.raises(ValueError, match=message):
            scale_bias_act(x, *arguments)

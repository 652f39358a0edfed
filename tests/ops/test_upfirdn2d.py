"""Resampling against a definition written as loops, its closed forms, and its twin in plain PyTorch."""

import itertools
import sys

import numpy as np
import pytest
import torch

from ops import downsample2d, filter2d, library, registration, setup_filter, upfirdn2d, upsample2d
from ops.upfirdn2d import upfirdn2d_ref

FORMATS = (torch.contiguous_format, torch.channels_last)
FACTORS = [  # up, down as (x, y)
    ((1, 1), (1, 1)),
    ((2, 2), (1, 1)),
    ((1, 1), (2, 2)),
    ((4, 4), (1, 1)),
    ((1, 1), (4, 4)),
    ((2, 1), (1, 2)),
    ((3, 4), (2, 3)),
]
PADDINGS = [(0, 0, 0, 0), (2, 1, 3, 2), (-1, 6, 7, -1), (13, 12, 11, 12)]


def filters():
    """The networks' 4x4, others, separable short and long, one tap: without symmetry."""
    sizes = ((4, 4), (4, 3), (5, 5), (3,), (12,), (1,))
    return tuple(torch.randn(size) for size in sizes)


def image(*shape, dtype=torch.float32, device="cpu", memory_format=torch.contiguous_format):
    return torch.randn(*shape, dtype=dtype, device=device).to(memory_format=memory_format)


def orders(function, x, *rest):
    """Value, gradient of a curved loss, and the gradient of its square."""
    x = x.detach().requires_grad_()
    y = function(x, *rest)
    (first,) = torch.autograd.grad(y.pow(3).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), x)
    return y, first, second


def by_loops(x, f, up, down, padding, flip):
    """The definition, one output sample at a time; x: [H, W], f: [fh, fw]."""
    (ux, uy), (dx, dy), (left, right, top, bottom) = up, down, padding
    big = np.zeros((x.shape[0] * uy, x.shape[1] * ux))
    big[::uy, ::ux] = x
    big = np.pad(big, ((max(top, 0), max(bottom, 0)), (max(left, 0), max(right, 0))))
    big = big[max(-top, 0) : big.shape[0] - max(-bottom, 0), max(-left, 0) : big.shape[1] - max(-right, 0)]
    f = f if flip else f[::-1, ::-1]
    rows, columns = big.shape[0] - f.shape[0] + 1, big.shape[1] - f.shape[1] + 1
    full = [
        [(big[i : i + f.shape[0], j : j + f.shape[1]] * f).sum() for j in range(columns)] for i in range(rows)
    ]
    return np.array(full)[::dy, ::dx]


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize(
    ("up", "down", "padding"),
    [((1, 1), (1, 1), (0, 0, 0, 0)), ((2, 1), (1, 2), (2, 1, 3, 0)), ((2, 3), (3, 2), (-1, 2, 1, -2))],
)
def test_matches_loops(up, down, padding, flip):
    x, f = torch.randn(2, 3, 6, 5, dtype=torch.float64), torch.randn(3, 2)
    y = upfirdn2d(x, f, up=up, down=down, padding=padding, flip_filter=flip, gain=4.0)
    want = by_loops(x[1, 2].numpy(), f.double().numpy() * 4, up, down, padding, flip)
    assert y.shape[2:] == want.shape
    np.testing.assert_allclose(y[1, 2], want, rtol=1e-12, atol=1e-12)


def test_separable_equals_outer_product():
    x, taps = torch.randn(1, 2, 9, 8, dtype=torch.float64), torch.randn(5)
    one, two = (setup_filter(taps, separable=s, normalize=False, gain=3.0) for s in (True, False))
    assert one.ndim == 1 and two.ndim == 2
    torch.testing.assert_close(
        upfirdn2d(x, one, up=2, down=3), upfirdn2d(x, two, up=2, down=3), rtol=1e-5, atol=1e-6
    )


def test_constant_image_keeps_its_level_inside():
    x, f = torch.full((1, 1, 8, 8), 0.7), setup_filter([1, 3, 3, 1])
    for y in (upsample2d(x, f), downsample2d(x, f), filter2d(x, f)):
        torch.testing.assert_close(y[..., 2:-2, 2:-2], torch.full_like(y[..., 2:-2, 2:-2], 0.7))
    assert upsample2d(x, f).shape[2:] == (16, 16) and downsample2d(x, f).shape[2:] == (4, 4)


def test_derivatives():
    x = torch.randn(1, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    f = setup_filter([1, 3, 3, 1])
    assert torch.autograd.gradcheck(lambda x: upsample2d(x, f), (x,))
    assert torch.autograd.gradgradcheck(lambda x: downsample2d(x, f).square(), (x,))


@pytest.mark.parametrize(("up", "down"), FACTORS, ids=str)
@pytest.mark.parametrize("memory_format", FORMATS, ids=("contiguous", "channels_last"))
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 3e-5)], ids=str)
def test_matches_twin(up, down, memory_format, dtype, tolerance, device):
    flips = itertools.cycle((False, True))
    for f, padding in itertools.product(filters(), PADDINGS):
        for shape in ((2, 3, 7, 9), (9, 2, 6, 5), (1, 17, 6, 5), (2, 16, 5, 4), (1, 1, 20, 70)):
            options = (*up, *down, *padding, next(flips), 3.0)
            width, height = (shape[3 - i] * up[i] + sum(padding[2 * i : 2 * i + 2]) for i in range(2))
            if width < f.shape[-1] or height < f.shape[0]:
                continue
            x = image(*shape, dtype=dtype, device=device, memory_format=memory_format)
            f = f.to(device)
            got = upfirdn2d(x, f, up, down, padding, *options[-2:])
            want = upfirdn2d_ref(x, f, *options)
            scale = tolerance * max(1.0, want.abs().max().item())  # of sums over many taps
            torch.testing.assert_close(got, want, rtol=tolerance, atol=scale)
            assert got.is_contiguous(memory_format=memory_format) or not library.fused(x)


@pytest.mark.parametrize(("up", "down"), FACTORS, ids=str)
@pytest.mark.parametrize("memory_format", FORMATS, ids=("contiguous", "channels_last"))
def test_every_order_matches_twin(up, down, memory_format, device):
    for f, padding, flip in itertools.product(filters(), PADDINGS[1:], (False, True)):
        x = image(1, 3, 13, 12, dtype=torch.float64, device=device, memory_format=memory_format)
        f = f.to(device)
        got = orders(lambda x, f=f, p=padding, flip=flip: upfirdn2d(x, f, up, down, p, flip, 0.5), x)
        want = orders(upfirdn2d_ref, x, f, *up, *down, *padding, flip, 0.5)
        for a, b in zip(got, want, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("up", "down"), FACTORS, ids=str)
def test_one_axis_after_the_other(up, down, device, monkeypatch):
    """As on CUDA for long filters: every order as the twin, with as many products as both axes have taps."""
    module, sizes = sys.modules["ops.upfirdn2d"], []

    def call(name, x, f, *options):
        sizes.append(tuple(f.shape))
        return registration.call(name, x, f, *options)

    monkeypatch.setattr(module, "by_axis", lambda taps, place: True)
    monkeypatch.setattr(module, "call", call)
    f, padding = torch.randn(13, device=device), (6, 7, 9, 5)
    x = image(1, 3, 13, 12, dtype=torch.float64, device=device)
    got = orders(lambda x: upfirdn2d(x, f, up, down, padding, True, 0.5), x)
    want = orders(upfirdn2d_ref, x, f, *up, *down, *padding, True, 0.5)
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
    assert set(sizes) == ({(1, 13), (13, 1)} if library.fused(x) else set())


def test_which_filters_go_by_axis():
    by_axis = sys.modules["ops.upfirdn2d"].by_axis
    cuda, cpu = torch.device("cuda"), torch.device("cpu")
    assert by_axis(61, cuda) and by_axis(13, cuda) and not by_axis(12, cuda) and not by_axis(61, cpu)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("shape", [(2, 64, 8, 8), (1, 24, 33, 17), (2, 3, 16, 16), (16, 1, 4, 4)], ids=str)
@pytest.mark.parametrize("memory_format", FORMATS, ids=("contiguous", "channels_last"))
def test_dtypes(dtype, shape, memory_format, device, close):
    x = image(*shape, dtype=dtype, device=device, memory_format=memory_format)
    for taps, op in itertools.product(([1, 3, 3, 1], range(1, 13)), (upsample2d, downsample2d, filter2d)):
        f = setup_filter(taps).to(device)
        y, want = op(x, f), op(x.double(), f)
        assert y.dtype == dtype
        close(y, want.to(dtype))


def test_strided_expanded_and_empty_inputs(device):
    f = setup_filter([1, 3, 3, 1]).to(device)
    x = image(2, 3, 8, 9, dtype=torch.float64, device=device)
    for view in (x[:, :, ::2, 1:], x.transpose(2, 3), x[:1].expand(4, -1, -1, -1), x[:, 1:2]):
        torch.testing.assert_close(upsample2d(view, f), upsample2d(view.clone(), f))
    for shape in ((0, 3, 4, 4), (2, 0, 4, 4))[: 1 + library.fused(x)]:  # conv2d refuses no channels
        assert upsample2d(image(*shape, device=device), f).shape == (*shape[:2], 8, 8)
    assert upfirdn2d(image(1, 1, 1, 1, device=device), None).shape == (1, 1, 1, 1)


def test_taps_times_gain_are_rounded_to_float32(device):
    f, gain = torch.tensor([[0.1]], device=device), 0.7
    y = upfirdn2d(torch.ones(1, 1, 1, 1, dtype=torch.float64, device=device), f, gain=gain)
    assert y.item() == (f * gain).double().item() != 0.1 * gain


@pytest.mark.parametrize("check", [torch.autograd.gradcheck, torch.autograd.gradgradcheck])
@pytest.mark.parametrize(
    ("up", "down", "padding"), [((2, 2), 1, (2, 1, 2, 1)), (1, (2, 3), (-1, 3, 2, 2))], ids=str
)
def test_finite_differences(check, up, down, padding, device):
    x = image(1, 2, 4, 5, dtype=torch.float64, device=device).requires_grad_()
    f = torch.randn(4, 3).to(device)
    assert check(lambda x: upfirdn2d(x, f, up, down, padding), (x,), rtol=1e-6)


@pytest.mark.parametrize("memory_format", FORMATS, ids=("contiguous", "channels_last"))
def test_operator_is_registered_in_full(memory_format, device):
    x = image(2, 3, 8, 8, device=device, memory_format=memory_format)
    if not library.fused(x):
        pytest.skip("no kernels")
    for f, up, down in ((setup_filter([1, 3, 3, 1]), 2, 1), (torch.randn(5), 1, 2)):
        for tracked in (False, True):
            arguments = (x.detach().requires_grad_(tracked), f.to(device), up, up, down, down)
            torch.library.opcheck(torch.ops.gan.upfirdn2d, (*arguments, 2, 1, 2, 3, False, 4.0))


def test_compiles_without_a_break(device, close):
    x, f = image(1, 2, 8, 8, device=device).requires_grad_(), setup_filter([1, 3, 3, 1]).to(device)
    compiled = torch.compile(upsample2d, fullgraph=True, backend="aot_eager")
    values = [(y := op(x, f), torch.autograd.grad(y.square().sum(), x)[0]) for op in (compiled, upsample2d)]
    for got, want in zip(*values, strict=True):
        close(got, want)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: upfirdn2d(torch.zeros(3, 4, 4), None), "N, C, H, W"),
        (lambda: upfirdn2d(torch.zeros(1, 1, 2, 2), torch.ones(3)), "smaller than the filter"),
        (lambda: upfirdn2d(torch.zeros(1, 1, 2, 2), None, up=0), ">= 1"),
        (lambda: upfirdn2d(torch.zeros(1, 1, 2, 2), torch.ones(2, requires_grad=True)), "constants"),
        (lambda: upfirdn2d(torch.zeros(1, 1, 2, 2), torch.ones(2), gain=-1.0), ">= 0"),
        (lambda: setup_filter(torch.zeros(2, 2, 2)), "dimensions"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("mode", ["auto", "reference"])
def test_autocast_changes_nothing(mode, device, monkeypatch):
    monkeypatch.setenv("GAN_OPS", mode)
    x = torch.randn(2, 3, 8, 8, device=device, requires_grad=True)
    f = setup_filter((1, 3, 3, 1)).to(device)
    want = upsample2d(x, f)
    with torch.autocast(device.type, torch.bfloat16):
        got = upsample2d(x, f)
    assert got.dtype == torch.float32 and torch.equal(got, want)
    dy = torch.randn_like(want)
    assert torch.equal(*(torch.autograd.grad(y, x, dy)[0] for y in (got, want)))

"""filtered_lrelu against its definition, up to the second derivative of R1 and path length steps."""

import pytest
import torch

from ops import bias_act, filtered_lrelu, setup_filter, upfirdn2d
from ops.filtered_lrelu import filtered_lrelu_ref
from ops.library import fused
from tests.ops.orders import orders, same

DEFAULTS = {
    "fu": None,
    "fd": None,
    "up": 1,
    "down": 1,
    "padding": 0,
    "gain": 2**0.5,
    "slope": 0.2,
    "clamp": None,
    "flip_filter": False,
}


def taps(*shape):
    """Asymmetric taps, so that a reversed or transposed filter shows."""
    f = torch.randn(shape, generator=torch.Generator().manual_seed(len(shape) + shape[0]))
    return f / f.abs().sum()


def op(x, b=None, /, **options):
    return filtered_lrelu(x, b=b, **options)


def definition(x, b=None, /, **options):
    return filtered_lrelu_ref(x, b=b, **DEFAULTS | options)


def inputs(shape, device, dtype=torch.float64, layout=torch.contiguous_format):
    x = torch.randn(shape).contiguous(memory_format=layout).to(device, dtype)
    return [x.requires_grad_(), torch.randn(shape[1]).to(device, dtype).requires_grad_()]


def on(device, options):
    return {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in options.items()}


NETWORK = {  # the layers of StyleGAN3: factors, taps, padding for 10 to 20 samples
    "same": {"up": 2, "down": 2, "fu": taps(12), "fd": taps(12), "padding": [10, 9, 9, 10]},
    "larger": {"up": 4, "down": 2, "fu": taps(24), "fd": taps(12), "padding": [17, 16, 14, 15]},
    "radial": {"up": 2, "down": 2, "fu": taps(12), "fd": taps(12, 12), "padding": [10, 9, 11, 10]},
    "radial larger": {"up": 4, "down": 2, "fu": taps(24), "fd": taps(12, 12), "padding": 16},
    "smaller": {"up": 2, "down": 4, "fu": taps(12), "fd": taps(24), "padding": [19, 18, 20, 17]},
    "radial smaller": {"up": 2, "down": 4, "fu": taps(12, 12), "fd": taps(24), "padding": 18},
}
OTHERS = {
    "no filters": {},
    "no filters, factors": {"up": 3, "down": 2, "padding": [2, 1, 0, 3]},
    "one tap": {"fu": torch.tensor([2.0]), "fd": torch.tensor([[0.5]]), "up": 2},
    "only up": {"fu": taps(5), "up": 3, "padding": [4, 3, 2, 3]},
    "only down": {"fd": taps(5), "down": 3, "padding": 2},
    "cropping": {"fu": taps(6), "fd": taps(4), "up": 2, "down": 2, "padding": [-3, 9, 11, -2]},
    "padding beyond the filter": {"fu": taps(4), "fd": taps(3), "up": 2, "down": 1, "padding": [9, 0, 7, 8]},
    "uneven taps": {"fu": taps(7), "fd": taps(5), "up": 4, "down": 3, "padding": 6},
    "few taps": {"fu": taps(2), "fd": taps(2), "up": 4, "down": 4, "padding": 3},
    "oblong": {"fu": taps(3, 6), "fd": taps(5, 2), "up": 2, "down": 2, "padding": [4, 3, 2, 1]},
    "flipped": {"fu": taps(5), "fd": taps(4, 3), "up": 2, "padding": 3, "flip_filter": True},
    "zero slope": {"fu": taps(4), "fd": taps(4), "up": 2, "down": 2, "padding": 3, "slope": 0.0},
    "negative slope": {"fu": taps(4), "up": 2, "padding": 3, "slope": -0.5, "gain": -1.0},
    "zero clamp": {"fu": taps(4), "fd": taps(3), "up": 2, "padding": 2, "clamp": 0.0},
}
ALL = NETWORK | OTHERS


@pytest.mark.parametrize("clamp", [None, 0.3])
@pytest.mark.parametrize("name", ALL)
def test_matches_definition(name, clamp, device, close):
    options = on(device, {"clamp": clamp} | ALL[name])
    tensors = inputs((2, 3, 10, 7), device)
    same(orders(op, tensors, options), orders(definition, tensors, options), close)
    tensors[1] = None
    same(orders(op, tensors, options), orders(definition, tensors, options), close)


@pytest.mark.parametrize("name", NETWORK)
def test_several_tiles_of_every_network_layer(name, device, dtype, close):
    """Or strips: they are 58 outputs wide where down is 2, 26 where it is 4, and 16 rows or more."""
    options = on(device, {"clamp": 0.5} | NETWORK[name])
    tensors = inputs(
        (1, 2, 37, {"same": 62, "smaller": 70, "radial smaller": 70}.get(name, 35)), device, dtype
    )
    same(orders(op, tensors, options), orders(definition, tensors, options), close, scale=4)


@pytest.mark.parametrize(
    ("name", "size", "filled"), [("same", (33, 59), (32, 58)), ("radial", (32, 33), (32, 32))], ids=str
)
def test_last_tile_filled(name, size, filled, device, dtype, close):
    """Outputs fill a strip or tiles: the last ones also keep the signs of what lies beyond their outputs."""
    options = on(device, {"clamp": 0.5} | NETWORK[name])
    tensors = inputs((1, 2, *size), device, dtype)
    assert op(*tensors, **options).shape[2:] == filled
    same(orders(op, tensors, options), orders(definition, tensors, options), close, scale=4)


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
@pytest.mark.parametrize("layer", ["same", "radial larger", "uneven taps"])
def test_half_types(layer, name, device, close):
    dtype = getattr(torch, name)
    options = on(device, {"clamp": 0.5} | ALL[layer])
    x, b = (t.detach() for t in inputs((2, 3, 16, 18), device, dtype))
    y = op(x, b.double(), **options)
    assert y.dtype == dtype
    close(y, definition(x.double(), b.double(), **options).to(dtype))


def test_half_gradient(device, close):
    options = on(device, NETWORK["same"])
    x, b = inputs((2, 3, 16, 18), device, torch.float16)
    exact = [t.detach().double().requires_grad_() for t in (x, b)]
    got = torch.autograd.grad(op(x, b, **options).sum(), (x, b))
    want = torch.autograd.grad(definition(*exact, **options).sum(), exact)
    for a, e in zip(got, want, strict=True):
        assert a.dtype == torch.float16
        close(a / e.abs().max(), (e / e.abs().max()).half())


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (0, 3, 5, 6), (3, 1, 1, 9), (1, 2, 9, 1)], ids=str)
def test_degenerate_sizes(shape, device, close):
    options = on(device, NETWORK["larger"] | {"padding": [25, 24, 26, 23]})
    tensors = inputs(shape, device)
    same(orders(op, tensors, options), orders(definition, tensors, options), close)


@pytest.mark.parametrize("name", ["same", "oblong", "no filters"])
def test_memory_formats(name, device, close):
    options = on(device, ALL[name])
    tensors = inputs((2, 5, 9, 8), device, layout=torch.channels_last)
    y = op(*tensors, **options)
    assert not fused(y) or y.is_contiguous(memory_format=torch.channels_last)
    same(orders(op, tensors, options), orders(definition, tensors, options), close)
    x = tensors[0].detach()[:1, :, ::2].expand(3, -1, -1, -1).requires_grad_()
    same(orders(op, [x, tensors[1]], options), orders(definition, [x, tensors[1]], options), close)


def test_expanded_gradient_and_missing_gradients(device, close):
    options = on(device, NETWORK["same"])
    for needed in ([True, False], [False, True], [True, True]):
        tensors = [
            t.requires_grad_(want) for t, want in zip(inputs((2, 3, 6, 5), device), needed, strict=True)
        ]
        wanted = [t for t in tensors if t.requires_grad]
        got, want = (torch.autograd.grad(f(*tensors, **options).sum(), wanted) for f in (op, definition))
        for a, e in zip(got, want, strict=True):
            close(a, e)


@pytest.mark.parametrize("check", [torch.autograd.gradcheck, torch.autograd.gradgradcheck])
@pytest.mark.parametrize("name", ["same", "radial", "uneven taps"])
def test_finite_differences(check, name, device):
    options = on(device, ALL[name])
    if name != "uneven taps":
        options["padding"] = [9, 8, 8, 9]
    tensors = inputs((1, 2, 3, 4), device)
    assert check(lambda x, b: op(x, b, clamp=0.4, **options), tensors, rtol=1e-6, atol=1e-7)


def test_constant_stays_constant(device, close):
    """Inside, filters with sum 1 do not change a constant; both branches and the clamp by hand."""
    f = setup_filter(torch.hann_window(14, periodic=False)[1:-1], separable=True).to(device)
    x = torch.tensor([3.0, -2.0, 50.0], device=device).reshape(1, 3, 1, 1).expand(1, 3, 20, 20)
    y = filtered_lrelu(x, f, f, torch.ones(3, device=device), up=2, down=2, padding=10, gain=2.0, clamp=60.0)
    middle = y[:, :, 9:11, 9:11]
    close(
        middle, torch.tensor([8.0, -0.4, 60.0], device=device).reshape(1, 3, 1, 1).expand_as(middle), scale=3
    )


def test_no_filters_is_bias_act(device):
    x, b = inputs((2, 3, 4, 5), device)
    y = filtered_lrelu(x, b=b, slope=0.1, gain=1.5, clamp=0.7)
    assert torch.equal(y, bias_act(x, b, act="lrelu", alpha=0.1, gain=1.5, clamp=0.7))


def test_the_mask_is_kept_for_gradients_only(device):
    x, b = (t.detach() for t in inputs((2, 3, 8, 8), device))
    if not fused(x):
        pytest.skip("plain PyTorch is in use: no custom operators")
    f = taps(12).to(device)
    arguments = (x, b, f, f, 2, 2, [10, 9, 10, 9], 1.0, 0.2, -1.0, False)
    y, mask = torch.ops.gan.filtered_lrelu(*arguments, False)
    again, kept = torch.ops.gan.filtered_lrelu(*arguments, True)
    assert torch.equal(y, again)
    assert mask.numel() == 0
    assert 2 * 3 * 24 * 24 / 4 <= kept.numel() <= 2 * 3 * 24 * 24 / 4 * 1.1


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("keep", [False, True])
def test_contract_of_a_custom_operator(keep, layout, device):
    x, b = inputs((2, 3, 9, 7), device, torch.float32, layout)
    if not keep:
        x, b = x.detach(), b.detach()
    if not fused(x):
        pytest.skip("plain PyTorch is in use: no custom operators")
    f = taps(12).to(device)
    arguments = (x, b, f, f, 2, 2, [10, 9, 10, 9], 1.0, 0.2, -1.0, False, keep)
    torch.library.opcheck(torch.ops.gan.filtered_lrelu, arguments)
    y, mask = torch.ops.gan.filtered_lrelu(*arguments)
    if keep:
        dy = torch.randn_like(y).requires_grad_()
        rest = (f, f, 2, 2, [11, 11], [-1, -1], [22, 26], [7, 9], 1.0, 4.0, 1.0, 0.2, True)
        torch.library.opcheck(torch.ops.gan.filtered_lrelu_masked, (dy, mask.detach(), *rest))


def test_compiles_as_one_graph(device, close):
    options = on(device, NETWORK["same"])
    tensors = inputs((2, 3, 9, 7), device, torch.float32)
    compiled = torch.compile(op, fullgraph=True, backend="aot_eager")
    got, want = (torch.autograd.grad(f(*tensors, **options).square().sum(), tensors) for f in (compiled, op))
    for a, e in zip(got, want, strict=True):
        close(a, e)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"b": torch.zeros(5)}, r"\[3\]"),
        ({"up": 0}, "up and down"),
        ({"clamp": -1.0}, "clamp"),
        ({"fu": torch.zeros(2, 2, 2)}, "dimensions"),
        ({"fd": torch.zeros(0)}, "dimensions"),
        ({"fu": torch.ones(2).requires_grad_()}, "constants"),
        ({"fu": torch.zeros(12)}, "smaller than the filters"),
        ({"fd": torch.zeros(12)}, "smaller than the filters"),
        ({"padding": [0, -4, 0, 0]}, "smaller than the filters"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        filtered_lrelu(torch.zeros(2, 3, 4, 4), **options)
    with pytest.raises(ValueError, match="x must be"):
        filtered_lrelu(torch.zeros(3, 4, 4))


def test_definition_is_a_composition(device, close):
    x = inputs((2, 3, 8, 8), device)[0].detach()
    fu, fd = taps(6).to(device), taps(4, 5).to(device)
    y = upfirdn2d(x, fu, up=2, padding=[4, 3, 2, 5], gain=4)
    y = upfirdn2d(bias_act(y, act="lrelu", clamp=0.4), fd, down=2)
    close(filtered_lrelu(x, fu, fd, up=2, down=2, padding=[4, 3, 2, 5], clamp=0.4), y)

"""Every operator on inputs of every layout, offset and dtype: the numbers of the definition, and the strides
that its fake promises, without which torch.compile reads results in the wrong order."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from ops import bias_act, filtered_lrelu, grid_sample, random, scale_bias_act, setup_filter, upfirdn2d
from ops.spectral_norm import power_iteration
from tests.ops.cases import Case, cases

# An image [N, C, H, W] or any other tensor in another place of the memory, with the same values.
LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "contiguous": lambda x: x.contiguous(),
    "channels_last": lambda x: permuted(x, (0, 2, 3, 1)),
    "rows_and_columns_exchanged": lambda x: permuted(x, (0, 1, 3, 2)),
    "samples_last": lambda x: permuted(x, (1, 2, 3, 0)),
    "every_second": lambda x: x.repeat_interleave(2, x.ndim - 1)[..., ::2],
    "expanded": lambda x: x[:1].expand_as(x),
    "odd_offset": lambda x: shifted(x, 1),
    "channels_last_at_an_odd_offset": lambda x: permuted(shifted(x, 3), (0, 2, 3, 1), offset=3),
}
DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


def permuted(x: Tensor, order: tuple[int, ...], offset: int = 0) -> Tensor:
    """The same values, whose memory follows this order of axes; tensors that are no images are transposed."""
    if x.ndim != len(order):
        order = tuple(reversed(range(x.ndim)))
    back = [order.index(axis) for axis in range(x.ndim)]
    return shifted(x.permute(order), offset).permute(back)


def shifted(x: Tensor, offset: int) -> Tensor:
    """A contiguous copy that begins this many elements behind the start of its memory."""
    memory = x.new_zeros(x.numel() + offset)
    y = memory[offset:].view(x.shape)
    y.copy_(x)
    return y


def in_layout(case: Case, layout: str) -> tuple:
    """The case's arguments, all tensors in that layout, those that are differentiated tracked."""
    args = [LAYOUTS[layout](arg.detach()) if isinstance(arg, Tensor) else arg for arg in case.args]
    return tuple(arg.requires_grad_() if i in case.tensors else arg for i, arg in enumerate(args))


def seeded(dtype: torch.dtype, index: int) -> Case:
    """The same numbers in every test."""
    torch.manual_seed(index)
    return cases(dtype)[index]


COUNT = len(cases())
TRACED = "test_aot_dispatch_dynamic"  # takes seconds where the others take moments
CONTRACT = ("test_schema", "test_autograd_registration", "test_faketensor")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("index", range(COUNT), ids=[case.name for case in cases()])
def test_contract_in_every_layout(index, layout, kernels):
    """Schema, strides of fakes, and derivatives, as torch.compile and torch.export take them for granted."""
    case = seeded(torch.float32, index)
    torch.library.opcheck(case.operator(), in_layout(case, layout), test_utils=CONTRACT)


def traced(spread: bool) -> list[tuple[int, str]]:
    """Pairs of operator and layout; spread: some of every operator and of every layout, or the rest."""
    pairs = [(index, place) for index in range(COUNT) for place in range(len(LAYOUTS))]
    return [(i, [*LAYOUTS][j]) for i, j in pairs if ((i + j) % 4 == 0) == spread]


@pytest.mark.parametrize(
    ("index", "layout"),
    [*traced(spread=True), *(pytest.param(*pair, marks=pytest.mark.slow) for pair in traced(spread=False))],
)
def test_contract_when_traced(index, layout, kernels):
    """Value and gradient as torch.compile takes them apart, with shapes that it does not know."""
    case = seeded(torch.float32, index)
    found = torch.library.opcheck(case.operator(), in_layout(case, layout), test_utils=TRACED)
    assert found == {TRACED: "SUCCESS"}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("index", range(COUNT), ids=[case.name for case in cases()])
def test_numbers_and_strides(index, layout, dtype, kernels, device, close):
    """Values and gradients are those of the definition, and lie in memory as the fake says."""
    case = seeded(dtype, index)
    args = in_layout(case, layout)
    found = case.operator()(*args)
    y = found if case.result is None else found[case.result]
    doubles = [
        a.detach().double().requires_grad_(a.requires_grad) if isinstance(a, Tensor) else a for a in args
    ]
    expected = case.definition(*doubles)
    close(y, expected.to(dtype), scale=4)
    dy = (
        LAYOUTS[layout](torch.linspace(-1, 1, y.numel(), dtype=dtype).view_as(y))
        if y.ndim == 4
        else y.detach() * 0 + 1
    )
    gradients = torch.autograd.grad(y, [args[i] for i in case.tensors], dy)
    wanted = torch.autograd.grad(expected, [doubles[i] for i in case.tensors], dy.double())
    for actual, want in zip(gradients, wanted, strict=True):
        size = want.abs().max().clamp_min(1e-6)
        close(actual / size.to(actual.dtype), (want / size).to(actual.dtype), scale=10)
    with torch._subclasses.FakeTensorMode() as mode:
        fakes = [mode.from_tensor(a) if isinstance(a, Tensor) else a for a in args]
        promised = case.operator()(*fakes)
    for real, fake in zip(*(_tensors(r) for r in (found, promised)), strict=True):
        assert (real.shape, real.dtype) == (fake.shape, fake.dtype)
        assert _strides(real) == _strides(fake)


def _tensors(found: Tensor | tuple) -> tuple[Tensor, ...]:
    return (found,) if isinstance(found, Tensor) else tuple(found)


def _strides(x: Tensor) -> list[int]:
    """Of axes with more than one element, which alone say where something is."""
    return [stride for size, stride in zip(x.shape, x.stride(), strict=True) if size != 1 and x.numel()]


def five_axes(x: Tensor) -> Tensor:
    """[2, 4, 3, 2, 2], the channels of each pixel side by side."""
    return x.reshape(2, 4, 3, 2, 2).contiguous(memory_format=torch.channels_last_3d)


SHAPED = {
    "five_axes": (five_axes, 1),
    "channels_last_along_the_rows": (lambda x: LAYOUTS["channels_last"](x), 2),
    "channels_last_along_the_samples": (lambda x: LAYOUTS["channels_last"](x), 0),
    "matrix_transposed": (lambda x: x.reshape(24, 4).T, 1),
    "vector_of_every_second": (lambda x: x.reshape(-1)[::2], 0),
    "no_elements": (lambda x: x[:0].permute(0, 1, 3, 2), 1),
}


@pytest.mark.parametrize("act", [2, 8], ids=["lrelu", "swish"])
@pytest.mark.parametrize("name", SHAPED)
def test_bias_act_of_any_shape(name, act, kernels):
    """bias_act and the derivative that has an operator of its own; also a bias that is not contiguous."""
    change, dim = SHAPED[name]
    x = change(torch.randn(2, 4, 4, 3)).detach().requires_grad_()
    b = torch.randn(2 * x.shape[dim])[::2].requires_grad_()
    options = (dim, act, 0.2, 1.4, 2.0)
    torch.library.opcheck(torch.ops.gan.bias_act.default, (x, b, *options))
    dy = torch.randn(x.shape).requires_grad_()
    torch.library.opcheck(torch.ops.gan.bias_act_dx.default, (dy, x.detach(), b.detach(), *options))
    torch.library.opcheck(
        torch.ops.gan.bias_act_dref.default, (dy.detach(), dy.detach(), x.detach(), b.detach(), *options)
    )


@pytest.mark.parametrize("last", [False, True])
def test_derivatives_that_are_operators(last, kernels):
    """Those with fakes of their own, from images of other layouts than their gradients have."""
    layout = LAYOUTS["channels_last" if last else "rows_and_columns_exchanged"]
    x, dy = layout(torch.randn(2, 3, 6, 4)), torch.randn(2, 3, 6, 4)
    rest = (torch.randn(3, 2).T, torch.randn(24, 2).T, torch.randn(6)[::2], 2, 0.2, 1.4, 2.0)
    torch.library.opcheck(torch.ops.gan.scale_bias_act_dx.default, (dy, x, *rest))
    grid = (torch.rand(2, 2, 4, 6) * 2 - 1).permute(0, 3, 2, 1).requires_grad_()
    torch.library.opcheck(torch.ops.gan.grid_sample_dx.default, (layout(dy).requires_grad_(), grid, 5, 7))
    f = setup_filter((1, 3, 3, 1))
    options = (2, 2, [3, 2, 2, 3], 1.4, 0.2, 0.5, False, True)
    _, mask = torch.ops.gan.filtered_lrelu(x, None, f, f, *options)
    masked = (2, 2, [0, 0], [1, 1], [10, 14], [4, 6], 4.0, 1.0, 1.4, 0.2, True)
    tracked = x.detach().requires_grad_()
    torch.library.opcheck(torch.ops.gan.filtered_lrelu_masked.default, (tracked, mask, f, f, *masked))


@pytest.mark.parametrize("offset", [0, 1, 3])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_vector_is_aligned(offset, dtype, kernels, device):
    """Kernels that read several values at once, from tensors that begin anywhere; checked by sanitizers."""
    x = permuted(torch.randn(2, 8, 8, 8).to(dtype), (0, 2, 3, 1), offset).to(device)
    x = shifted(x, offset) if offset == 3 else x
    b, f = shifted(torch.randn(8).to(dtype), offset).to(device), setup_filter((1, 3, 3, 1)).to(device)
    grid = shifted(
        torch.rand(2, 5, 3, 2).to(torch.float64 if dtype == torch.float64 else torch.float32), offset
    )
    plain = [t.double() for t in (x, b, grid)]
    weight = shifted(torch.randn(4, 16).to(dtype), offset).to(device)
    vectors = [shifted(torch.randn(size).to(dtype), offset).to(device) for size in (4, 16)]
    found = [
        bias_act(x, b, act="lrelu"),
        scale_bias_act(x, shifted(torch.ones(2, 8).to(dtype), offset).to(device), None, b, act="lrelu"),
        upfirdn2d(x, f, up=2, padding=(2, 1)),
        filtered_lrelu(x, f, f, b, up=2, down=2, padding=3),
        grid_sample(x, grid.to(device)),
        power_iteration(weight, *vectors)[2],
    ]
    wanted = [
        bias_act(plain[0], plain[1], act="lrelu"),
        bias_act(plain[0], plain[1], act="lrelu"),
        upfirdn2d(plain[0], f, up=2, padding=(2, 1)),
        filtered_lrelu(plain[0], f, f, plain[1], up=2, down=2, padding=3),
        grid_sample(plain[0], plain[2].to(device)),
        power_iteration(weight.double(), *[v.double() for v in vectors])[2],
    ]
    worst = {torch.float64: 1e-12, torch.float32: 1e-5, torch.float16: 4e-3, torch.bfloat16: 3e-2}[dtype]
    for actual, want in zip(found, wanted, strict=True):
        assert float((actual.double() - want).norm() / want.norm()) < worst
    keys = shifted(random.keys(1, 0, range(3), 0), offset).to(device)
    assert torch.equal(random.uniform(keys, (4,), dtype), random.uniform(keys.clone(), (4,), dtype))


LOWPASS = setup_filter((1, 3, 3, 1))
COMPILED = {
    "bias_act": lambda x: bias_act(x, torch.linspace(-1, 1, x.shape[1]), act="lrelu", gain=1.3),
    "bias_act_along_rows": lambda x: bias_act(x, torch.linspace(-1, 1, x.shape[2]), dim=2, act="swish"),
    "scale_bias_act": lambda x: scale_bias_act(x, x.detach().mean((2, 3)), x.detach()[:, :1], act="lrelu"),
    "upfirdn2d": lambda x: upfirdn2d(x, LOWPASS, up=2, padding=(2, 1)),
    "filtered_lrelu": lambda x: filtered_lrelu(x, LOWPASS, LOWPASS, up=2, down=2, padding=3),
    "grid_sample": lambda x: grid_sample(x, x.detach()[:, :2].permute(0, 2, 3, 1).tanh()),
}


def inductor(name: str, layout: str, close: Callable) -> None:
    """Value and gradient of a function with the operator among others, compiled for real."""
    torch._dynamo.reset()

    def function(x: Tensor) -> Tensor:
        return (COMPILED[name](x * 1.5) + 1).square()

    x = LAYOUTS[layout](torch.randn(2, 4, 6, 5)).requires_grad_()
    compiled = torch.compile(function, fullgraph=True)
    for change in (lambda x: x, lambda x: x.transpose(2, 3)):
        for last in (False, True):
            y, expected = compiled(change(x)), function(change(x))
            close(y, expected)
            dy = torch.randn(expected.shape)
            dy = dy.contiguous(memory_format=torch.channels_last) if last else dy
            got, want = (torch.autograd.grad(out, x, dy)[0] for out in (y, expected))
            close(got, want)


@pytest.mark.slow
@pytest.mark.parametrize(
    "layout", ["contiguous", "channels_last", "samples_last", "every_second", "odd_offset"]
)
@pytest.mark.parametrize("name", COMPILED)
def test_inductor(name, layout, kernels, close):
    inductor(name, layout, close)


def test_layouts_differ():
    x = torch.randn(2, 3, 6, 4)
    assert len({LAYOUTS[name](x).stride() + (LAYOUTS[name](x).storage_offset(),) for name in LAYOUTS}) == len(
        LAYOUTS
    )
    assert all(torch.equal(LAYOUTS[name](x), x) for name in LAYOUTS if name != "expanded")

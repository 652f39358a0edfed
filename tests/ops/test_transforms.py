"""torch.func and forward mode on every operator: as on its definition, eagerly and by the dispatcher."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad

from ops import (
    bias_act,
    filtered_lrelu,
    grid_sample,
    library,
    modulated_conv2d,
    random,
    registration,
    scale_bias_act,
    setup_filter,
    upsample2d,
)
from ops.spectral_norm import power_iteration
from tests.ops.cases import Case, cases, dispatched, first

CASES = cases()
NAMES = [f"{i}-{case.name}" for i, case in enumerate(CASES)]
WAYS = {"eager": first, "dispatcher": dispatched}


@pytest.fixture(params=range(len(CASES)), ids=NAMES)
def case(request, kernels) -> Case:
    """Every operator; the same numbers in every test."""
    torch.manual_seed(0)
    return cases()[request.param]


@pytest.fixture(params=WAYS)
def way(request) -> Callable[[Case], Callable[..., Tensor]]:
    """How the operator is called."""
    return WAYS[request.param]


def of_tensors(function: Callable, case: Case) -> tuple[Callable, list[Tensor]]:
    """The function of what it is differentiated by, the other arguments as they are; and these tensors."""

    def reduced(*tensors: Tensor) -> Tensor:
        args = list(case.args)
        for i, tensor in zip(case.tensors, tensors, strict=True):
            args[i] = tensor
        return function(*args)

    return reduced, [case.args[i] for i in case.tensors]


def both(way: Callable, case: Case, transform: Callable) -> tuple:
    """What a transform makes of the operator and of its definition, flattened."""
    found = []
    for function in (way(case), case.definition):
        reduced, tensors = of_tensors(function, case)
        found.append(torch.utils._pytree.tree_leaves(transform(reduced, tensors)))
    return tuple(found)


def squares(function: Callable) -> Callable[..., Tensor]:
    """A curved function of what a function returns."""
    return lambda *tensors: function(*tensors).square().sum()


def every(tensors: list[Tensor]) -> tuple[int, ...]:
    return tuple(range(len(tensors)))


def gradient(f, tensors):
    return torch.func.grad(squares(f), every(tensors))(*tensors)


def second_order(f, tensors):
    def penalty(*given):
        return sum(g.square().sum() for g in torch.func.grad(squares(f), every(given))(*given))

    return torch.func.grad(penalty, every(tensors))(*tensors)


def third_order(f, tensors):
    return torch.func.grad(lambda x: second_order(f, [x, *tensors[1:]])[0].square().sum())(tensors[0])


def reverse(f, tensors):
    y, pull = torch.func.vjp(f, *tensors)
    return y, pull(torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y))


def tangents(tensors):
    return tuple(torch.linspace(1, -2, t.numel(), dtype=t.dtype).view_as(t).contiguous() for t in tensors)


def forward(f, tensors):
    return torch.func.jvp(f, tuple(tensors), tangents(tensors))


def forward_twice(f, tensors):
    return torch.func.jvp(lambda *t: forward(f, t)[1], tuple(tensors), tangents(tensors))


def forward_over_reverse(f, tensors):
    return torch.func.jvp(
        lambda *t: torch.func.grad(squares(f), every(t))(*t), tuple(tensors), tangents(tensors)
    )


def forward_over_pullback(f, tensors):
    """The derivative is a linear operator of its own: what a tangent makes of it."""
    y, pull = torch.func.vjp(f, *tensors)
    dy = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)
    return torch.func.jvp(pull, (dy,), (dy.square(),))


def forward_twice_over_pullback(f, tensors):
    """Of the linear operator by curved arguments, so that all four parts of two tangents count."""
    y, pull = torch.func.vjp(f, *tensors)

    def tangent(dy):
        return torch.func.jvp(lambda dy: pull(dy.sin()), (dy,), (dy.cos(),))

    return torch.func.jvp(tangent, (y,), (y.square(),))


def reverse_over_forward_over_pullback(f, tensors):
    y, pull = torch.func.vjp(f, *tensors)

    def total(dy):
        tangents = torch.func.jvp(lambda dy: pull(dy.sin()), (dy,), (dy.cos(),))[1]
        return sum(t.square().sum() for t in tangents)

    return torch.func.grad(total)(y)


def forward_twice_over_batched_pullback(f, tensors):
    y, pull = torch.func.vjp(f, *tensors)
    dy = torch.stack([y.cos(), y.sin()])

    def tangent(dy):
        return torch.func.jvp(lambda dy: torch.func.vmap(pull)(dy.square()), (dy,), (dy.exp(),))

    return torch.func.jvp(tangent, (dy,), (dy.cos(),))


def reverse_over_forward(f, tensors):
    return torch.func.grad(lambda *t: torch.mul(*forward(f, t)).square().sum(), every(tensors))(*tensors)


def dual_numbers(f, tensors):
    with forward_ad.dual_level():
        dual = [forward_ad.make_dual(t, s) for t, s in zip(tensors, tangents(tensors), strict=True)]
        return tuple(forward_ad.unpack_dual(f(*dual)))


def batch(tensors, dim):
    """Three elements side by side along a new axis."""
    return tuple(torch.stack([t, t.flip(0) / 2, -t], dim=dim) for t in tensors)


def batched(f, tensors):
    return torch.func.vmap(f, in_dims=1, out_dims=-1)(*batch(tensors, 1))


def batched_first_alone(f, tensors):
    return torch.func.vmap(f, in_dims=(0, *[None] * (len(tensors) - 1)))(batch(tensors, 0)[0], *tensors[1:])


def batched_last_alone(f, tensors):
    return torch.func.vmap(f, in_dims=(*[None] * (len(tensors) - 1), 0))(*tensors[:-1], batch(tensors, 0)[-1])


def gradients_per_sample(f, tensors):
    dims = (0, *[None] * (len(tensors) - 1))
    return torch.func.vmap(torch.func.grad(squares(f), every(tensors)), dims)(
        batch(tensors, 0)[0], *tensors[1:]
    )


def gradient_of_batch(f, tensors):
    return torch.func.grad(squares(torch.func.vmap(f)), every(tensors))(*batch(tensors, 0))


def jacobian_by_columns(f, tensors):
    return torch.func.jacfwd(f)(*tensors)


def jacobian_by_rows(f, tensors):
    return torch.func.jacrev(f)(*tensors)


REVERSE = (gradient, second_order, third_order, reverse)
FORWARD = (
    forward,
    forward_twice,
    forward_over_reverse,
    forward_over_pullback,
    forward_twice_over_pullback,
    reverse_over_forward_over_pullback,
    forward_twice_over_batched_pullback,
    reverse_over_forward,
    dual_numbers,
)
BATCHED = (batched, batched_first_alone, batched_last_alone, gradients_per_sample, gradient_of_batch)
JACOBIANS = (jacobian_by_columns, jacobian_by_rows)


@pytest.mark.parametrize("transform", (*REVERSE, *FORWARD, *BATCHED, *JACOBIANS), ids=lambda t: t.__name__)
def test_as_of_the_definition(transform, case, way, close):
    got, want = both(way, case, transform)
    assert len(got) == len(want)
    for actual, expected in zip(got, want, strict=True):
        close(actual, expected)
    assert any(expected.abs().max() > 1e-3 for expected in want)


@pytest.mark.parametrize("low", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("index", range(len(CASES)), ids=NAMES)
def test_autocast_changes_no_operator(index, low, way, kernels):
    """Values and gradients, of kernels and of definitions: they have the type of their input."""
    torch.manual_seed(0)
    case = cases(torch.float32)[index]
    reduced, tensors = of_tensors(way(case), case)
    defined, _ = of_tensors(case.definition, case)
    for function in (reduced, defined):
        found = []
        for enabled in (False, True):
            given = [t.detach().requires_grad_() for t in tensors]
            with torch.autocast("cpu", low, enabled=enabled):
                y = function(*given)
                found.append((y, *torch.autograd.grad(y.sum(), given)))
        for plain, cast in zip(*found, strict=True):
            assert plain.dtype == cast.dtype == torch.float32 and torch.equal(plain, cast)


LOWPASS = setup_filter((1, 3, 3, 1))
PUBLIC = {
    "bias_act": lambda x: bias_act(x, torch.linspace(-1, 1, 4).to(x), act="tanh", clamp=0.7),
    "scale_bias_act": lambda x: scale_bias_act(x, x.mean((2, 3)), None, x.mean((0, 2, 3)), act="softplus"),
    "upsample2d": lambda x: upsample2d(x, LOWPASS),
    "filtered_lrelu": lambda x: filtered_lrelu(x, LOWPASS, LOWPASS, x[0, :, 0, 0], up=2, down=2, padding=3),
    "grid_sample": lambda x: grid_sample(x, x[:, :2].permute(0, 2, 3, 1).tanh() * 0.9),
    "modulated_conv2d": lambda x: modulated_conv2d(
        x, x.flatten(0, 1)[:, None, :3, :3].expand(-1, 4, -1, -1), x[:, :, 0, 0], padding=1, act="lrelu"
    ),
    "power_iteration": lambda x: power_iteration(x, x[:, 0, 0, 0], x[0].flatten(), steps=1)[2],
}


def hessian_times(f, x):
    return torch.func.jvp(torch.func.grad(lambda x: f(x).square().sum()), (x,), (x.cos(),))[1]


def gradients_of_a_batch(f, x):
    return torch.func.vmap(torch.func.grad(lambda x: f(x).square().sum()), 1)(torch.stack([x, -x], 1))


def hessians_times_of_a_batch(f, x):
    return torch.func.vmap(lambda x: hessian_times(f, x))(torch.stack([x, -x]))


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("transform", [hessian_times, gradients_of_a_batch, hessians_times_of_a_batch])
@pytest.mark.parametrize("name", PUBLIC)
def test_public_functions_as_plain_pytorch(name, transform, last, kernels, close):
    """Through their checks and casts, and in the layouts that they tell apart."""
    x = torch.randn(2, 4, 5, 4, dtype=torch.float64)
    x = x.contiguous(memory_format=torch.channels_last) if last else x
    got = transform(PUBLIC[name], x)
    with library.plain():
        expected = transform(PUBLIC[name], x)
    close(got, expected)
    assert expected.abs().max() > 1e-3


def test_what_forward_mode_would_lose_is_refused(kernels):
    """The derivative of filtered_lrelu lives from a mask of the kernel's own: it has no twin.

    Two tangents of it are right; of three torch would drop some.
    """
    case = next(case for case in cases() if case.name == "filtered_lrelu")
    reduced, tensors = of_tensors(first(case), case)
    y, pull = torch.func.vjp(reduced, *tensors)

    def tangent(dy):
        return torch.func.jvp(pull, (dy,), (dy,))[1]

    def second(dy):
        return torch.func.jvp(tangent, (dy,), (dy,))[1]

    with pytest.raises(NotImplementedError, match="two derivatives in forward mode.*GAN_OPS=reference"):
        torch.func.jvp(second, (y,), (y,))


def test_random_numbers_of_a_batch_of_keys(kernels):
    keys = torch.stack([random.keys(seed, 5, range(3), 1) for seed in range(2)])
    drawn = torch.func.vmap(lambda k: random.normal(k, (4,)), randomness="same")(keys)
    assert torch.equal(drawn, torch.stack([random.normal(k, (4,)) for k in keys]))


def test_forward_mode_draws_the_same_numbers(kernels):
    """By the kernel, not by its twin, which differs in the last places of normal numbers."""
    keys, x = random.keys(1, 2, range(3), 1), torch.randn(3, 64)
    noise = random.normal(keys, (64,))
    y, tangent = torch.func.jvp(lambda x: x * random.normal(keys, (64,)), (x,), (torch.ones_like(x),))
    assert torch.equal(y, x * noise) and torch.equal(tangent, noise)


def test_vmap_over_samples_is_one_call(kernels, monkeypatch):
    """And over what they share a call for each."""
    calls = []
    kernel = torch.ops.gan_kernels.bias_act.default
    monkeypatch.setitem(registration._kernels, "bias_act", lambda *args: calls.append(args) or kernel(*args))
    x, b = torch.randn(5, 2, 3, 4, 4), torch.randn(5, 3)
    torch.func.vmap(lambda x: bias_act(x, b[0]))(x)
    assert [call[0].shape for call in calls] == [(10, 3, 4, 4)]
    torch.func.vmap(lambda x, b: bias_act(x, b))(x, b)
    assert len(calls) == 1 + 5


def test_a_tangent_is_not_lost_in_a_compiled_graph(kernels):
    """torch.compile under forward mode: right, by whatever way."""
    x, b = torch.randn(2, 3), torch.randn(3)

    def function(x):
        return bias_act(x, b, act="tanh")

    compiled = torch.compile(lambda x: torch.func.jvp(function, (x,), (x,)), backend="aot_eager")
    for got, want in zip(compiled(x), torch.func.jvp(function, (x,), (x,)), strict=True):
        torch.testing.assert_close(got, want)


def test_compiled_gradients_of_torch_func(kernels):
    x, b = torch.randn(2, 3), torch.randn(3)
    gradient = torch.func.grad(lambda x: bias_act(x, b, act="tanh").square().sum())
    compiled = torch.compile(gradient, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), gradient(x))

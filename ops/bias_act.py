"""Bias, activation, gain and clamp in one pass over memory.  x: [..., C, ...], b: [C], any float dtype.

The derivative is computed from the result (from x + b for swish), so that the input need not be kept. It is
linear in the incoming gradient, hence its own derivative; the bend of curved activations is a third operator.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ops.autograd import pullback, sum_to_axis
from ops.library import fused
from ops.registration import Operator, call, dense, record


class Activation(NamedTuple):
    """`function(x, alpha)`, its derivative, and the gain that roughly keeps unit variance."""

    function: Callable[[Tensor, float], Tensor]
    slope: Callable[[Tensor, float], Tensor]  # from the value of the function (swish: from x)
    gain: float = 1.0
    alpha: float = 0.0  # used by lrelu only: the negative slope


_SELU_SCALE, _SELU_ALPHA = 1.0507009873554804934, 1.6732632423543772848

ACTIVATIONS = {  # in the order of `enum Act` in csrc/bias_act.h
    "linear": Activation(lambda x, _: x, lambda u, _: torch.ones_like(u)),
    "relu": Activation(lambda x, _: F.relu(x), lambda u, _: (u > 0).to(u.dtype), gain=2**0.5),
    "lrelu": Activation(
        F.leaky_relu, lambda u, alpha: torch.where(u > 0, u.new_ones(()), alpha), gain=2**0.5, alpha=0.2
    ),
    "tanh": Activation(lambda x, _: torch.tanh(x), lambda u, _: 1 - u * u),
    "sigmoid": Activation(lambda x, _: torch.sigmoid(x), lambda u, _: u * (1 - u)),
    "elu": Activation(lambda x, _: F.elu(x), lambda u, _: torch.where(u > 0, 1.0, u + 1)),
    "selu": Activation(
        lambda x, _: F.selu(x), lambda u, _: torch.where(u > 0, _SELU_SCALE, u + _SELU_SCALE * _SELU_ALPHA)
    ),
    "softplus": Activation(lambda x, _: F.softplus(x), lambda u, _: -torch.expm1(-u)),
    "swish": Activation(
        lambda x, _: F.silu(x),
        lambda u, _: torch.sigmoid(u) * (1 + u * (1 - torch.sigmoid(u))),
        gain=2**0.5,
    ),
}

NAMES = tuple(ACTIVATIONS)


def bias_act(
    x: Tensor,
    b: Tensor | None = None,
    dim: int = 1,
    act: str = "linear",
    alpha: float | None = None,
    gain: float | None = None,
    clamp: float | None = None,
) -> Tensor:
    """clamp(gain * act(x + b), -clamp, clamp), same shape and dtype as x.

    Args:
        x: any shape.
        b: [x.shape[dim]], cast to x's dtype, or None.
        dim: the axis of x along which b runs.
        act: a key of `ACTIVATIONS`.
        alpha: negative slope of lrelu (0.2 if None); the other activations have no parameter.
        gain: factor after the activation; None takes the activation's own (sqrt(2) for relu, lrelu, swish).
        clamp: largest magnitude of the result (0 is legal), None for no limit.

    Raises:
        ValueError: unknown `act`, an axis or a bias that x does not have, or a negative clamp.
    """
    index, alpha, gain = activation(act, alpha, gain, clamp)
    if b is not None:
        if not -x.ndim <= dim < x.ndim:
            raise ValueError(f"dim must be an axis of x, which has {x.ndim}; got {dim}")
        if b.shape != (x.shape[dim],):
            raise ValueError(f"b must have shape [{x.shape[dim]}] (axis {dim} of x); got {list(b.shape)}")
        b = b.to(x.dtype)
    # The sign of the result tells the branch of lrelu only where alpha >= 0. Without a bias any axis will do.
    if fused(x) and alpha >= 0 and x.ndim > 0:
        dim = dim % x.ndim if b is not None else min(1, x.ndim - 1)
        limit = -1.0 if clamp is None else clamp
        return call("bias_act", x, b, dim, index, alpha, gain, limit)
    return bias_act_ref(x, b, dim, act, alpha, gain, clamp)


def activation(
    act: str, alpha: float | None, gain: float | None, clamp: float | None
) -> tuple[int, float, float]:
    """(number in `ACTIVATIONS`, alpha, gain) with defaults filled in; ValueError for an unknown one."""
    if act not in ACTIVATIONS:
        raise ValueError(f"act must be one of {', '.join(ACTIVATIONS)}; got {act!r}")
    if clamp is not None and clamp < 0:
        raise ValueError(f"clamp must be None or >= 0; got {clamp}")
    default = ACTIVATIONS[act]
    return NAMES.index(act), default.alpha if alpha is None else alpha, default.gain if gain is None else gain


def bias_act_ref(
    x: Tensor, b: Tensor | None, dim: int, act: str, alpha: float, gain: float, clamp: float | None
) -> Tensor:
    """The definition, in plain PyTorch: any device, any order of derivative."""
    x = ACTIVATIONS[act].function(_shifted(x, b, dim), alpha)
    if gain != 1:
        x = x * gain
    return x if clamp is None else x.clamp(-clamp, clamp)


def bias_act_dx_ref(
    dy: Tensor,
    ref: Tensor,
    b: Tensor | None,
    dim: int,
    act: str,
    alpha: float,
    gain: float,
    clamp: float | None,
) -> Tensor:
    """The definition of the derivative: of `bias_act_ref` with respect to x, times dy, from its result `ref`.

    Of swish `ref` is x. With a gain of 0 the result is 0.
    """
    y = ref
    if act == "swish":
        u = _shifted(ref, b, dim)
        y = F.silu(u) * gain
    else:
        u = ref / gain if gain != 0 else torch.zeros_like(ref)
    dx = dy * (gain * ACTIVATIONS[act].slope(u, alpha))
    return dx if clamp is None else dx.where((y > -clamp) & (y < clamp), dx.new_zeros(()))


def _shifted(x: Tensor, b: Tensor | None, dim: int) -> Tensor:
    if b is None:
        return x
    shape = [1] * x.ndim
    shape[dim] = -1
    return x + b.reshape(shape)


_SWISH = NAMES.index("swish")
_CURVED = {NAMES.index(name) for name in ("tanh", "sigmoid", "elu", "selu", "softplus", "swish")}


def _keep(ctx, inputs, output):
    x, b, dim, act, *rest = inputs
    from_input = act == _SWISH
    ctx.save_for_backward(x if from_input else output, b if from_input else None)
    ctx.options = (dim, act, *rest)


def _backward(ctx, dy):
    ref, b = ctx.saved_tensors
    dx = call("bias_act_dx", dy, ref, b, *ctx.options)
    db = sum_to_axis(dx, ctx.options[0]) if ctx.needs_input_grad[1] else None
    return dx, db, *[None] * 5


def _keep_dx(ctx, inputs, output):
    dy, ref, b, *options = inputs
    ctx.save_for_backward(dy if options[1] in _CURVED else None, ref, b)
    ctx.options = options


def _backward_dx(ctx, tangent):
    dy, ref, b = ctx.saved_tensors
    ddy = call("bias_act_dx", tangent, ref, b, *ctx.options)
    if dy is None or not any(ctx.needs_input_grad[1:3]):  # piecewise linear: no bend
        return ddy, *[None] * 7
    dref = call("bias_act_dref", tangent, dy, ref, b, *ctx.options)
    db = sum_to_axis(dref, ctx.options[0]) if ctx.needs_input_grad[2] else None
    return ddy, dref, db, *[None] * 5


def _named(act: int, alpha: float, gain: float, limit: float) -> tuple[str, float, float, float | None]:
    """An operator's options as the definitions take them."""
    return NAMES[act], alpha, gain, None if limit < 0 else limit


def _twin(x, b, dim, *options):
    return bias_act_ref(x, b, dim, *_named(*options))


def _twin_dx(dy, ref, b, dim, *options):
    return bias_act_dx_ref(dy, ref, b, dim, *_named(*options))


def _twin_dref(tangent, dy, ref, b, *options):
    return pullback(_twin_dx, (dy, ref, b, *options), tangent, (1,))[0]


def _empty(x: Tensor, dim: int) -> Tensor:
    """The rule of `readable` in csrc/bias_act.cpp."""
    return torch.empty_like(dense(x) if dim == 1 else x.contiguous())


record(
    Operator(
        "bias_act",
        fake=lambda x, b, dim, *_: _empty(x, dim),
        twin=_twin,
        samples=lambda x, b, dim, *_: (0,) if dim > 0 else (),
        setup_context=_keep,
        backward=_backward,
    )
)
record(
    Operator(
        "bias_act_dx",
        fake=lambda dy, ref, b, dim, *_: _empty(ref, dim),
        twin=_twin_dx,
        samples=lambda dy, ref, b, dim, *_: (0, 1) if dim > 0 else (),
        setup_context=_keep_dx,
        backward=_backward_dx,
    )
)
record(
    Operator(
        "bias_act_dref",
        fake=lambda tangent, dy, ref, b, dim, *_: _empty(ref, dim),
        twin=_twin_dref,
        samples=lambda tangent, dy, ref, b, dim, *_: (0, 1, 2) if dim > 0 else (),
    )
)

"""Bias, activation, gain and clamp.  x: [..., C, ...], b: [C], any float dtype."""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Activation(NamedTuple):
    """`function(x, alpha)`, with the gain that roughly keeps unit variance."""

    function: Callable[[Tensor, float], Tensor]
    gain: float = 1.0
    alpha: float = 0.0  # used by lrelu only: the negative slope


ACTIVATIONS = {
    "linear": Activation(lambda x, _: x),
    "relu": Activation(lambda x, _: F.relu(x), gain=2**0.5),
    "lrelu": Activation(F.leaky_relu, gain=2**0.5, alpha=0.2),
    "tanh": Activation(lambda x, _: torch.tanh(x)),
    "sigmoid": Activation(lambda x, _: torch.sigmoid(x)),
    "elu": Activation(lambda x, _: F.elu(x)),
    "selu": Activation(lambda x, _: F.selu(x)),
    "softplus": Activation(lambda x, _: F.softplus(x)),
    "swish": Activation(lambda x, _: F.silu(x), gain=2**0.5),
}


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
        ValueError: unknown `act`, a bias of another shape, or a negative clamp.
    """
    if act not in ACTIVATIONS:
        raise ValueError(f"act must be one of {', '.join(ACTIVATIONS)}; got {act!r}")
    if clamp is not None and clamp < 0:
        raise ValueError(f"clamp must be None or >= 0; got {clamp}")
    function, default_gain, default_alpha = ACTIVATIONS[act]
    if b is not None:
        if b.shape != (x.shape[dim],):
            raise ValueError(f"b must have shape [{x.shape[dim]}] (axis {dim} of x); got {list(b.shape)}")
        shape = [1] * x.ndim
        shape[dim] = -1
        x = x + b.to(x.dtype).reshape(shape)
    x = function(x, default_alpha if alpha is None else alpha)
    gain = default_gain if gain is None else gain
    if gain != 1:
        x = x * gain
    return x if clamp is None else x.clamp(-clamp, clamp)

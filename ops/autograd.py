"""Derivatives that several operators share."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad


def sum_to_axis(x: Tensor, dim: int) -> Tensor:
    """Sum over every axis but `dim`: [..., x.shape[dim], ...] -> [x.shape[dim]]."""
    others = [axis for axis in range(x.ndim) if axis != dim]
    return x.sum(others) if others else x  # an empty list would mean all axes


# Is a function of torch.func (grad, vjp, vmap, jvp) at work? Asked in every call of an operator, hence bare.
transformed: Callable[[], bool] = torch._C._are_functorch_transforms_active


def without_autocast(x: Tensor) -> contextlib.AbstractContextManager:
    """Types as they are in here: autocast on x's type of device, which is not known of meta, is off."""
    if x.is_meta or not torch.is_autocast_enabled(x.device.type):
        return contextlib.nullcontext()
    return torch.autocast(x.device.type, enabled=False)


def by_definition(x: Tensor) -> bool:
    """Whether only plain PyTorch will do: for torch.func, forward mode, traces, compilers and autocast."""
    special = transformed() or forward_ad._current_level >= 0 or torch.compiler.is_compiling()
    return special or torch.jit.is_tracing() or (not x.is_meta and torch.is_autocast_enabled(x.device.type))


def through_twin(
    twin: Callable[..., Tensor | tuple],
    inputs: Sequence[Any],
    gradients: Tensor | Sequence[Tensor | None],
    needed: Sequence[bool],
) -> list[Tensor | None]:
    """Gradients of an operator by differentiating its plain-torch definition at the saved inputs.

    Differentiable again, to any order, where gradients are recorded while this runs (`create_graph`).

    Args:
        twin: the definition, called with `inputs`.
        inputs: the operator's arguments; its tensors as saved for its backward.
        gradients: of the result, or of each result; None for one that is not differentiated.
        needed: per input, whether its gradient is wanted.

    Returns:
        One gradient per input, None where it is not needed.
    """
    gradients = [gradients] if isinstance(gradients, Tensor) else gradients
    wanted = [i for i, want in enumerate(needed) if want and isinstance(inputs[i], Tensor)]
    found: list[Tensor | None] = [None] * len(inputs)
    if not wanted or all(gradient is None for gradient in gradients):
        return found
    differentiate = _by_vjp if transformed() else _by_grad
    for i, gradient in zip(wanted, differentiate(twin, inputs, gradients, wanted), strict=True):
        found[i] = gradient
    return found


def pullback(
    twin: Callable[..., Tensor | tuple],
    inputs: Sequence[Any],
    gradients: Tensor | Sequence[Tensor | None],
    wanted: Sequence[int],
) -> tuple[Tensor, ...]:
    """Gradients of `twin` with respect to its inputs `wanted`, as a function that differentiates in any mode.

    For the twins of operators that are the derivative of another one. Arguments: as those of `through_twin`.
    """
    gradients = [gradients] if isinstance(gradients, Tensor) else gradients
    return _by_vjp(twin, inputs, gradients, wanted)


def _by_vjp(
    twin: Callable, inputs: Sequence[Any], gradients: Sequence[Tensor | None], wanted: Sequence[int]
) -> tuple[Tensor, ...]:
    def function(*chosen: Tensor) -> tuple[Tensor, ...]:
        args = list(inputs)
        for i, tensor in zip(wanted, chosen, strict=True):
            args[i] = tensor
        return _differentiated(twin(*args), gradients)

    inputs = [_alive(arg) for arg in inputs]
    _, differentiate = torch.func.vjp(function, *(inputs[i] for i in wanted))
    return differentiate(tuple(gradient for gradient in gradients if gradient is not None))


def _by_grad(
    twin: Callable, inputs: Sequence[Any], gradients: Sequence[Tensor | None], wanted: Sequence[int]
) -> tuple[Tensor | None, ...]:
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        args = [_alive(arg) for arg in inputs] if again else list(inputs)
        for i in wanted:
            if not (again and args[i].requires_grad):
                args[i] = args[i].detach().requires_grad_()
        results = _differentiated(twin(*args), gradients)
        given = [gradient for gradient in gradients if gradient is not None]
        leaves = [args[i] for i in wanted]
        return torch.autograd.grad(results, leaves, given, create_graph=again, allow_unused=True)


def _differentiated(results: Tensor | tuple, gradients: Sequence[Tensor | None]) -> tuple[Tensor, ...]:
    """The results that have a gradient."""
    results = (results,) if isinstance(results, Tensor) else results
    return tuple(r for r, gradient in zip(results, gradients, strict=True) if gradient is not None)


def _alive(arg: Any) -> Any:
    """A tensor of its own: one that was kept from inside a function of torch.func pretends, after that, to
    have a gradient still."""
    return arg.view_as(arg) if isinstance(arg, Tensor) else arg

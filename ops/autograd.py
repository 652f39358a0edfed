"""Derivatives that several operators share."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def sum_to_axis(x: Tensor, dim: int) -> Tensor:
    """Sum over every axis but `dim`: [..., x.shape[dim], ...] -> [x.shape[dim]]."""
    others = [axis for axis in range(x.ndim) if axis != dim]
    return x.sum(others) if others else x  # an empty list would mean all axes


def through_twin(
    twin: Callable[..., Tensor], inputs: Sequence[Tensor | None], gradient: Tensor, needed: Sequence[bool]
) -> list[Tensor | None]:
    """Gradients of an operator by differentiating its plain-torch definition at the saved inputs.

    Differentiable again, to any order, where gradients are recorded while this runs (`create_graph`).

    Args:
        twin: the definition, called with `inputs`.
        inputs: the operator's tensors, as saved for its backward.
        gradient: of the result.
        needed: per input, whether its gradient is wanted.

    Returns:
        One gradient per input, None where it is not needed.
    """
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        inputs = [
            t.detach().requires_grad_() if t is not None and want and not (again and t.requires_grad) else t
            for t, want in zip(inputs, needed, strict=True)
        ]
        wanted = [t for t, want in zip(inputs, needed, strict=True) if want and t is not None]
        result = twin(*inputs)
        found = iter(
            torch.autograd.grad(result, wanted, gradient, create_graph=again, allow_unused=True)
            if wanted
            else ()
        )
    return [next(found) if want and t is not None else None for t, want in zip(inputs, needed, strict=True)]

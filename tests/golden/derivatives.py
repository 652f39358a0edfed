"""First and second derivatives of an op, named as the golden files name them."""

from collections.abc import Callable

import torch
from torch import Tensor


def derivatives(op: Callable[..., Tensor], inputs: dict[str, Tensor], gy: Tensor) -> dict[str, Tensor]:
    """Value, gradient and gradients of squared gradients of op(**inputs); `inputs` starts with x.

    Returns:
        y: the value.
        grad_X: derivative of sum(y * gy) with respect to X.
        gg_X: derivative of sum(grad_x^2) with respect to X, which also ranges over gy.
        gga_X: the same for the sum of squares of all first-order gradients.
    """
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in inputs.items()}
    seed = gy.clone().requires_grad_()
    y = op(**leaves)
    first = torch.autograd.grad(y, list(leaves.values()), seed, create_graph=True, materialize_grads=True)
    squares = [g.square().sum() for g in first]
    return {
        "y": y,
        **{f"grad_{name}": g for name, g in zip(leaves, first, strict=True)},
        **_gradients("gg_", squares[0], leaves | {"gy": seed}),
        **_gradients("gga_", sum(squares), leaves | {"gy": seed}),
    }


def _gradients(prefix: str, scalar: Tensor, leaves: dict[str, Tensor]) -> dict[str, Tensor]:
    """d scalar / d leaf; zeros where it does not depend on the leaf."""
    if not scalar.requires_grad:
        return {prefix + name: torch.zeros_like(leaf) for name, leaf in leaves.items()}
    grads = torch.autograd.grad(scalar, list(leaves.values()), retain_graph=True, materialize_grads=True)
    return {prefix + name: g for name, g in zip(leaves, grads, strict=True)}

"""Value, gradient and second-order quantities of a function, to compare an operator with its definition."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor


def orders(f: Callable, tensors: Sequence[Tensor | None], options: Mapping) -> dict[str, Tensor]:
    """{"y", "d0", "d1", ..., "dd0", ...}: d of sum(y * fixed), dd of the sum of their squares."""
    wanted = [t for t in tensors if t is not None and t.requires_grad]
    y = f(*tensors, **options)
    gy = torch.linspace(-1, 1, y.numel(), dtype=torch.float64).cos().to(y).view_as(y).requires_grad_()
    first = torch.autograd.grad(y, wanted, gy, create_graph=True)
    total = sum(g.square().sum() for g in first)
    second = torch.autograd.grad(total, [*wanted, gy], allow_unused=True, materialize_grads=True)
    found = {"y": y}
    found |= {f"d{i}": g for i, g in enumerate(first)}
    return found | {f"dd{i}": g for i, g in enumerate(second)}


def same(got: Mapping[str, Tensor], want: Mapping[str, Tensor], close: Callable, scale: float = 1.0) -> None:
    """Every quantity of `want` within tolerance, relative to its own largest value."""
    assert got.keys() == want.keys()
    for name, expected in want.items():
        size = expected.abs().max().clamp_min(1e-12) if expected.numel() else 1
        assert got[name].dtype == expected.dtype, name
        try:
            close(got[name] / size, expected / size, scale)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from None

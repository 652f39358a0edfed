"""Bilinear sampling of images at given places, differentiable to any order.

x: [N, C, H, W], any float dtype. Value and first derivatives are those of torch.nn.functional.grid_sample
with mode="bilinear", padding_mode="zeros", align_corners=False, which cannot be differentiated twice. The map
is linear in x: its adjoint, an operator of its own, has grid_sample as derivative. The gradient with respect
to the places comes from the definition.
"""

import torch
from torch import Tensor

from ops.autograd import pullback, through_twin
from ops.library import fused
from ops.registration import Operator, call, empty_image, record


def grid_sample(x: Tensor, grid: Tensor) -> Tensor:
    """y[n, :, i, j] = x[n] between the four pixels around the place grid[n, i, j]; pixels outside are 0.

    On CUDA the gradient with respect to x is summed in no fixed order, so its last digits vary from run to
    run; under torch.use_deterministic_algorithms the plain definition is used there.

    Args:
        x: [N, C, H, W], contiguous or channels_last, with H, W >= 1.
        grid: [N, Ho, Wo, 2], (x, y) of each place; -1 and 1 are the outer edges of the image. Taken in
            float32, in float64 for a float64 image; the image may have a half type.

    Returns:
        [N, C, Ho, Wo], x's dtype and memory format.

    Raises:
        ValueError: shapes or devices that do not fit.
    """
    if x.ndim != 4 or 0 in x.shape[2:]:
        raise ValueError(f"x must be [N, C, H, W] with pixels; got {list(x.shape)}")
    if grid.ndim != 4 or grid.shape[0] != x.shape[0] or grid.shape[3] != 2:
        raise ValueError(f"grid must be [{x.shape[0]}, Ho, Wo, 2], with x's batch; got {list(grid.shape)}")
    if grid.device != x.device:
        raise ValueError(f"grid must be on the device of x, {x.device}; got {grid.device}")
    grid = grid.to(_precise(x))
    repeatable = x.is_cuda and torch.are_deterministic_algorithms_enabled()
    if not repeatable and fused(x) and fused(grid):
        return call("grid_sample", x, grid)
    return grid_sample_ref(x, grid)


def grid_sample_ref(x: Tensor, grid: Tensor) -> Tensor:
    """The definition, in plain PyTorch: any device, any order of derivative."""
    n, c, h, w = x.shape
    planes = x.to(grid.dtype).flatten(2)
    y = planes.new_zeros(())
    for row, row_weight in _neighbours(grid[..., 1], h):
        for column, column_weight in _neighbours(grid[..., 0], w):
            index = (row * w + column).flatten(1)[:, None].expand(-1, c, -1)
            y = (
                y + planes.gather(2, index) * (row_weight * column_weight).flatten(1)[:, None]
            )  # [N, C, Ho * Wo]
    return y.reshape(n, c, *grid.shape[1:3]).to(x.dtype)


def _neighbours(coordinate: Tensor, size: int) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """(index, weight) of the two pixels next to each coordinate; the weight of one outside is 0."""
    at = ((coordinate + 1) * size - 1) / 2
    inside = (at >= -1) & (at < size)
    at = at.where(inside, at.new_full((), -1))
    below = at.detach().floor()
    i = below.long()
    low, high = (below + 1 - at) * (inside & (i >= 0)), (at - below) * (inside & (i + 1 < size))
    return (i.clamp(min=0), low), ((i + 1).clamp(max=size - 1), high)


def _precise(x: Tensor) -> torch.dtype:
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def _grid_gradient(x: Tensor, grid: Tensor, dy: Tensor) -> Tensor | None:
    return through_twin(grid_sample_ref, (x, grid), dy, (False, True))[1]


def _keep(ctx, inputs, output):
    x, grid = inputs
    ctx.save_for_backward(x if ctx.needs_input_grad[1] else None, grid)
    ctx.size = x.shape[2:]


def _backward(ctx, dy):
    x, grid = ctx.saved_tensors
    needs_x, needs_grid = ctx.needs_input_grad
    dx = call("grid_sample_dx", dy, grid, *ctx.size) if needs_x else None
    return dx, _grid_gradient(x, grid, dy) if needs_grid else None


def _keep_dx(ctx, inputs, output):
    dy, grid, *_ = inputs
    ctx.save_for_backward(dy if ctx.needs_input_grad[1] else None, grid)


def _backward_dx(ctx, tangent):
    dy, grid = ctx.saved_tensors
    needs_dy, needs_grid, *_ = ctx.needs_input_grad
    ddy = call("grid_sample", tangent, grid) if needs_dy else None
    return ddy, _grid_gradient(tangent, grid, dy) if needs_grid else None, None, None


def _twin_dx(dy, grid, height, width):
    x = dy.new_zeros(*dy.shape[:2], height, width)  # any: the samples are linear in it
    return pullback(grid_sample_ref, (x, grid), dy, (0,))[0]


record(
    Operator(
        "grid_sample",
        fake=lambda x, grid: empty_image(x, grid.shape[1:3]),
        twin=grid_sample_ref,
        samples=lambda *_: (0, 1),
        setup_context=_keep,
        backward=_backward,
    )
)
record(
    Operator(
        "grid_sample_dx",
        fake=lambda dy, _, height, width: empty_image(dy, (height, width)),
        twin=_twin_dx,
        samples=lambda *_: (0, 1),
        setup_context=_keep_dx,
        backward=_backward_dx,
    )
)

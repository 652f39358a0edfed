"""Alias-free leaky ReLU (Karras et al. 2021, section 3.2): upsample, bend, downsample.  x: [N, C, H, W].

The kernels never write the upsampled signal to memory. For a gradient they keep two bits for each of its
samples (not positive, clamped); given these, the derivative is the same pipeline with the filters exchanged,
linear, and hence its own derivative: first and second order run on the same kernel.
"""

from collections.abc import Sequence
from math import lcm

import torch
import torch.nn.functional as F
from torch import Tensor

from ops.autograd import sum_to_axis, transformed
from ops.bias_act import bias_act
from ops.library import fused
from ops.registration import Operator, call, empty_image, record
from ops.upfirdn2d import Factor, filter_size, parse_padding, upfirdn2d_ref


def filtered_lrelu(
    x: Tensor,
    fu: Tensor | None = None,
    fd: Tensor | None = None,
    b: Tensor | None = None,
    up: int = 1,
    down: int = 1,
    padding: Factor = 0,
    gain: float = 2**0.5,
    slope: float = 0.2,
    clamp: float | None = None,
    flip_filter: bool = False,
) -> Tensor:
    """Add b; upsample with fu; leaky ReLU, gain, clamp; downsample with fd.

    Args:
        x: [N, C, H, W].
        fu: float32 filter of the upsampling, [taps] or [fh, fw], or None for a single tap of 1; gain up^2.
        fd: the same of the downsampling, gain 1. Filters are constant, they must not require a gradient.
        b: [C], cast to x's dtype, or None.
        up, down: integer factors of both axes.
        padding: of the upsampled signal before fu, as in `upfirdn2d`; may be negative, which crops.
        gain: factor after the leaky ReLU.
        slope: of the leaky ReLU for negative inputs.
        clamp: largest magnitude after the gain (0 is legal), None for no limit.
        flip_filter: False convolves with both filters, True correlates.

    Returns:
        [N, C, (H*up + top + bottom - fuh - fdh + 1) // down + 1, likewise W] of x's dtype; from the
        kernels in its memory format, too.

    Raises:
        ValueError: shapes, factors or a clamp that make no sense, too small an input for the filters, or a
            filter that wants a gradient.
    """
    _check(x, fu, fd, b, up, down, padding, clamp)
    b = None if b is None else b.to(x.dtype)
    fu, fd = (None if f is None else f.float() for f in (fu, fd))
    if fu is None and fd is None and up == down == 1 and not any(parse_padding(padding)):
        return bias_act(x, b, act="lrelu", alpha=slope, gain=gain, clamp=clamp)
    if not fused(x):
        return filtered_lrelu_ref(x, fu, fd, b, up, down, padding, gain, slope, clamp, flip_filter)
    limit = -1.0 if clamp is None else clamp
    tracked = x.requires_grad or (b is not None and b.requires_grad) or transformed()
    keep = torch.is_grad_enabled() and tracked
    sides = list(parse_padding(padding))
    numbers = (gain, slope, limit, flip_filter, keep)
    return call("filtered_lrelu", x, b, fu, fd, up, down, sides, *numbers)[0]


def filtered_lrelu_ref(
    x: Tensor,
    fu: Tensor | None,
    fd: Tensor | None,
    b: Tensor | None,
    up: int,
    down: int,
    padding: Factor,
    gain: float,
    slope: float,
    clamp: float | None,
    flip_filter: bool,
) -> Tensor:
    """The definition, in plain PyTorch: any device, any order of derivative."""
    if b is not None:
        x = x + b[:, None, None]
    fu, fd = (torch.ones(1, device=x.device) if f is None else f for f in (fu, fd))
    x = upfirdn2d_ref(x, fu, up, up, 1, 1, *parse_padding(padding), flip_filter, up**2)
    x = F.leaky_relu(x, slope) * gain
    x = x if clamp is None else x.clamp(-clamp, clamp)
    return upfirdn2d_ref(x, fd, 1, 1, down, down, 0, 0, 0, 0, flip_filter, 1)


def _check(
    x: Tensor,
    fu: Tensor | None,
    fd: Tensor | None,
    b: Tensor | None,
    up: int,
    down: int,
    padding: Factor,
    clamp: float | None,
) -> None:
    if x.ndim != 4:
        raise ValueError(f"x must be [N, C, H, W]; got shape {list(x.shape)}")
    if b is not None and b.shape != (x.shape[1],):
        raise ValueError(f"b must have shape [{x.shape[1]}], the channels of x; got {list(b.shape)}")
    if up < 1 or down < 1:
        raise ValueError(f"up and down are >= 1; got {up} and {down}")
    if clamp is not None and clamp < 0:
        raise ValueError(f"clamp must be None or >= 0; got {clamp}")
    if any(f is not None and (f.ndim not in (1, 2) or f.numel() == 0) for f in (fu, fd)):
        raise ValueError("a filter has one or two non-empty dimensions")
    if any(f is not None and f.requires_grad for f in (fu, fd)):
        raise ValueError("filters are constants: fu and fd must not require a gradient")
    for size, below in zip(_middle(x, fu, up, padding), filter_size(fd), strict=True):
        if size < below or size < 1:
            raise ValueError(
                f"x of {x.shape[3]}x{x.shape[2]}, padded, is smaller than the filters {filter_size(fu)} "
                f"and {filter_size(fd)}"
            )


def _middle(x: Tensor, fu: Tensor | None, up: int, padding: Factor | Sequence[int]) -> list[int]:
    """Width and height of the upsampled signal."""
    left, right, top, bottom = parse_padding(padding)
    width, height = filter_size(fu)
    return [x.shape[3] * up + left + right - width + 1, x.shape[2] * up + top + bottom - height + 1]


def _fake(x, b, fu, fd, up, down, padding, gain, slope, clamp, flip, keep):
    middle = _middle(x, fu, up, padding)
    size = [(n - taps) // down + 1 for n, taps in zip(middle, filter_size(fd), strict=True)]
    phases = lcm(up, down)
    row = (-(-middle[0] // phases) * phases + 3) // 4  # mask_width in csrc/filtered_lrelu.h
    mask = (*x.shape[:2], middle[1], row) if keep else (0,)
    return empty_image(x, size[::-1]), x.new_empty(mask, dtype=torch.uint8)


def _keep(ctx, inputs, output):
    x, _, fu, fd, up, down, padding, gain, slope, _, flip, _ = inputs
    ctx.mark_non_differentiable(output[1])
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(output[1], fu, fd)
    ctx.size = [x.shape[3], x.shape[2]]
    ctx.options = (up, down, [padding[0], padding[2]], [0, 0], _middle(x, fu, up, padding))
    ctx.scalars = (up**2, 1, gain, slope, flip)


def _transposed(ctx, dy):
    """The transpose of the pipeline that ctx describes, applied to dy."""
    mask, fu, fd = ctx.saved_tensors
    up, down, before, skip, middle = ctx.options
    gain_up, gain_down, gain, slope, flip = ctx.scalars
    before, skip = (
        [n + taps - 1 for n, taps in zip(skip, filter_size(fd), strict=True)],
        [n - taps + 1 for n, taps in zip(before, filter_size(fu), strict=True)],
    )
    scalars = (gain_down, gain_up, gain, slope, not flip)
    return call("filtered_lrelu_masked", dy, mask, fd, fu, down, up, before, skip, middle, ctx.size, *scalars)


def _backward(ctx, dy, _):
    dx = None if dy is None else _transposed(ctx, dy)
    db = sum_to_axis(dx, 1) if dx is not None and ctx.needs_input_grad[1] else None
    return dx, db, *[None] * 10


def _keep_masked(ctx, inputs, output):
    x, mask, fu, fd, up, down, before, skip, middle, _, *scalars = inputs
    ctx.save_for_backward(mask, fu, fd)
    ctx.size = [x.shape[3], x.shape[2]]
    ctx.options = (up, down, before, skip, middle)
    ctx.scalars = tuple(scalars)


def _backward_masked(ctx, dy):
    return _transposed(ctx, dy), *[None] * 14


def _twin(x, b, fu, fd, up, down, padding, gain, slope, limit, flip, _):
    """No mask: where this serves, it is differentiated itself."""
    clamp = None if limit < 0 else limit
    y = filtered_lrelu_ref(x, fu, fd, b, up, down, padding, gain, slope, clamp, flip)
    return y, x.new_empty(0, dtype=torch.uint8)


record(
    Operator(
        "filtered_lrelu",
        fake=_fake,
        twin=_twin,
        samples=lambda *_: (0,),
        setup_context=_keep,
        backward=_backward,
    )
)
record(
    Operator(
        "filtered_lrelu_masked",
        fake=lambda x, mask, fu, fd, up, down, before, skip, middle, size, *_: empty_image(x, size[::-1]),
        twin=None,
        samples=lambda *_: (0, 1),
        setup_context=_keep_masked,
        backward=_backward_masked,
    )
)

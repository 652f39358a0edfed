"""Pad, upsample, FIR-filter, downsample: the resampling primitive of StyleGAN2 (Karras et al. 2020).

x: [N, C, H, W]. Filters are float32: [taps] (separable) or [fh, fw]. Factors are one int or (x, y);
paddings one int (all sides), (x, y), or (left, right, top, bottom), and may be negative, which crops.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import forward_ad

from ops.autograd import transformed, without_autocast
from ops.library import fused
from ops.registration import Operator, call, empty_image, record

Factor = int | Sequence[int]


def setup_filter(
    taps: Tensor | Sequence | float | None,
    normalize: bool = True,
    flip_filter: bool = False,
    gain: float = 1.0,
    separable: bool | None = None,
) -> Tensor:
    """A float32 filter for the functions below.

    Args:
        taps: 1-D or 2-D taps, one number, or None (one tap).
        normalize: divide by the sum.
        flip_filter: reverse all axes.
        gain: total gain at DC; a separable filter carries its square root per axis.
        separable: keep 1-D taps 1-D; None does so from 8 taps on. Otherwise their outer product is formed.

    Raises:
        ValueError: no taps, or more than two dimensions.
    """
    device = taps.device if isinstance(taps, Tensor) else torch.get_default_device()
    if not isinstance(
        taps, Tensor
    ):  # on the CPU: on meta, arithmetic would load much Python for a few numbers
        taps = torch.tensor(1 if taps is None else taps, dtype=torch.float32, device="cpu")
    f = taps.to(torch.float32)
    if f.ndim > 2 or f.numel() == 0:
        raise ValueError(f"a filter has one or two non-empty dimensions; got shape {list(f.shape)}")
    f = f.reshape(1) if f.ndim == 0 else f
    if separable is None:
        separable = f.ndim == 1 and f.numel() >= 8
    if f.ndim == 1 and not separable:
        f = f.outer(f)
    if normalize:
        f = f / f.sum()
    if flip_filter:
        f = f.flip(list(range(f.ndim)))
    return (f * gain ** (f.ndim / 2)).to(device)


def upfirdn2d(
    x: Tensor,
    f: Tensor | None,
    up: Factor = 1,
    down: Factor = 1,
    padding: Factor = 0,
    flip_filter: bool = False,
    gain: float = 1.0,
) -> Tensor:
    """Insert up-1 zeros after every sample, pad, filter ("valid"), keep every down-th sample.

    Args:
        x: [N, C, H, W].
        f: [taps] or [fh, fw], or None for a single tap of 1; a constant.
        up, down, padding: see the head of this file.
        flip_filter: False convolves, True correlates.
        gain: factor of the filter (separable filters get its square root per axis, so that it is >= 0 there).

    Returns:
        [N, C, (H*up_y + top + bottom - fh) // down_y + 1, likewise W], in the memory format of x.

    Raises:
        ValueError: x is not 4-D, its padded size is smaller than the filter, or f wants a gradient.
    """
    if x.ndim != 4:
        raise ValueError(f"x must be [N, C, H, W]; got shape {list(x.shape)}")
    up_x, up_y = pair(up)
    down_x, down_y = pair(down)
    left, right, top, bottom = parse_padding(padding)
    f = torch.ones(1, device=x.device) if f is None else f.float()
    if f.requires_grad:
        raise ValueError("filters are constants: f must not require a gradient")
    if f.ndim == 1 and gain < 0:
        raise ValueError(f"the gain of a separable filter is >= 0; got {gain}")
    width, height = x.shape[-1] * up_x + left + right, x.shape[-2] * up_y + top + bottom
    fw, fh = filter_size(f)
    if width < fw or height < fh:
        raise ValueError(f"padded size {width}x{height} is smaller than the filter {fw}x{fh}")
    options = (up_x, up_y, down_x, down_y, left, right, top, bottom, flip_filter, gain)
    if fused(x):
        if f.ndim == 1 and by_axis(f.numel(), x.device):
            rows = up_x, 1, down_x, 1, left, right, 0, 0, flip_filter, gain**0.5
            columns = 1, up_y, 1, down_y, 0, 0, top, bottom, flip_filter, gain**0.5
            return call("upfirdn2d", call("upfirdn2d", x, f[None, :], *rows), f[:, None], *columns)
        return call("upfirdn2d", x, f, *options)
    return upfirdn2d_ref(x, f, *options)


def upfirdn2d_ref(
    x: Tensor,
    f: Tensor,
    up_x: int,
    up_y: int,
    down_x: int,
    down_y: int,
    left: int,
    right: int,
    top: int,
    bottom: int,
    flip_filter: bool,
    gain: float,
) -> Tensor:
    """The definition, in plain PyTorch: any device, any order of derivative."""
    x = _zero_insert(x, up_x, up_y)
    inside = (top, left) if left == right >= 0 and top == bottom >= 0 else (0, 0)  # padded by the convolution
    if not any(inside) and any((left, right, top, bottom)):
        x = F.pad(x, (left, right, top, bottom))
    f = f * gain ** (f.ndim / 2)  # in float32, as published
    f = (f if flip_filter else f.flip(list(range(f.ndim)))).to(x.dtype)
    if f.ndim == 1:
        x = _correlate(x, f[None, :], (1, down_x), (0, inside[1]))
        return _correlate(x, f[:, None], (down_y, 1), (inside[0], 0))
    return _correlate(x, f, (down_y, down_x), inside)


def filter2d(
    x: Tensor, f: Tensor | None, padding: Factor = 0, flip_filter: bool = False, gain: float = 1.0
) -> Tensor:
    """Filter at constant size: [N, C, H, W] -> the same, plus the caller's padding."""
    fw, fh = filter_size(f)
    p = add_padding(padding, (fw // 2, (fw - 1) // 2, fh // 2, (fh - 1) // 2))
    return upfirdn2d(x, f, padding=p, flip_filter=flip_filter, gain=gain)


def upsample2d(
    x: Tensor,
    f: Tensor | None,
    up: Factor = 2,
    padding: Factor = 0,
    flip_filter: bool = False,
    gain: float = 1.0,
) -> Tensor:
    """Upsample: [N, C, H, W] -> [N, C, H*up, W*up]; padding in units of the result."""
    up_x, up_y = pair(up)
    p = add_padding(padding, upsample_padding(f, up))
    return upfirdn2d(x, f, up=up, padding=p, flip_filter=flip_filter, gain=gain * up_x * up_y)


def downsample2d(
    x: Tensor,
    f: Tensor | None,
    down: Factor = 2,
    padding: Factor = 0,
    flip_filter: bool = False,
    gain: float = 1.0,
) -> Tensor:
    """Downsample: [N, C, H, W] -> [N, C, H/down, W/down]; padding in units of the input."""
    p = add_padding(padding, downsample_padding(f, down))
    return upfirdn2d(x, f, down=down, padding=p, flip_filter=flip_filter, gain=gain)


def by_axis(taps: int, device: torch.device) -> bool:
    """Whether a separable filter is applied to rows, then to columns, by two calls of the kernel.

    The kernels of the CPU do so within one; those of CUDA only for 12 taps, and multiply by the outer
    product of all others: 3,721 products for 61 taps instead of 122.
    """
    return device.type == "cuda" and taps > 12


def pair(factor: Factor) -> tuple[int, int]:
    """(x, y) from one int or two; ValueError below 1."""
    x, y = (factor, factor) if isinstance(factor, int) else factor
    if x < 1 or y < 1:
        raise ValueError(f"resampling factors are >= 1; got {factor}")
    return x, y


def parse_padding(padding: Factor) -> tuple[int, int, int, int]:
    """(left, right, top, bottom) from one int, (x, y) or four."""
    if isinstance(padding, int):
        return (padding,) * 4
    if len(padding) == 2:
        return padding[0], padding[0], padding[1], padding[1]
    left, right, top, bottom = padding
    return left, right, top, bottom


def add_padding(padding: Factor, extra: Sequence[int]) -> tuple[int, int, int, int]:
    """The caller's padding plus (left, right, top, bottom)."""
    left, right, top, bottom = (p + e for p, e in zip(parse_padding(padding), extra, strict=True))
    return left, right, top, bottom


def filter_size(f: Tensor | None) -> tuple[int, int]:
    """(width, height) in taps."""
    return (1, 1) if f is None else (f.shape[-1], f.shape[0])


def upsample_padding(f: Tensor | None, up: Factor) -> tuple[int, int, int, int]:
    """Padding of the zero-inserted signal that keeps `upsample2d` centred."""
    (fw, fh), (up_x, up_y) = filter_size(f), pair(up)
    return (fw + up_x - 1) // 2, (fw - up_x) // 2, (fh + up_y - 1) // 2, (fh - up_y) // 2


def downsample_padding(f: Tensor | None, down: Factor) -> tuple[int, int, int, int]:
    """Padding of the input that keeps `downsample2d` centred."""
    (fw, fh), (down_x, down_y) = filter_size(f), pair(down)
    return (fw - down_x + 1) // 2, (fw - down_x) // 2, (fh - down_y + 1) // 2, (fh - down_y) // 2


def _zero_insert(x: Tensor, up_x: int, up_y: int) -> Tensor:
    if up_x == 1 and up_y == 1:
        return x
    n, c, h, w = x.shape
    x = F.pad(x.reshape(n, c, h, 1, w, 1), (0, up_x - 1, 0, 0, 0, up_y - 1))
    return x.reshape(n, c, h * up_y, w * up_x)


def _correlate(x: Tensor, f: Tensor, stride: tuple[int, int], padding: tuple[int, int]) -> Tensor:
    """Every channel with the same filter [fh, fw]; stride and padding are (y, x)."""
    if transformed() or forward_ad._current_level >= 0:  # which differentiate the convolution themselves
        return _depthwise(F.conv2d, x, f, stride, padding, 1)
    return _Correlation.apply(x, f, stride, padding)


class _Correlation(torch.autograd.Function):
    """y = conv2d(x, f) per channel, linear in x; f is constant.

    Its derivatives of any order are itself and its adjoint. Left to autograd, the second one would compute
    the gradient of the filter as well, channel by channel, only to drop it.
    """

    @staticmethod
    def forward(ctx, x: Tensor, f: Tensor, stride: tuple[int, int], padding: tuple[int, int]) -> Tensor:
        ctx.save_for_backward(f)
        ctx.stride, ctx.padding, ctx.size = stride, padding, x.shape[2:]
        return _depthwise(F.conv2d, x, f, stride, padding, 1)

    @staticmethod
    def backward(ctx, dy: Tensor):
        (f,) = ctx.saved_tensors
        return _Adjoint.apply(dy, f, ctx.stride, ctx.padding, ctx.size), None, None, None


class _Adjoint(torch.autograd.Function):
    """The transpose of `_Correlation`: back to inputs of `size`."""

    @staticmethod
    def forward(
        ctx, dy: Tensor, f: Tensor, stride: tuple[int, int], padding: tuple[int, int], size: torch.Size
    ) -> Tensor:
        ctx.save_for_backward(f)
        ctx.stride, ctx.padding = stride, padding
        missing = [
            size[i] + 2 * padding[i] - (dy.shape[2 + i] - 1) * stride[i] - f.shape[i] for i in range(2)
        ]
        return _depthwise(F.conv_transpose2d, dy, f, stride, padding, missing)

    @staticmethod
    def backward(ctx, g: Tensor):
        (f,) = ctx.saved_tensors
        return _Correlation.apply(g, f, ctx.stride, ctx.padding), None, None, None, None


def _depthwise(convolve: Callable[..., Tensor], x: Tensor, f: Tensor, *options: Any) -> Tensor:
    """Every channel convolved with f in the type of x, whatever autocast would make of it."""
    weight, channels = f.to(x.dtype).expand(x.shape[1], 1, -1, -1), x.shape[1]
    with without_autocast(x):
        return convolve(x, weight, None, *options, channels)


def _fake(x, f, up_x, up_y, down_x, down_y, left, right, top, bottom, *_):
    fw, fh = filter_size(f)
    height = (x.shape[2] * up_y + top + bottom - fh) // down_y + 1
    width = (x.shape[3] * up_x + left + right - fw) // down_x + 1
    return empty_image(x, (height, width))


def _keep(ctx, inputs, output):
    x, f, *ctx.options = inputs
    ctx.save_for_backward(f)
    ctx.size = x.shape[2:]


def _backward(ctx, dy):
    """The adjoint: the same operator with up and down exchanged and the filter turned round."""
    (f,) = ctx.saved_tensors
    up_x, up_y, down_x, down_y, left, _, top, _, flip_filter, gain = ctx.options
    fw, fh = filter_size(f)
    left, top = fw - 1 - left, fh - 1 - top
    right = up_x * (ctx.size[1] - 1) + fw - dy.shape[3] * down_x - left
    bottom = up_y * (ctx.size[0] - 1) + fh - dy.shape[2] * down_y - top
    dx = call("upfirdn2d", dy, f, down_x, down_y, up_x, up_y, left, right, top, bottom, not flip_filter, gain)
    return dx, *[None] * 11


record(
    Operator(
        "upfirdn2d",
        fake=_fake,
        twin=upfirdn2d_ref,
        samples=lambda *_: (0,),
        setup_context=_keep,
        backward=_backward,
    )
)

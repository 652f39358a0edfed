"""Convolution with resampling built in (Karras et al. 2020, section 2 and appendix B)."""

import torch.nn.functional as F
from torch import Tensor

from ops.upfirdn2d import (
    Factor,
    add_padding,
    downsample_padding,
    parse_padding,
    upfirdn2d,
    upsample_padding,
)


def conv2d_resample(
    x: Tensor,
    w: Tensor,
    f: Tensor | None = None,
    up: int = 1,
    down: int = 1,
    padding: Factor = 0,
    groups: int = 1,
    flip_weight: bool = True,
    flip_filter: bool = False,
) -> Tensor:
    """Upsample by `up`, convolve, downsample by `down`; all padding is added once, at the start.

    Defined as: zero-insert, pad, filter with f * up^2, convolve with w, filter with f, decimate. Filters
    and convolutions commute, so the cheapest order is taken.

    Args:
        x: [N, in, H, W].
        w: [out, in/groups, kh, kw].
        f: low-pass filter of `setup_filter`, or None.
        up, down: integer factors.
        padding: relative to the upsampled image; with `kernel // 2` the result is H*up/down high.
        groups: channel groups.
        flip_weight: True correlates (what deep learning calls convolution), False convolves.
        flip_filter: as in `upfirdn2d`.
    """
    p = parse_padding(padding)
    if up > 1:
        p = add_padding(p, upsample_padding(f, up))
    if down > 1:
        p = add_padding(p, downsample_padding(f, down))
    kh, kw = w.shape[2:]
    if up > 1 and kh == kw == 1 and down == 1:  # small images through the convolution, then enlarge
        x = F.conv2d(x, w, groups=groups)
        return upfirdn2d(x, f, up=up, padding=p, gain=up**2, flip_filter=flip_filter)
    if up > 1:
        x = _transposed(x, w, up, groups, flip_weight)
        p = add_padding(p, (1 - kw, up - kw, 1 - kh, up - kh))
        x = upfirdn2d(x, f, padding=p, gain=up**2, flip_filter=flip_filter)
        return x if down == 1 else upfirdn2d(x, f, down=down, flip_filter=flip_filter)
    w = w if flip_weight else w.flip([2, 3])
    if down > 1 and kh == kw == 1:
        return F.conv2d(upfirdn2d(x, f, down=down, padding=p, flip_filter=flip_filter), w, groups=groups)
    if down > 1:
        x = upfirdn2d(x, f, padding=p, flip_filter=flip_filter)
        return F.conv2d(x, w, stride=down, groups=groups)
    if p[0] == p[1] >= 0 and p[2] == p[3] >= 0:
        return F.conv2d(x, w, padding=(p[2], p[0]), groups=groups)
    return F.conv2d(F.pad(x, p), w, groups=groups)


def _transposed(x: Tensor, w: Tensor, up: int, groups: int, flip_weight: bool) -> Tensor:
    """Full convolution of the zero-inserted image: [N, out, (H-1)*up + kh, (W-1)*up + kw]."""
    out, in_per_group, kh, kw = w.shape
    w = w.flip([2, 3]) if flip_weight else w
    w = w.reshape(groups, out // groups, in_per_group, kh, kw).transpose(1, 2)
    return F.conv_transpose2d(x, w.reshape(-1, out // groups, kh, kw), stride=up, groups=groups)

"""Ways through latent space: lines, great circles, walks.  Every function leaves its arguments as they were.

Letters: D latent size, K keyframes, T frames.
"""

from typing import Literal

import torch
from torch import Tensor

from gan.errors import UsageError


def lerp(a: Tensor, b: Tensor, t: Tensor | float) -> Tensor:
    """Straight line a + t * (b - a). a, b: [..., D]; t: number, or a tensor that broadcasts against them."""
    return torch.lerp(a, b, t)


def slerp(a: Tensor, b: Tensor, t: Tensor | float) -> Tensor:
    """Great circle from a to b at constant speed (Shoemake 1985), as unit vectors.

    a, b: [..., D], both normalised first; t: number, or a tensor that broadcasts against them.
    With d the unit vector of b's part orthogonal to a, and theta the angle between them:
    a * cos(t * theta) + d * sin(t * theta), normalised. Equal directions give that direction; exactly
    opposite ones have no unique great circle and give plus or minus a.
    """
    a, b = _unit(a), _unit(b)
    dot = (a * b).sum(-1, keepdim=True)  # [..., 1]
    rest = b - dot * a  # orthogonal to a, length sin(theta)
    theta = torch.atan2(rest.norm(dim=-1, keepdim=True), dot)  # [..., 1], accurate for small angles too
    return _unit(a * torch.cos(t * theta) + _unit(rest) * torch.sin(t * theta))


def walk(
    keyframes: Tensor, steps: int, loop: bool = True, kind: Literal["linear", "spherical"] = "linear"
) -> Tensor:
    """Frames along keyframes, `steps` frames from each keyframe (inclusive) to the next (exclusive).

    keyframes: [K, ..., D]. loop: also walk from the last keyframe to the first, so that a repeated video has
    no jump: T = K * steps; else it stops at the last keyframe: T = (K - 1) * steps + 1.
    kind: 'linear' for ws; 'spherical' for z, direction by `slerp` over the last axis and length by `lerp`,
    because the middle of a straight line between normal vectors is too short to look like a sample.
    Returns [T, ..., D]; frame i * steps is keyframe i. UsageError for no keyframes, steps < 1, unknown kind.
    """
    if keyframes.shape[0] == 0 or steps < 1:
        raise UsageError(
            f"cannot walk {keyframes.shape[0]} keyframes in {steps} steps; give at least one of each"
        )
    if kind not in ("linear", "spherical"):
        raise UsageError(f"unknown kind of walk '{kind}'; use linear or spherical")
    following = keyframes.roll(-1, dims=0)
    if not loop:
        keyframes, following, last = keyframes[:-1], following[:-1], keyframes[-1:]
    t = torch.arange(steps, dtype=keyframes.dtype, device=keyframes.device) / steps
    t = t.view(1, steps, *[1] * (keyframes.ndim - 1))  # [1, steps, 1, ...]
    a, b = keyframes[:, None], following[:, None]  # [K, 1, ..., D]
    frames = lerp(a, b, t)
    if kind == "spherical":
        length = lerp(a.norm(dim=-1, keepdim=True), b.norm(dim=-1, keepdim=True), t)
        frames = slerp(a, b, t) * length
    frames = frames.flatten(0, 1)  # [T, ..., D]
    return frames if loop else torch.cat([frames, last])


def _unit(x: Tensor) -> Tensor:
    """x / |x| over the last axis; zero stays zero."""
    return x / x.norm(dim=-1, keepdim=True).clamp_min(torch.finfo(x.dtype).tiny)

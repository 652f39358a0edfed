"""Ways through latent space: lines, great circles, splines.  Every function leaves its arguments alone.

Letters: D latent size, L layers, K keyframes, T frames.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from gan.errors import UsageError, unknown

Kind = Literal["linear", "spherical", "cubic"]
KINDS = ("linear", "spherical", "cubic")


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


def cubic(before: Tensor, a: Tensor, b: Tensor, after: Tensor, t: Tensor | float) -> Tensor:
    """From a to b on the spline of Catmull and Rom (1974): the slope at each is half the way across it.

    before, a, b, after: [..., D], four keyframes in a row. t: number, or a tensor that broadcasts.
    With m = (b - before) / 2 and n = (after - a) / 2, Hermite's
    (2t^3 - 3t^2 + 1) a + (t^3 - 2t^2 + t) m + (3t^2 - 2t^3) b + (t^3 - t^2) n.
    """
    m, n = (b - before) / 2, (after - a) / 2
    t2, t3 = t * t, t * t * t
    return (2 * t3 - 3 * t2 + 1) * a + (t3 - 2 * t2 + t) * m + (3 * t2 - 2 * t3) * b + (t3 - t2) * n


def along(
    keyframes: Tensor,
    times: Tensor,
    *,
    kind: Kind = "linear",
    loop: bool = True,
    keep_length: bool = False,
) -> Tensor:
    """Points of a path through keyframes at any times -> [T, ..., D]; time k is keyframe k, to the bit.

    keyframes: [K, ..., D]. times: [T]; or [T, L] for keyframes [K, L, D], where each layer has its own times.
    loop: the path goes on from the last keyframe to the first, and times count on beyond K and below 0; else
    it ends at both, and times beyond stay there.
    kind: linear; spherical, direction by `slerp` over the last axis and length by `lerp`, because the middle
    of a straight line between normal vectors is too short to look like a sample; cubic, the smooth way of
    `cubic`, which at an open end goes on as if mirrored there.
    keep_length: of a cubic way, take the lengths of the spherical one: for z.
    Raises UsageError for no keyframes, an unknown kind, and times that do not fit.
    """
    if kind not in KINDS:
        raise UsageError(unknown("kind of path", kind, KINDS))
    if not len(keyframes) or times.ndim > 2 or (times.ndim == 2 and times.shape[1:] != keyframes.shape[1:2]):
        raise UsageError(
            f"cannot go through keyframes {list(keyframes.shape)} at times {list(times.shape)}; "
            "give one keyframe or more, and times [T] or [T, layers]"
        )
    count = len(keyframes)
    times = times.to(keyframes.device, torch.float64)
    times = times % count if loop else times.clamp(0, count - 1)
    index = times.floor().long()
    t = (times - index).to(keyframes.dtype)
    t = t.view(*t.shape, *[1] * (keyframes.ndim - t.ndim))  # [T, 1, ..., 1]
    a, b = (_keyframe(keyframes, index, step, loop) for step in (0, 1))
    if kind == "linear":
        frames = lerp(a, b, t)
    elif kind == "spherical":
        frames = slerp(a, b, t) * _length(a, b, t)
    else:
        before, after = (_keyframe(keyframes, index, step, loop) for step in (-1, 2))
        frames = cubic(before, a, b, after, t)
        if keep_length:
            frames = _unit(frames) * _length(a, b, t)
    return torch.where(t == 0, a, frames)


def frame_times(
    count: int, steps: int, *, loop: bool = True, speeds: Sequence[float] | None = None
) -> Tensor:
    """Times of `along`, float64: `steps` frames from each of `count` keyframes to the next.

    loop: T = count * steps, as a repeated video begins again by itself; else T = (count - 1) * steps + 1.
    speeds: None for [T]; or one for each layer, for [T, L]: at speed 2 a layer is at keyframe 2 when those at
    speed 1 are at keyframe 1, at speed 0 it stays at keyframe 0. A loop takes whole speeds, which close it.
    Raises UsageError for no keyframes, steps < 1, and speeds that are negative or do not close a loop.
    """
    if count < 1 or steps < 1:
        raise UsageError(f"cannot walk {count} keyframes in {steps} steps; give at least one of each")
    total = count * steps if loop else (count - 1) * steps + 1
    times = torch.arange(total, dtype=torch.float64) / steps
    if speeds is None:
        return times
    for speed in speeds:
        if not 0 <= speed < float("inf") or (loop and speed != int(speed)):
            needed = "whole numbers from 0 on, so that the loop closes" if loop else "numbers from 0 on"
            raise UsageError(f"speed {speed:g} of a layer: give {needed}")
    return times[:, None] * torch.tensor(list(speeds), dtype=torch.float64)  # [T, L]


def walk(
    keyframes: Tensor,
    steps: int,
    loop: bool = True,
    kind: Kind = "linear",
    *,
    speeds: Sequence[float] | None = None,
    keep_length: bool = False,
) -> Tensor:
    """Frames along keyframes, `steps` frames from each keyframe (inclusive) to the next (exclusive).

    keyframes: [K, ..., D]. Returns [T, ..., D]; frame i * steps is keyframe i. The rest as `along` and
    `frame_times` have it; those give the frames of a long walk part by part.
    """
    times = frame_times(len(keyframes), steps, loop=loop, speeds=speeds)
    return along(keyframes, times, kind=kind, loop=loop, keep_length=keep_length)


def _keyframe(keyframes: Tensor, index: Tensor, step: int, loop: bool) -> Tensor:
    """The keyframe `step` places after each of index [T] or [T, L]; past an open end, mirrored there."""
    count, wanted = len(keyframes), index + step
    if loop:
        return _picked(keyframes, wanted % count)
    inside = wanted.clamp(0, count - 1)
    found = _picked(keyframes, inside)
    if step in (0, 1):
        return found
    mirrored = _picked(keyframes, (2 * inside - wanted).clamp(0, count - 1))
    beyond = (wanted != inside).view(*wanted.shape, *[1] * (keyframes.ndim - wanted.ndim))
    return torch.where(beyond, 2 * found - mirrored, found)


def _picked(keyframes: Tensor, index: Tensor) -> Tensor:
    """keyframes[index] for [T]; layer by layer for [T, L]."""
    if index.ndim == 1:
        return keyframes[index]
    return keyframes[index, torch.arange(keyframes.shape[1], device=index.device)]


def _length(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Lengths between those of a and b, [..., 1]."""
    return lerp(a.norm(dim=-1, keepdim=True), b.norm(dim=-1, keepdim=True), t)


def _unit(x: Tensor) -> Tensor:
    """x / |x| over the last axis; zero stays zero."""
    return x / x.norm(dim=-1, keepdim=True).clamp_min(torch.finfo(x.dtype).tiny)

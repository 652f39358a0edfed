"""Latents from seeds, and pure edits of latents: truncate, mix, interpolate, walk.

Letters: N samples, L style inputs (layers) of the synthesis network, D latent size, K keyframes, T frames.
z is [N, D], standard normal; ws is [N, L, D]. Every function is pure: its arguments stay as they were.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from gan.errors import UsageError

MAX_SEED = 2**32 - 1
_MAX_SEEDS = 1_000_000  # per list: beyond it, a range is a typing error


def z_from_seeds(seeds: Sequence[int], z_dim: int) -> Tensor:
    """Latents by seed -> float32 [N, z_dim] on the CPU, rows standard normal.

    Row i is `numpy.random.RandomState(seeds[i]).randn(z_dim)` rounded to float32: one legacy Mersenne Twister
    per seed, whose stream NumPy has frozen (NEP 19). This is the field's meaning of "seed 7", so seeds agree
    with published ones, and no row depends on the others.
    Raises UsageError for a seed outside [0, 2**32 - 1].
    """
    rows = [np.random.RandomState(checked_seed(seed)).randn(z_dim) for seed in seeds]
    return torch.from_numpy(np.array(rows, dtype=np.float32).reshape(len(rows), z_dim))


def checked_seed(seed: int) -> int:
    """The seed itself. Raises UsageError unless it is in [0, 2**32 - 1], what NumPy's generators take."""
    if not 0 <= seed <= MAX_SEED:
        raise UsageError(f"seed {seed} is out of range; use 0 to {MAX_SEED}")
    return seed


def parse_seeds(text: str) -> list[int]:
    """'0-3,8' -> [0, 1, 2, 3, 8]: numbers and inclusive ranges, in the order written.

    Raises UsageError for anything else, for seeds outside [0, 2**32 - 1] and for more than a million seeds.
    """
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = (piece.strip() for piece in part.partition("-"))
        if not _is_number(first) or (dash and not _is_number(last)):
            raise UsageError(
                f"seeds '{text}': '{part.strip()}' is no number or range; write for example 0-63 or 1,5,8-10"
            )
        start, stop = checked_seed(int(first)), checked_seed(int(last) if dash else int(first))
        if stop < start:
            raise UsageError(
                f"seeds '{text}': the range '{part.strip()}' runs backwards; write {stop}-{start}"
            )
        if len(seeds) + stop - start >= _MAX_SEEDS:
            raise UsageError(
                f"seeds '{text}': more than {_MAX_SEEDS} seeds; split the work into shorter ranges"
            )
        seeds.extend(range(start, stop + 1))
    return seeds


def truncate(ws: Tensor, w_avg: Tensor, psi: float, cutoff: int | None = None) -> Tensor:
    """Truncation trick (Karras et al. 2019, appendix B): w_avg + psi * (w - w_avg) before layer `cutoff`.

    ws: [N, L, D]. w_avg: [D]. psi: 1 changes nothing, 0 gives the average, above 1 exaggerates.
    cutoff: number of layers that are changed, None for all. Returns [N, L, D].
    """
    layers = torch.arange(ws.shape[1], device=ws.device)
    changed = layers < (ws.shape[1] if cutoff is None else cutoff)  # [L]
    return torch.where(changed[:, None], torch.lerp(w_avg.to(ws), ws, psi), ws)


def mix(ws_a: Tensor, ws_b: Tensor, start: int, stop: int | None = None) -> Tensor:
    """Style mixing (Karras et al. 2019, section 3.1): layers [start, stop) from b, the others from a.

    ws_a, ws_b: [N, L, D], or N = 1 for one of them (broadcast). stop: None for L. Returns [N, L, D].
    Raises UsageError unless 0 <= start <= stop <= L.
    """
    count = ws_a.shape[1]
    stop = count if stop is None else stop
    if not 0 <= start <= stop <= count:
        raise UsageError(f"cannot mix layers [{start}, {stop}) of {count}; use 0 <= start <= stop <= {count}")
    layers = torch.arange(count, device=ws_a.device)
    from_b = (layers >= start) & (layers < stop)  # [L]
    return torch.where(from_b[:, None], ws_b, ws_a)


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


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()

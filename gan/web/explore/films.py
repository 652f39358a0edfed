"""The frames of a path through keyframes: styles, placement and directions between them.

Letters: K keyframes, T frames, C channels, H rows, W columns.
"""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from gan.errors import UsageError
from gan.latents import walk
from gan.web.explore.renderer import Renderer
from gan.web.explore.state import View


def count(view: View) -> int:
    """How many frames the path of a view has. UsageError for fewer than two keyframes."""
    keyframes = len(view.keyframes)
    if keyframes < 2:
        raise UsageError("a path needs two keyframes or more: add the picture with + Keyframe")
    return keyframes * view.steps if view.loop else (keyframes - 1) * view.steps + 1


def frames(renderer: Renderer, view: View) -> Iterator[Tensor]:
    """Pictures uint8 [C, H, W] along the keyframes of a view; frame i * steps is that of keyframe i.

    Noise is that of the first keyframe throughout, so that it does not flicker.
    """
    count(view)
    return _styled(renderer, view) if renderer.styled else _plain(renderer, view)


def _styled(renderer: Renderer, view: View) -> Iterator[Tensor]:
    points, first = view.keyframes, view.keyframes[0]
    ws = torch.cat([renderer.ws(point) for point in points])  # [K, L, D]
    most = max(len(point.amounts) for point in points)
    rows = [(*p.shift, p.turn, *p.amounts, *[0.0] * (most - len(p.amounts))) for p in points]
    straight = "linear" if view.kind == "spherical" else view.kind
    numbers = walk(torch.tensor(rows, dtype=torch.float64), view.steps, view.loop, straight)
    for w, (x, y, turn, *amounts) in zip(
        walk(ws, view.steps, view.loop, view.kind), numbers.tolist(), strict=True
    ):
        point = replace(first, shift=(x, y), turn=turn, amounts=tuple(amounts))
        yield renderer.synthesised(w[None], point)


def _plain(renderer: Renderer, view: View) -> Iterator[Tensor]:
    z = torch.cat([renderer.z(point) for point in view.keyframes])
    kind = "cubic" if view.kind == "cubic" else "spherical"  # in z a straight line leaves the sphere
    path = walk(z, view.steps, view.loop, kind, keep_length=True)  # [T, D]
    conditions = [renderer.condition(point) for point in view.keyframes]
    blended = None if conditions[0] is None else walk(torch.cat(conditions), view.steps, view.loop)
    for i, row in enumerate(path):
        yield renderer.plain(row[None], None if blended is None else blended[i : i + 1])

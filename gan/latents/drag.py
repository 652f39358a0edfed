"""Drag Your GAN (Pan et al. 2023): w changes until what lies at handle points lies at target points.

Each step moves the features around every handle a small way towards its target (motion supervision, eq. 1)
and then looks for where the handle has gone (point tracking, eq. 2), both on a feature map F of the synthesis
network, sampled bilinearly.

    for step in drag(generator, ws, torch.tensor([[12.0, 20.0]]), torch.tensor([[20.0, 20.0]])):
        print(step.number, step.distance)

A mask says what may move: outside of it features are kept what they were (eq. 1, the second term). Means
stand where the paper has sums, of places and channels, and of channels and what is kept.

Points are (x, y) in pixels of the image, x to the right and y down; (0, 0) is the centre of the first pixel.
Letters: L style layers, D latent size, P points, Q places around each, C channels, H rows, W columns.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan import shapes
from gan.errors import UsageError
from gan.latents.abilities import require_styles
from gan.latents.features import feature_layers
from gan.latents.inner import output_of

FINEST = 128  # level of the feature map at most: that after the 6th block, as in section 4
PICTURE = 512  # side of the images that the paper's radii belong to


@dataclass(frozen=True, kw_only=True)
class Settings:
    """steps: at most.  learning_rate: of Adam, in units of w.  layers: how many of ws change, the first ones.

    supervised, tracked: radii r1 and r2 in pixels of a picture of 512, in smaller ones as many less, and one
    at least.  near: distance in pixels at which a handle has arrived.  kept: lambda of eq. 1, the weight of
    what lies outside the mask; the paper's 20, which weighs sums, would let nothing move here.
    """

    steps: int = 300
    learning_rate: float = 2e-3
    layers: int = 6
    supervised: float = 3.0
    tracked: float = 12.0
    near: float = 1.0
    kept: float = 3.0


@dataclass(frozen=True)
class Step:
    """number: from 0, before any change.  ws: [1, L, D].  handles: [P, 2].  distance: the largest left."""

    number: int
    ws: Tensor
    handles: Tensor
    distance: float


def drag(
    generator: nn.Module,
    ws: Tensor,
    handles: Tensor,
    targets: Tensor,
    settings: Settings | None = None,
    noise: Literal["const", "none"] = "const",
    mask: Tensor | None = None,
) -> Iterator[Step]:
    """Steps until every handle [P, 2] is at its target [P, 2], or the steps are used up.

    ws: [1, L, D], left as it is. mask: bool [H, W], where the image may change; None for all of it. Closing
    the iterator ends the work. Raises UsageError for a generator without styles, for points that are no pairs
    or lie outside the image, and for a mask of another size, or under which nothing may move.
    """
    require_styles(generator, "dragged")
    settings = settings or Settings()
    _check(generator, handles, targets, mask)
    handles, targets = handles.to(ws), targets.to(ws)
    features = Features(generator, noise)
    moving = ws[:, : settings.layers].detach().clone().requires_grad_()
    rest = ws[:, settings.layers :].detach()
    adam = torch.optim.Adam([moving], lr=settings.learning_rate)
    near, wide = (around(r, features.side, ws) for r in (settings.supervised, settings.tracked))
    with torch.no_grad():
        first = features(ws)
        before = first.at(handles[:, None])  # [P, 1, C]: what the handles look like
        fixed = None if mask is None else first.outside(mask)
    for number in range(settings.steps + 1):
        left = targets - handles
        distance = float(left.norm(dim=1).max())
        yield Step(number, torch.cat([moving, rest], dim=1).detach().clone(), handles.clone(), distance)
        if distance <= settings.near or number == settings.steps:
            return
        way = left / left.norm(dim=1, keepdim=True).clamp_min(1)  # [P, 2], never beyond the target
        adam.zero_grad()
        now = features(torch.cat([moving, rest], dim=1))
        loss = motion(now, handles, way, near)
        if fixed is not None:
            loss = loss + settings.kept * changed(now, first, fixed)
        loss.backward()
        adam.step()
        with torch.no_grad():
            handles = tracked(features(torch.cat([moving, rest], dim=1)), handles, before, wide)


def motion(features: "Map", handles: Tensor, way: Tensor, near: Tensor) -> Tensor:
    """Motion supervision (eq. 1): |F(q) - F(q + d)| over the places q around handles, F(q) held fixed.

    handles, way: [P, 2]. near: [Q, 2], offsets. The mean over places and channels, where the paper has sums.
    """
    places = handles[:, None] + near  # [P, Q, 2]
    return F.l1_loss(features.at(places + way[:, None]), features.at(places).detach())


def changed(features: "Map", first: "Map", fixed: Tensor) -> Tensor:
    """What moves outside the mask (eq. 1): |F - F0| (1 - M), the mean over channels and over 1 - M.

    fixed: 1 - M, [H, W] of the map, 0 to 1.
    """
    apart = (features.values - first.values).abs().mean(dim=0)  # [H, W]
    return (apart * fixed).sum() / fixed.sum().clamp_min(torch.finfo(fixed.dtype).tiny)


def tracked(features: "Map", handles: Tensor, before: Tensor, wide: Tensor) -> Tensor:
    """Point tracking (eq. 2): the places around handles [P, 2] that look most like `before` [P, 1, C]."""
    places = handles[:, None] + wide  # [P, Q, 2]
    far = (features.at(places) - before).abs().sum(dim=2)  # [P, Q]
    return places[torch.arange(len(places), device=places.device), far.argmin(dim=1)]


def around(radius: float, side: int, like: Tensor) -> Tensor:
    """Whole pixels in a square around 0 [Q, 2], the nearest first; radius: in a picture of PICTURE."""
    reach = max(1, round(radius * min(1.0, side / PICTURE)))
    axis = torch.arange(-reach, reach + 1, device=like.device, dtype=like.dtype)
    offsets = torch.cartesian_prod(axis, axis)
    return offsets[offsets.square().sum(dim=1).sort(stable=True).indices]


@dataclass(frozen=True)
class Map:
    """A feature map [C, H, W].  covered: rows and columns that the image shows of it; size: of the image."""

    values: Tensor
    covered: tuple[float, float]
    size: tuple[int, int]

    def at(self, places: Tensor) -> Tensor:
        """Features [P, Q, C] at places [P, Q, 2] in pixels of the image, between which they are bilinear."""
        grid = []
        for axis, place in ((1, places[..., 0]), (0, places[..., 1])):
            shown = self.covered[axis] / self.values.shape[1 + axis]
            grid.append(((place + 0.5) / self.size[axis] * 2 - 1) * shown)
        sampled = F.grid_sample(
            self.values[None], torch.stack(grid, dim=-1)[None], padding_mode="border", align_corners=False
        )
        return sampled[0].permute(1, 2, 0)

    def outside(self, mask: Tensor) -> Tensor:
        """How much of each place of the map a mask, bool [H, W] of the image, leaves out: 0 to 1, [H, W].

        Beyond the image its border goes on.
        """
        rows, columns = (round(size) for size in self.covered)
        left_out = (~mask).to(self.values)[None, None]
        inside = F.interpolate(left_out, (rows, columns), mode="area")
        down, across = self.values.shape[1] - rows, self.values.shape[2] - columns
        margins = (across // 2, across - across // 2, down // 2, down - down // 2)
        return F.pad(inside, margins, mode="replicate")[0, 0]


class Features:
    """ws [1, L, D] -> `Map` of the last block up to level FINEST, and up to half the resolution."""

    def __init__(self, generator: nn.Module, noise: Literal["const", "none"]) -> None:
        self.synthesis, self.noise = generator.synthesis, noise
        _, *size = generator.image_shape
        self.size, self.side = (size[0], size[1]), max(size)
        finest = min(FINEST, generator.resolution // 2)
        levels = {name: generator.synthesis.get_submodule(name).level for name in feature_layers(generator)}
        self.name = [name for name, level in levels.items() if level <= finest][-1]
        self.covered = shapes.size_at(generator.config.base, levels[self.name])

    def __call__(self, ws: Tensor) -> Map:
        output = output_of(self.synthesis, self.name, ws, self.noise)
        values = output[0] if isinstance(output, tuple) else output
        return Map(values[0].float(), self.covered, self.size)


def _check(generator: nn.Module, handles: Tensor, targets: Tensor, mask: Tensor | None) -> None:
    _, height, width = generator.image_shape
    if mask is not None and (mask.shape != (height, width) or mask.dtype != torch.bool):
        raise UsageError(f"a mask is {mask.dtype} {list(mask.shape)}: give bool [{height}, {width}]")
    if mask is not None and not mask.any():
        raise UsageError("nothing may move under this mask: it is False everywhere")
    if handles.shape != targets.shape or handles.ndim != 2 or handles.shape[1] != 2 or not len(handles):
        raise UsageError(
            f"handles {list(handles.shape)} and targets {list(targets.shape)}: give [P, 2] of both"
        )
    points = torch.cat([handles, targets])
    if not (((points >= -0.5) & (points <= torch.tensor([width, height]) - 0.5)).all()):
        raise UsageError(f"a point lies outside the picture of {width}x{height} pixels")

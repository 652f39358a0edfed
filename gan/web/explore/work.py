"""The jobs of a tab by name: what it asked for -> the renderer, or functions of `gan.jobs` -> a frame."""

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gan.errors import UsageError
from gan.images import grid
from gan.jobs import neighbours, video
from gan.latents import drag
from gan.web.explore import films, saving, state
from gan.web.explore.projecting import projected
from gan.web.explore.saving import encoded
from gan.web.explore.tab import Frame, Job, Say, Stopped, Tab
from metrics.networks import Networks
from training.data.images import open_dataset

TOLD = 8  # a frame or step in so many is shown meanwhile
MOST_PAIRS = 16
NEAREST = 6  # training images that are shown
LARGEST = 1e6  # of a number that is asked for
MEDIA = {".gif": "image/gif", ".webp": "image/webp", ".mp4": "video/mp4"}


def film(tab: Tab, asked: Mapping[str, Any], say: Say) -> Frame:
    """view, suffix: a path through keyframes -> a video."""
    view, suffix = state.view(asked.get("view")), asked.get("suffix")
    if suffix not in video.VIDEOS:
        raise UsageError(f"a video is one of {', '.join(video.VIDEOS)}")
    total, renderer = films.count(view), tab.models[0].renderer

    def told() -> Iterator[Tensor]:
        for i, frame in enumerate(films.frames(renderer, view)):
            say(i / total, f"frame {i + 1} of {total}", None if i % TOLD else frame, {})
            yield frame

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / f"path{suffix}"
        video.check_writable(out)
        note = saving.note(tab.models[0], view)
        video.write_video(out, video.enlarged(told(), None), view.fps, note=note)
        return {"name": out.name, "type": MEDIA[suffix], "words": f"{total} frames"}, out.read_bytes()


def dragged(tab: Tab, asked: Mapping[str, Any], say: Say) -> Frame:
    """point, pairs, rate, area: handles are dragged to their targets -> the point with the styles found."""
    renderer, point = tab.models[0].renderer, state.point(asked.get("point"))
    pairs, rate = _pairs(asked.get("pairs")), _number(asked.get("rate"), "rate")
    if point.shift != (0.0, 0.0) or point.turn:
        raise UsageError(
            "points are dragged where the picture has its own place: bring it back to the middle"
        )
    settings = drag.Settings(learning_rate=rate)
    noise = "none" if point.noise == "none" else "const"
    ws, first, step = renderer.ws(point).clone(), 0.0, None
    mask = _mask(asked.get("area"), renderer.generator.image_shape)
    steps = drag.drag(renderer.generator, ws, pairs[:, :2], pairs[:, 2:], settings, noise, mask)
    with contextlib.suppress(Stopped):  # what is reached by then is the result
        for step in steps:
            first = max(first, step.distance)
            shown = None if step.number % TOLD else renderer.synthesised(step.ws, replace(point, amounts=()))
            share = max(1 - step.distance / first if first else 1, step.number / settings.steps)
            words, about = f"step {step.number}, {step.distance:.1f} pixels left", _handles(step)
            say(share, words, shown, about)
    if step is None:
        raise Stopped
    words = f"{step.number} steps, {step.distance:.1f} pixels left"
    return {"words": words, "point": state.plain(with_styles(point, step.ws)), **_handles(step)}, b""


def nearest(tab: Tab, asked: Mapping[str, Any], say: Say) -> Frame:
    """point: the training images nearest to its picture, side by side, with numbers and distances."""
    model = tab.models[0]
    if model.data is None:
        raise UsageError("the data of this model are not known here: gan explore --data names them")
    image = model.renderer.image(state.point(asked.get("point")))
    with contextlib.closing(open_dataset(model.data, condition="none")) as dataset:
        done = 0

        def measured(count: int) -> None:
            nonlocal done
            done += count
            say(done / len(dataset), f"measuring image {done:,} of {len(dataset):,}", None, {})

        networks = Networks(model.renderer.device)
        count = min(NEAREST, len(dataset))
        indices, far = neighbours.nearest(
            image[None], dataset, count=count, networks=networks, progress=measured
        )
        row = grid(neighbours.row(image, indices[0], dataset)[1:], columns=count, padding=0)
    found = list(zip(indices[0].tolist(), far[0].tolist(), strict=True))
    media, data = encoded(row)
    return {"type": media, "words": f"{count} of {len(dataset):,}", "found": found}, data


def _handles(step: drag.Step) -> dict[str, Any]:
    return {"handles": step.handles.tolist()}


def with_styles(point: state.Point, ws: Tensor) -> state.Point:
    """The point whose styles are ws [1, L, D] as they are; seed, class and noise stay."""
    kept = {
        name: getattr(point, name)
        for name in ("seed", "label", "noise", "noise_seed", "noise_layers", "mix_seed")
    }
    return state.Point(latent=state.packed(ws[0]), **kept)


def _pairs(given: Any) -> Tensor:
    """[[x, y, x, y], ...] -> float32 [P, 4]. UsageError for anything else."""
    rows = given if isinstance(given, list) else []
    if not 0 < len(rows) <= MOST_PAIRS or not all(isinstance(row, list) and len(row) == 4 for row in rows):
        raise UsageError(f"give 1 to {MOST_PAIRS} handles with a target each: click the picture twice")
    return torch.tensor([[_number(value, "a point") for value in row] for row in rows])


def _mask(given: Any, shape: tuple[int, int, int]) -> Tensor | None:
    """[left, top, right, bottom] -> bool [H, W], True from these columns and rows to those; None for None."""
    if given is None:
        return None
    if not isinstance(given, list) or len(given) != 4:
        raise UsageError("what may move is a rectangle: left, top, right, bottom, or nothing for all")
    left, top, right, bottom = (_number(value, "an edge") for value in given)
    rows, columns = torch.arange(shape[1])[:, None], torch.arange(shape[2])
    return (rows >= top) & (rows <= bottom) & (columns >= left) & (columns <= right)


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LARGEST:
        raise UsageError(f"{name} has no number")
    return float(value)


JOBS: Mapping[str, Job] = {"film": film, "drag": dragged, "project": projected, "nearest": nearest}

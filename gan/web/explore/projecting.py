"""The job of a tab that makes an upload a point: its latents, and for pivotal tuning a model tuned to it."""

import contextlib
import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from gan.errors import UsageError, unknown
from gan.images import to_float, to_uint8
from gan.jobs import distances
from gan.jobs.projection_files import write_tuned
from gan.latents import projection
from gan.latents.pivotal import PivotalTuning, TuningSettings
from gan.models import checkpoint
from gan.sampling import choices, chosen, drawn_from
from gan.web.explore import state
from gan.web.explore.model import Model
from gan.web.explore.renderer import Renderer
from gan.web.explore.tab import Frame, Say, Stopped, Tab

TOLD = 8  # a step in so many is shown meanwhile
MOST_STEPS = 5000
FASTEST = 0.1  # learning rate of tuning


def projected(tab: Tab, asked: Mapping[str, Any], say: Say) -> Frame:
    """upload, space, steps, distance: the latents that make the picture of an upload, as near as can be.

    Of space pti also tune_steps and tune_rate: then the model is tuned, too, kept as a checkpoint, and named
    by `link`, at which the page shows it. A stop keeps what is found, but for a model that is half tuned.
    """
    model, picture = tab.models[0], tab.uploads.get(str(asked.get("upload")))
    if picture is None:
        raise UsageError("choose a picture first")
    if (space := asked.get("space")) not in model.spaces():
        raise UsageError(unknown("space", str(space), model.spaces()))
    tuning = _tuning(asked) if space == "pti" else None
    say(0, "preparing", picture, {})
    search = _search(model, picture, asked, space)
    part, whole = search.settings.steps / (search.settings.steps + (tuning.steps if tuning else 0)), False
    with contextlib.suppress(Stopped):
        _told(search, say, "step", 0, part)
        whole = True
    point = with_latents(model.renderer.generator, search.latents, search.c)
    words = f"{search.taken} steps, PSNR {_psnr(picture, search.rendered()):.1f} dB"
    if tuning is not None and whole:
        work = PivotalTuning(
            model.renderer.generator, picture[None], search.latents, search.embed, tuning, c=search.c
        )
        with contextlib.suppress(Stopped):
            _told(work, say, "tuning", part, 1)
            return _opened(tab, work, point, picture)
    return {"words": words, "point": state.plain(point)}, b""


def with_latents(generator: nn.Module, latents: Tensor, c: Tensor | None) -> state.Point:
    """The point of latents that were found, ws [1, L, D] or z [1, D], under a condition [1, K]."""
    label = None
    if c is not None:
        known = chosen(generator, range(choices(generator))).to(c)
        label = int((known - c).square().sum(dim=1).argmin())
    return state.Point(latent=state.packed(latents.reshape(-1, latents.shape[-1])), label=label)


def _search(model: Model, picture: Tensor, asked: Mapping[str, Any], space: str) -> projection.Projection:
    """The search for the latents of a picture [C, H, W]."""
    generator = model.renderer.generator
    embed = distances.distance(str(asked.get("distance")), model.renderer.device).embed
    conditions = chosen(generator, drawn_from(generator)) if generator.c_dim else None
    plain = "w" if model.renderer.styled else "z"
    settings = projection.Settings(
        space=plain if space == "pti" else space, steps=_steps(asked.get("steps"), "a projection")
    )
    return projection.Projection(generator, picture[None], embed, settings, choices=conditions)


def _told(
    work: projection.Projection | PivotalTuning, say: Say, name: str, first: float, last: float
) -> None:
    """All steps of a work, which are the share from first to last of the job."""
    total = work.settings.steps
    for step in work.run():
        shown = None if step.number % TOLD else to_uint8(step.images)[0].cpu()
        say(first + (last - first) * step.number / total, f"{name} {step.number} of {total}", shown, {})


def _opened(tab: Tab, work: PivotalTuning, point: state.Point, picture: Tensor) -> Frame:
    """The tuned model, written and kept open for the page; where it is, and how near it comes."""
    model = tab.models[0]
    generator = work.generator.requires_grad_(False)
    place = _free(tab.shop.folder)
    digest = write_tuned(place, generator, checkpoint.read(model.place), 1, work.taken)
    tuned = dataclasses.replace(
        model, renderer=Renderer(generator), name=f"{model.name}, tuned", digest=digest, place=place
    )
    view = state.View(model=digest[:12], point=point)
    words = f"PSNR {_psnr(picture, work.rendered()):.1f} dB; the tuned model is at {place}"
    link = f"?model={tab.shop.keep(tuned)}#{state.fragment(view)}"
    return {"words": words, "point": state.plain(point), "link": link}, b""


def _free(folder: Path) -> Path:
    """A place in the folder that nothing has taken: 001, 002, ..."""
    number = 1
    while (place := folder / f"{number:03d}").exists():
        number += 1
    return place


def _tuning(asked: Mapping[str, Any]) -> TuningSettings:
    rate = asked.get("tune_rate")
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate <= FASTEST:
        raise UsageError(f"the learning rate of tuning lies above 0, at {FASTEST:g} at most")
    return TuningSettings(steps=_steps(asked.get("tune_steps"), "tuning"), learning_rate=float(rate))


def _steps(given: Any, what: str) -> int:
    if type(given) is not int or not 1 <= given <= MOST_STEPS:
        raise UsageError(f"{what} takes 1 to {MOST_STEPS:,} steps")
    return given


def _psnr(picture: Tensor, image: Tensor) -> float:
    """dB, of uint8 [C, H, W] and an image [1, C, H, W]."""
    error = (to_float(picture) - image[0].cpu().clamp(-1, 1)).square().mean().item()
    return 10 * math.log10(4 / max(error, 1e-10))

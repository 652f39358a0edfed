"""Seeds -> images: as a tensor, or as a folder of PNGs, a labelled grid, a style-mixing grid or a video."""

import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gan import sampling
from gan.console import progress
from gan.devices import pick
from gan.errors import UsageError
from gan.jobs import video
from gan.jobs.sampling import along, outputs
from gan.jobs.sampling import labels as conditions
from gan.jobs.sampling.changes import Edit, changes_of, mapping_psi
from gan.jobs.sampling.mixing import mixed, mixed_captions
from gan.jobs.sampling.recipe import Recipe
from gan.jobs.sampling.request import Look, Motion, Request, changed
from gan.latents import parse_seeds, seeds_text
from gan.models import checkpoint
from gan.networks.base import digest, nonfinite

Model = nn.Module | str | Path


def sample(
    model: Model,
    seeds: Sequence[int] | str,
    *,
    out: str | Path | None = None,
    psi: float = 1.0,
    psi_cutoff: int | None = None,
    labels: conditions.Wanted = None,
    noise: sampling.Noise = "const",
    seed: int = 0,
    columns: int | None = None,
    space: str | None = None,
    frames_per_seed: int = 30,
    fps: float = 30,
    walks: tuple[int, int] = (1, 1),
    scale: int | None = None,
    device: str = "auto",
) -> Tensor | list[Path]:
    """Draw one image per seed -> uint8 [N, C, H, W] on the CPU; or write them to `out` -> the paths written.

    The usual options of `draw`, which takes all of them as a `Request`.
    model: a generator, which stays on its device, or a run directory (its newest checkpoint) or a checkpoint
    directory, which draws on `device`. seeds: numbers, or text such as "0-63" or "1,5,8-10".
    out: what `output_kind` makes of its suffix. labels: a class for all seeds, by name or number, or one
    number for each; for a model of vectors one [c_dim], or one for each [N, c_dim]; None draws them.
    The others: see `Request`, `Look` and `Motion`.
    Raises UsageError for options that do not fit the model or `out`, UserError where there is no model, and
    CheckpointError where it is damaged.
    """
    given: dict[str, Any] = {"labels": labels}
    if isinstance(labels, Tensor):
        given = {"vectors": tuple(map(tuple, labels.float().view(-1, labels.shape[-1]).tolist()))}
    elif not (labels is None or isinstance(labels, str | int)):
        given = {"labels": tuple(map(int, labels))}
    request = Request(
        seeds=seeds if isinstance(seeds, str) else seeds_text(seeds),
        seed=seed,
        columns=columns,
        look=Look(psi=psi, psi_cutoff=psi_cutoff, noise=noise),
        motion=Motion(space=space, frames_per_seed=frames_per_seed, fps=fps, walks=walks, scale=scale),
        **given,
    )
    return draw(model, request, out=out, device=device)


def draw(
    model: Model,
    request: Request,
    *,
    out: str | Path | None = None,
    kind: outputs.Kind | None = None,
    device: str = "auto",
    like: tuple[Recipe, str | Path] | None = None,
    edits: Sequence[Edit] = (),
) -> Tensor | list[Path]:
    """Draw what is asked for -> uint8 [N, C, H, W] on the CPU; or write it to `out` -> the paths written.

    A folder holds one file per seed (seed0007.png, with the class if one is given for all:
    seed0007-flags.png; .npy of more than 4 channels), a grid a caption on each image, a video a looped walk.
    kind: None is what `output_kind` makes of `out`. like: a recipe and the file that it is of, whose model
    this one must be. edits: further ones of ws, or of z of a model without styles.
    Raises as `sample` does.
    """
    kind = kind or (None if out is None else outputs.output_kind(out))
    request = changed(request, {})  # checked, and each value of the type that it has when it is read again
    numbers = parse_seeds(request.seeds) if request.seeds or request.mix else []
    if not numbers:
        raise UsageError("no seeds; give at least one")
    generator, classes = _opened(model, device)
    if wrong := nonfinite(generator):
        warnings.warn(f"{wrong}: the images mean nothing", stacklevel=2)
    weights = "" if kind is None else digest(generator)
    if like is not None:
        like[0].check(weights or digest(generator), like[1])
    job = _Job(generator, classes, request, numbers, weights, edits)
    if request.along is not None:
        return _along(job, kind, out and Path(out))
    if request.mix is not None:
        return _mixed(job, kind, out and Path(out))
    if kind in ("video", "sequence"):
        return _moving(job, kind, Path(out))
    return _stills(job, kind, out and Path(out))


@dataclass(frozen=True)
class _Job:
    """A request and the model that serves it."""

    generator: nn.Module
    classes: Sequence[str]
    request: Request
    seeds: Sequence[int]
    weights: str
    edits: Sequence[Edit]

    def labels(self, seeds: Sequence[int]) -> sampling.Labels | None:
        """Of each of these seeds."""
        request = self.request
        given = request.labels if request.vectors is None else torch.tensor(request.vectors)
        return conditions.resolved_labels(given, self.classes, self.generator, seeds, request.seed)

    def changes(self, labels: sampling.Labels | None) -> sampling.Changes:
        """For samples of these labels."""
        return changes_of(self.generator, self.request.look, labels, self.edits)

    def of_seed(self, index: int) -> Request:
        """The request for that one of the seeds alone."""
        labels, vectors = self.request.labels, self.request.vectors
        return replace(
            self.request,
            seeds=str(self.seeds[index]),
            labels=labels[index] if isinstance(labels, tuple) else labels,
            vectors=vectors[index : index + 1] if vectors and len(vectors) > 1 else vectors,
        )

    def note(self, made: str, request: Request | None = None) -> str:
        """Metadata of what is made of a request, None for the whole one."""
        return Recipe(weights=self.weights, made=made, request=request or self.request).text()


def _stills(job: _Job, kind: outputs.Kind | None, out: Path | None) -> Tensor | list[Path]:
    """One image per seed: stacked, or in a folder, a file or a grid."""
    look, labels, seeds = job.request.look, job.labels(job.seeds), job.seeds
    drawn = sampling.images(
        job.generator,
        seeds,
        labels=labels,
        noise=look.noise,
        noise_seed=job.request.seed,
        changes=job.changes(labels),
        **mapping_psi(look),
    )
    images = _each(drawn, len(seeds))
    if kind is None:
        return torch.stack(list(images))
    if kind == "folder":
        more = job.request.labels if isinstance(job.request.labels, str) else ""
        more = re.sub(r"[^\w.-]+", "-", f"-{more}") if more else ""
        names = [f"seed{seed:04d}{more}" for seed in seeds]
        return outputs.write_folder(out, images, names, lambda i: job.note("image", job.of_seed(i)))
    if kind == "image":
        if len(seeds) != 1:
            raise UsageError(f"--out {out}: one image, and there are {len(seeds)} seeds; name a folder")
        return [outputs.write_image(out, next(outputs.fitting(out, images)), job.note("image"))]
    columns, note = job.request.columns, job.note("grid")
    images = outputs.fitting(out, images, len(seeds), columns)
    outputs.write_grid(out, images, conditions.captions(seeds, labels, job.classes), columns, note)
    return [out]


def _mixed(job: _Job, kind: outputs.Kind | None, out: Path | None) -> Tensor | list[Path]:
    """The style-mixing grid, or its mixed images alone in a folder or stacked."""
    if kind in ("video", "sequence"):
        raise UsageError(f"--out {out}: style mixing makes a grid (.png, .jpg, .webp) or a folder of images")
    request, look = job.request, job.request.look
    pair = request.mix.seeds()
    if (request.vectors is not None and len(request.vectors) > 1) or isinstance(request.labels, tuple):
        raise UsageError("style mixing takes one class or one condition for all, or draws them")
    rows, columns = ((seeds, job.labels(seeds)) for seeds in pair)
    margins = kind == "grid"
    count = (len(pair[0]) + margins) * (len(pair[1]) + margins)
    both = None if rows[1] is None else [*rows[1], *columns[1]]
    options = {"noise": look.noise, "noise_seed": request.seed, "changes": job.changes(both)}
    batches = mixed(
        job.generator, rows, columns, request.mix.layers, margins=margins, **options, **mapping_psi(look)
    )
    images = _each(batches, count)
    if kind is None:
        return torch.stack(list(images))
    if kind == "folder":
        cells = [(a, b) for a in pair[0] for b in pair[1]]
        names = [f"seed{a:04d}-{b:04d}" for a, b in cells]
        mixes = [replace(request.mix, rows=str(a), columns=str(b)) for a, b in cells]
        return outputs.write_folder(
            out, images, names, lambda i: job.note("image", replace(request, mix=mixes[i]))
        )
    if kind == "image":
        return [outputs.write_image(out, next(outputs.fitting(out, images)), job.note("image"))]
    texts = mixed_captions(*(conditions.captions(*part, job.classes) for part in (rows, columns)), pair)
    width, note = len(pair[1]) + 1, job.note("grid")
    outputs.write_grid(out, outputs.fitting(out, images, count, width), texts, width, note)
    return [out]


def _along(job: _Job, kind: outputs.Kind | None, out: Path | None) -> Tensor | list[Path]:
    """Every seed at steps along one direction: stacked, a row of a grid, files, or there and back."""
    along.check(job.request)
    directions, index, sha256 = along.read_direction(job.request.along, job.generator)
    job = replace(job, request=replace(job.request, along=replace(job.request.along, sha256=sha256)))
    request, look, (low, high) = job.request, job.request.look, job.request.along.span
    looked = (look.psi, look.psi_cutoff, look.noise, request.seed)
    walk = along.Walk(job.generator, directions, job.seeds, job.labels(job.seeds), *looked)
    if kind in ("video", "sequence"):
        strengths = along.there_and_back(low, high, request.motion.frames_per_seed)
        count = len(job.seeds) * len(strengths)
        return _write_moving(job, kind, out, _each(along.each(walk, index, strengths), count), count)
    steps = torch.linspace(low, high, request.columns or along.STEPS).tolist()
    cells = [(i, step) for i in range(len(job.seeds)) for step in steps]
    images = _each(along.each(walk, index, steps), len(cells))
    if kind is None:
        return torch.stack(list(images))
    if kind == "grid":
        captions = [f"{job.seeds[i]} {step:+.3g}" for i, step in cells]
        images = outputs.fitting(out, images, len(cells), len(steps))
        outputs.write_grid(out, images, captions, len(steps), job.note("grid"))
        return [out]
    name = re.sub(r"[^\w.-]+", "-", directions.names[index])
    names = [f"seed{job.seeds[i]:04d}-{name}{step:+.3g}" for i, step in cells]
    alone = [
        replace(job.of_seed(i), columns=1, along=replace(request.along, span=(step, step)))
        for i, step in cells
    ]
    if kind == "image":
        return [outputs.write_image(out, next(outputs.fitting(out, images)), job.note("image", alone[0]))]
    return outputs.write_folder(out, images, names, lambda i: job.note("image", alone[i]))


def _moving(job: _Job, kind: outputs.Kind, out: Path) -> list[Path]:
    """A looped walk through the seeds, as a video or as its frames."""
    motion = job.request.motion
    parts = video.walks(range(len(job.seeds)), *motion.walks)
    return _write_moving(job, kind, out, _walked(job, parts), len(parts[0]) * motion.frames_per_seed)


def _write_moving(
    job: _Job, kind: outputs.Kind, out: Path, frames: Iterator[Tensor], count: int
) -> list[Path]:
    """`count` frames of the model's size, as a video or in a folder."""
    motion, note = job.request.motion, job.note("video")
    video.check_size(out, motion.size)
    if motion.size is not None:
        frames = video.resized(frames, motion.size)
    elif kind == "video" or motion.scale is not None:
        frames = video.enlarged(frames, motion.scale)
    frames = outputs.fitting(out, frames, check=lambda *size: video.check_memory(out, count, *size))
    if kind == "sequence":
        return outputs.write_sequence(out, frames, count, note)
    video.write_video(out, frames, motion.fps, count=count, note=note)
    return [out]


def _walked(job: _Job, parts: Sequence[Sequence[int]]) -> Iterator[Tensor]:
    """Frames of the walks side by side; parts: the places of their seeds."""
    look, motion, labels = job.request.look, job.request.motion, job.labels(job.seeds)
    changes = job.changes(labels)
    space = motion.space or ("w" if sampling.has_styles(job.generator) else "z")
    options = {"steps": motion.frames_per_seed, "space": space, "kind": motion.kind, "noise": look.noise}
    frames = []
    for part in parts:
        own = None if labels is None else labels[part.start : part.stop]
        batches = sampling.frames(
            job.generator,
            job.seeds[part.start : part.stop],
            labels=own,
            changes=changes,
            **options,
            **mapping_psi(look),
        )
        frames.append(image for batch in batches for image in batch.cpu())
    with progress(len(parts[0]) * motion.frames_per_seed, "sampling", unit="frame") as bar:
        for frame in video.tiled(frames, motion.walks[0]):
            yield frame
            bar.update()


def _each(batches: Iterable[Tensor], total: int) -> Iterator[Tensor]:
    """Single images [C, H, W] on the CPU out of batches, counted by a progress bar."""
    with progress(total, "sampling", unit="img") as bar:
        for batch in batches:
            for image in batch.cpu():
                yield image
                bar.update()


def _opened(model: Model, device: str) -> tuple[nn.Module, list[str]]:
    """The generator, and the names of its classes where its checkpoint has them."""
    if isinstance(model, nn.Module):
        return model, []
    saved = checkpoint.read(checkpoint.resolve(model))
    generator, data = saved.generator(pick(device)), saved.config.get("data", {})
    return generator, data.get("classes") or []

"""Pictures -> latents of a model, and a model that is tuned to them, with a report; see `projection_files`.

Letters: N pictures, K values of a condition, L style inputs (layers), D latent size.
"""

import contextlib
import dataclasses
import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from gan import sampling
from gan.console import progress
from gan.devices import pick
from gan.errors import UserError
from gan.files import atomic_bytes, sha256
from gan.images import encode, labelled_grid, to_uint8
from gan.jobs import neighbours, video
from gan.jobs.distances import DEFAULT, Distance, distance
from gan.jobs.pictures import Picture, read_pictures
from gan.jobs.projection_files import (
    TUNED,
    ProjectionFolder,
    likeness,
    pair,
    read_latents,
    write_latents,
    write_tuned,
)
from gan.jobs.sampling import Wanted, resolved_labels
from gan.latents.pivotal import PivotalTuning, TuningSettings
from gan.latents.projection import Projection, Settings, Step
from gan.models import checkpoint
from gan.networks.base import nonfinite
from metrics.networks import Networks
from training.data.images import ImageDataset, open_dataset

SAVED = 20  # seconds of work that a break may cost
FRAMES = 100  # of the video of a way
FPS = 20  # its pictures a second
TUNING = "tuning"  # stage of the state
Work = Projection | PivotalTuning


def project(
    model: str | Path,
    images: Sequence[str | Path],
    *,
    out: str | Path,
    space: str | None = None,
    settings: Settings | None = None,
    tuning: TuningSettings | None = None,
    start: str | Path | None = None,
    labels: Wanted = None,
    perceptual: str = DEFAULT,
    weights: Sequence[str] = (),
    crop: str = "none",
    batch: int = 8,
    film: str | None = None,
    nearest: str | Path | None = None,
    count: int = neighbours.COUNT,
    device: str = "auto",
) -> dict[str, Any]:
    """Find latents of pictures and write them to the folder `out` -> what report.json says.

    model: a run directory (its newest checkpoint) or a checkpoint directory. images: files, and folders of
    them. space: w, w+, z, or pti: w, and then `tuning` of the generator; None: w where the model has styles.
    settings: of the search, but for its space. start: a file of latents of this model to start from. labels:
    as `gan.jobs.sampling.sample` has them; None lets a model choose. perceptual, weights: see
    `gan.jobs.distances`. crop: see `gan.jobs.pictures`. batch: pictures at a time. film: "gif" or "mp4", for
    a video of the way. nearest: a data set, of which the `count` nearest images to each picture are shown.
    A call that was ended goes on where it was when it is made again.
    Raises UsageError for what does not fit the model, or a folder with other results, and UserError for
    pictures, weights or data that cannot be used.
    """
    saved = checkpoint.read(checkpoint.resolve(model))
    generator = saved.generator(pick(device))
    if wrong := nonfinite(generator):
        raise UserError(f"{saved.path}: {wrong}; project into an older checkpoint")
    tuned, settings = _settings(space, settings, generator)
    pictures = read_pictures(images, generator.image_shape, crop)
    c = _conditions(generator, saved, labels, len(pictures), settings.seed)
    ready = _Ready(
        generator=generator,
        model_sha256=sha256(saved.path / "generator.safetensors"),
        distance=distance(perceptual, next(generator.parameters()).device, weights),
        settings=settings,
        tuning=(tuning or TuningSettings()) if tuned else None,
        film=film,
        batch=batch,
    )
    first = _start(Path(start), ready.model_sha256) if start is not None else None
    if film is not None:
        video.check_writable(Path(out) / f"x.{film}")
    folder = ProjectionFolder(Path(out), _request(ready, pictures, c, first, crop))
    with _dataset(nearest) as dataset:
        _projected(ready, folder, pictures, c, first)
        if ready.tuning is not None:
            _tuned(ready, folder, pictures, c, saved)
        if dataset is not None:
            _nearest(folder, pictures, dataset, count, ready)
    return folder.finish()


@dataclass(frozen=True, kw_only=True)
class _Ready:
    """All that the pictures of a call have in common."""

    generator: nn.Module
    model_sha256: str
    distance: Distance
    settings: Settings
    tuning: TuningSettings | None
    film: str | None
    batch: int


def _settings(space: str | None, settings: Settings | None, generator: nn.Module) -> tuple[bool, Settings]:
    """Whether the generator is tuned afterwards, and the settings of the search."""
    settings = settings or Settings()
    styled = sampling.has_styles(generator)
    given = space or ("w" if styled else "z")
    if given != "pti":
        return False, dataclasses.replace(settings, space=given)
    return True, dataclasses.replace(settings, space="w" if styled else "z", noise="const")


def _request(
    ready: _Ready, pictures: Sequence[Picture], c: Tensor | None, first: Tensor | None, crop: str
) -> dict[str, Any]:
    """What decides the result, as JSON data."""
    tensors = {"conditions": c, "start": first}
    return {
        "model_sha256": ready.model_sha256,
        "pictures": {p.name: _digest(p.pixels) for p in pictures},
        "distance": ready.distance.name,
        "distance_sha256": ready.distance.sha256,
        "settings": dataclasses.asdict(ready.settings),
        "tuning": None if ready.tuning is None else dataclasses.asdict(ready.tuning),
        **{name: None if tensor is None else _digest(tensor) for name, tensor in tensors.items()},
        "crop": crop,
        "batch": ready.batch,
        "film": ready.film,
    }


def _digest(tensor: Tensor) -> str:
    return hashlib.sha256(tensor.cpu().contiguous().numpy().tobytes()).hexdigest()


def _conditions(
    generator: nn.Module, saved: checkpoint.Checkpoint, labels: Wanted, count: int, seed: int
) -> Tensor | None:
    """c [N, K] of the pictures; None where the model has none, or may choose."""
    if labels is None:
        return None
    classes = (saved.config.get("data") or {}).get("classes") or []
    found = resolved_labels(labels, classes, generator, range(count), seed)
    return sampling.as_conditions(found, generator.c_dim)


def _start(path: Path, model_sha256: str) -> Tensor:
    """The latents in a file, ws [1, L, D] or z [1, D]. UserError for those of another model."""
    tensors, about = read_latents(path)
    name = next((name for name in ("ws", "z") if name in tensors), None)
    if name is None or about.get("model_sha256") != model_sha256:
        raise UserError(f"{path} holds no latents of this model; give a file that gan project made with it")
    return tensors[name][None]


def _projected(
    ready: _Ready,
    folder: ProjectionFolder,
    pictures: Sequence[Picture],
    c: Tensor | None,
    first: Tensor | None,
) -> None:
    """The search for all pictures that are not done, a batch at a time."""
    parts = [range(s, min(s + ready.batch, len(pictures))) for s in range(0, len(pictures), ready.batch)]
    left = [part for part in parts if any(folder.record(pictures[i].name) is None for i in part)]
    with progress(len(left) * ready.settings.steps, "projecting", unit="step") as bar:
        for part in left:
            some = [pictures[i] for i in part]
            search = Projection(
                ready.generator,
                torch.stack([picture.pixels for picture in some]),
                ready.distance.embed,
                ready.settings,
                c=None if c is None else c[part.start : part.stop],
                choices=_choices(ready.generator),
                start=None if first is None else first.expand(len(some), *first.shape[1:]),
            )
            _worked(search, folder, f"search {part.start}", bar, _filming(ready, folder, some))
            _found(ready, folder, some, search)


def _choices(generator: nn.Module) -> Tensor | None:
    if not generator.c_dim:
        return None
    return sampling.chosen(generator, sampling.drawn_from(generator))


def _worked(
    work: Work, folder: ProjectionFolder, stage: str, bar: tqdm, told: Callable[[Step], None]
) -> None:
    """Take all steps, from where they were left; what is reached is kept now and then, and at a break."""
    if (state := folder.state(stage)) is not None:
        work.restore(state)
        bar.update(work.taken)
    since, whole = time.monotonic(), False
    try:
        for step in work.run():
            told(step)
            bar.set_postfix_str(f"distance {step.distance.mean().item():.4g}", refresh=False)
            bar.update()
            if time.monotonic() - since > SAVED:
                folder.write()
                folder.save_state(stage, work.state())
                since = time.monotonic()
        whole = True
    finally:
        if not whole and work.taken:
            folder.write()
            folder.save_state(stage, work.state())


def _filming(ready: _Ready, folder: ProjectionFolder, some: Sequence[Picture]) -> Callable[[Step], None]:
    """Keeps some of the images of the way, where a video is asked for."""
    every = max(ready.settings.steps // FRAMES, 1)

    def told(step: Step) -> None:
        if ready.film is None or (step.number - 1) % every:
            return
        for picture, image in zip(some, to_uint8(step.images), strict=True):
            folder.add_frame(picture.name, step.number, pair(picture.pixels, image))

    return told


def _found(ready: _Ready, folder: ProjectionFolder, some: Sequence[Picture], search: Projection) -> None:
    """Write what a search found, and its records."""
    images, distances = to_uint8(search.rendered()).cpu(), search.distances().tolist()
    away, name = search.spread.distance(search.latents).tolist(), "ws" if search.latents.ndim == 3 else "z"
    for i, picture in enumerate(some):
        tensors = {name: search.latents[i]}
        tensors |= {f"noise.{number}": map_[i] for number, map_ in enumerate(search.maps)}
        tensors |= {} if search.c is None else {"c": search.c[i]}
        write_latents(folder.path / f"{picture.name}.safetensors", tensors, ready.model_sha256)
        note = folder.note(picture.name, ready.model_sha256)
        folder.write_images(picture.name, picture.pixels, images[i], note)
        if ready.film is not None:
            out = folder.path / f"{picture.name}.{ready.film}"
            ways = [*folder.frames(picture.name), *[pair(picture.pixels, images[i])] * FPS]
            video.write_video(out, video.enlarged(iter(ways), None), FPS, note=note)
        folder.keep(
            {
                "image": picture.name,
                **likeness(picture.pixels, images[i]),
                "distance": distances[i],
                "from_mean": round(away[i], 4),
                "steps": search.taken,
            }
        )
    folder.write()
    folder.drop_state()


def _tuned(
    ready: _Ready,
    folder: ProjectionFolder,
    pictures: Sequence[Picture],
    c: Tensor | None,
    saved: checkpoint.Checkpoint,
) -> None:
    """Pivotal tuning to all pictures, from the latents in the folder."""
    if folder.report.get("tuned_sha256"):
        return
    files = [folder.path / f"{picture.name}.safetensors" for picture in pictures]
    found = [read_latents(path)[0] for path in files]
    pivots = torch.stack([tensors.get("ws", tensors.get("z")) for tensors in found])
    conditions = torch.stack([tensors["c"] for tensors in found]) if "c" in found[0] else None
    pixels = torch.stack([picture.pixels for picture in pictures])
    work = PivotalTuning(ready.generator, pixels, pivots, ready.distance.embed, ready.tuning, c=conditions)
    with progress(ready.tuning.steps, "tuning", unit="step") as bar:
        _worked(work, folder, TUNING, bar, lambda step: None)
    digest = write_tuned(folder.path / TUNED, work.generator, saved, len(pictures), ready.tuning.steps)
    for i, (picture, tensors) in enumerate(zip(pictures, found, strict=True)):
        image = work.rendered([i])
        distance = (ready.distance.embed(image) - work.rows[i]).square().sum().item()
        write_latents(files[i], tensors, digest)
        shown = to_uint8(image)[0].cpu()
        folder.write_images(picture.name, picture.pixels, shown, folder.note(picture.name, digest))
        before = folder.record(picture.name)
        search = {key: before[key] for key in ("psnr", "ssim", "distance")}
        folder.keep({**before, **likeness(picture.pixels, shown), "distance": distance, "search": search})
    folder.report["tuned_sha256"] = digest
    folder.write()
    folder.drop_state()


@contextlib.contextmanager
def _dataset(place: str | Path | None) -> Iterator[ImageDataset | None]:
    """The data set of `place`, open; None for none."""
    if place is None:
        yield None
        return
    with contextlib.closing(open_dataset(place, condition="none")) as dataset:
        yield dataset


def _nearest(
    folder: ProjectionFolder, pictures: Sequence[Picture], dataset: ImageDataset, count: int, ready: _Ready
) -> None:
    """Show the nearest images of a data set beside each picture, and record them."""
    pixels = torch.stack([picture.pixels for picture in pictures])
    networks = Networks(next(ready.generator.parameters()).device)
    with progress(len(dataset), "measuring", unit="img") as bar:
        found = neighbours.nearest(pixels, dataset, count=count, networks=networks, progress=bar.update)
    for picture, indices, distances in zip(pictures, *found, strict=True):
        captions = ["picture", *(f"{number} {d:.3g}" for number, d in zip(indices, distances, strict=True))]
        row = labelled_grid(neighbours.row(picture.pixels, indices, dataset), captions, len(captions))
        note = folder.note(picture.name, folder.report.get("tuned_sha256") or ready.model_sha256)
        atomic_bytes(folder.path / f"{picture.name}-nearest.png", encode(row, ".png", note))
        pairs = zip(indices.tolist(), distances.tolist(), strict=True)
        near = [{"number": number, "distance": round(d, 6)} for number, d in pairs]
        folder.keep({**folder.record(picture.name), "nearest": near})

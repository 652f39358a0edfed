"""Seeds -> images: as a tensor, or as a folder of PNGs, one labelled grid or a looped video."""

import itertools
import math
import os
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gan import sampling
from gan.console import progress
from gan.devices import pick
from gan.errors import UsageError, unknown
from gan.files import atomic_bytes
from gan.images import (
    SIDES,
    encode,
    encode_exactly,
    grid_size,
    labelled_cell,
    labelled_grid,
)
from gan.jobs import video
from gan.latents import parse_seeds
from gan.models import checkpoint
from gan.networks.base import nonfinite

Wanted = str | int | Sequence[int] | Tensor | None
STILLS = (".png", ".jpg", ".jpeg", ".webp")


def sample(
    model: nn.Module | str | Path,
    seeds: Sequence[int] | str,
    *,
    out: str | Path | None = None,
    psi: float = 1.0,
    psi_cutoff: int | None = None,
    labels: Wanted = None,
    noise: sampling.Noise = "const",
    seed: int = 0,
    columns: int | None = None,
    space: str | None = None,
    frames_per_seed: int = 30,
    fps: int = 30,
    walks: tuple[int, int] = (1, 1),
    scale: int | None = None,
    device: str = "auto",
) -> Tensor | list[Path]:
    """Draw one image per seed -> uint8 [N, C, H, W] on the CPU; or write them to `out` -> the paths written.

    model: a generator, which stays on its device, or a run directory (its newest checkpoint) or a checkpoint
    directory, which draws on `device`. seeds: numbers, or text such as "0-63" or "1,5,8-10".
    out: what `output_kind` makes of its suffix: a folder of one file per seed (seed0007.png, with the class
    if one is given for all: seed0007-flags.png; .npy of more than 4 channels), a grid with a caption on each
    image, or a looped video through the seeds.
    psi, psi_cutoff, noise: as `gan.sampling.images` has them. labels: a class for all seeds, by name or
    number, or one number for each; for a model of vectors one [c_dim], or one for each [N, c_dim]; None draws
    them. seed: decides drawn classes and random noise.
    columns: of a grid; None is near square. space, frames_per_seed, fps: of a video; None walks among styles
    (w) where the model has them, else among latents (z); walks: columns and rows of walks side by side,
    which share the seeds out in their order; scale: pixels a side for each of the model's, None for as many
    as bring the shorter side to 256.
    Raises UsageError for options that do not fit the model or `out`, UserError where there is no model, and
    CheckpointError where it is damaged.
    """
    kind = "tensor" if out is None else output_kind(out)
    out = None if out is None else Path(out)
    numbers = parse_seeds(seeds) if isinstance(seeds, str) else list(seeds)
    if not numbers:
        raise UsageError("no seeds; give at least one")
    generator, classes = _opened(model, device)
    if wrong := nonfinite(generator):
        warnings.warn(f"{wrong}: the images mean nothing", stacklevel=2)
    more = re.sub(r"[^\w.-]+", "-", f"-{labels}") if isinstance(labels, str) else ""
    labels = resolved_labels(labels, classes, generator, numbers, seed)
    look = {"psi": psi, "psi_cutoff": psi_cutoff, "noise": noise}
    if kind == "video":
        space = space or ("w" if sampling.has_styles(generator) else "z")
        walked = _walked(generator, numbers, labels, walks, look | {"steps": frames_per_seed, "space": space})
        video.write_video(out, fitting(out, video.enlarged(walked, scale)), fps)
        return [out]
    drawn = sampling.images(generator, numbers, labels=labels, noise_seed=seed, **look)
    images = _each(drawn, len(numbers))
    if kind == "tensor":
        return torch.stack(list(images))
    if kind == "folder":
        return write_folder(out, images, numbers, more)
    images = fitting(out, images, len(numbers), columns)
    write_grid(out, images, captions(numbers, labels, classes), columns)
    return [out]


def output_kind(out: str | Path) -> str:
    """'folder' (one already, or of no file's name: samples, psi0.7, v1.x/), 'grid' or 'video'.

    Raises UsageError for another suffix and UserError where .mp4 cannot be written here.
    """
    named_folder = str(out).endswith(("/", os.sep))
    out = Path(out)
    suffix = out.suffix.lower()
    if named_folder or out.is_dir() or not suffix or suffix[1:].isdigit():
        return "folder"
    if suffix in STILLS:
        return "grid"
    if suffix in video.VIDEOS:
        video.check_writable(out)
        return "video"
    known = ", ".join((*STILLS, *video.VIDEOS))
    raise UsageError(f"--out {out}: cannot write '{suffix}'; use a folder, or one of {known}")


def fitting(
    out: Path, images: Iterator[Tensor], count: int | None = None, columns: int | None = None
) -> Iterator[Tensor]:
    """These images [C, H, W]; the first tells how large their grid of `count` with captions is, or a frame.

    Raises UsageError where the format of `out` cannot hold that, before the others are drawn.
    """
    first = next(images)
    height, width = first.shape[1:]
    if count:
        height, width = grid_size(count, *labelled_cell(height, width), columns)
    most = SIDES.get(out.suffix.lower(), math.inf)
    if max(height, width) > most:
        raise UsageError(
            f"--out {out}: {width}x{height} pixels, and {out.suffix} holds {most} a side; "
            "take a .png, fewer seeds, or a folder"
        )
    return itertools.chain([first], images)


def resolved_labels(
    given: Wanted, classes: Sequence[str], generator: nn.Module, seeds: Sequence[int], seed: int
) -> sampling.Labels | None:
    """A class or a vector per seed, from the `labels` of `sample`; None for a model without conditions."""
    vectors = sampling.remembered_conditions(generator) is not None
    if given is None:
        if not generator.c_dim:
            return None
        drawn = sampling.drawn_numbers(generator, seeds, seed)
        return sampling.chosen(generator, drawn) if vectors else drawn
    if isinstance(given, Tensor):
        return given.float().expand(len(seeds), -1) if given.ndim == 1 or len(given) == 1 else given.float()
    if vectors:
        raise UsageError(f"this model has no classes: it takes vectors of {generator.c_dim} values")
    if isinstance(given, str):
        given = class_index(given, classes, generator.c_dim)
    return [given] * len(seeds) if isinstance(given, int) else list(given)


def label_of(class_: str | None, condition: str | None) -> str | Tensor | None:
    """`labels` of `sample` from the texts of a class and of a condition, of which at most one is given."""
    if class_ is not None and condition is not None:
        raise UsageError("--class and --condition: a model knows one of them; leave the other out")
    return class_ if condition is None else parse_condition(condition)


def parse_condition(text: str) -> Tensor:
    """'0.5,-1' -> [2]; the path of a .npy file of floats [c_dim] or [N, c_dim] -> what it holds.

    Raises UsageError for anything else.
    """
    try:
        if text.endswith(".npy"):
            vectors = torch.from_numpy(np.load(text, allow_pickle=False))
        else:
            vectors = torch.tensor([float(item) for item in text.split(",")])
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(
            f"--condition {text}: {error}; write numbers such as 0.5,-1, or a .npy file"
        ) from error
    if not (vectors.is_floating_point() and vectors.ndim in (1, 2) and vectors.isfinite().all()):
        shape = f"{vectors.dtype} {list(vectors.shape)}"
        raise UsageError(f"--condition {text}: {shape} are no finite floats [c_dim] or [N, c_dim]")
    return vectors


def class_index(text: str, classes: Sequence[str], c_dim: int) -> int:
    """Number of the class that --class means; names go before numbers. UsageError if there is none."""
    if c_dim == 0:
        raise UsageError(f"--class {text}: this model has no classes; leave --class out")
    if text in classes:
        return classes.index(text)
    if text.isascii() and text.isdigit() and int(text) < c_dim:
        return int(text)
    raise UsageError(unknown("class", text, classes or map(str, range(c_dim))))


def captions(seeds: Sequence[int], labels: sampling.Labels | None, classes: Sequence[str]) -> list[str]:
    """Text under each image of a grid: its seed, and its class if the model has any."""
    if labels is None:
        return [str(seed) for seed in seeds]
    if isinstance(labels, Tensor):
        return [
            f"{seed} [{','.join(f'{x:.2g}' for x in c[:3])}]" for seed, c in zip(seeds, labels, strict=True)
        ]
    names = [classes[label] if label < len(classes) else str(label) for label in labels]
    return [f"{seed} {name}" for seed, name in zip(seeds, names, strict=True)]


def write_folder(out: Path, images: Iterable[Tensor], seeds: Sequence[int], more: str = "") -> list[Path]:
    """Write seed0007.png and so on into `out`, each as soon as it is drawn; returns their paths in order.

    more: of every name, between number and suffix.
    """
    paths = []
    for seed, image in zip(seeds, images, strict=True):
        suffix, data = encode_exactly(image)
        paths.append(out / f"seed{seed:04d}{more}{suffix}")
        atomic_bytes(paths[-1], data)
    return list(dict.fromkeys(paths))


def write_grid(out: Path, images: Iterable[Tensor], labels: Sequence[str], columns: int | None) -> None:
    """Write all images as one labelled picture, in the format of the suffix."""
    atomic_bytes(out, encode(labelled_grid(torch.stack(list(images)), labels, columns), out.suffix))


def _walked(
    generator: nn.Module,
    seeds: Sequence[int],
    labels: sampling.Labels | None,
    shape: tuple[int, int],
    look: Mapping[str, Any],
) -> Iterator[Tensor]:
    """Frames of the walks through the seeds, side by side in (columns, rows); look: arguments of `frames`."""
    parts = video.walks(range(len(seeds)), *shape)
    frames = []
    for part in parts:
        own = None if labels is None else labels[part.start : part.stop]
        numbers = seeds[part.start : part.stop]
        batches = sampling.frames(generator, numbers, labels=own, **look)
        frames.append(image for batch in batches for image in batch.cpu())
    with progress(len(parts[0]) * look["steps"], "sampling", unit="frame") as bar:
        for frame in video.tiled(frames, shape[0]):
            yield frame
            bar.update()


def _each(batches: Iterable[Tensor], total: int) -> Iterator[Tensor]:
    """Single images [C, H, W] on the CPU out of batches, counted by a progress bar."""
    with progress(total, "sampling", unit="img") as bar:
        for batch in batches:
            for image in batch.cpu():
                yield image
                bar.update()


def _opened(model: nn.Module | str | Path, device: str) -> tuple[nn.Module, list[str]]:
    """The generator, and the names of its classes where its checkpoint has them."""
    if isinstance(model, nn.Module):
        return model, []
    saved = checkpoint.read(checkpoint.resolve(model))
    generator, data = saved.generator(pick(device)), saved.config.get("data", {})
    return generator, data.get("classes") or []

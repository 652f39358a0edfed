"""Pictures along directions: a contact sheet of all, or a grid, folder or video along one of them."""

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from gan import sampling
from gan.console import progress
from gan.devices import pick
from gan.errors import UsageError
from gan.files import atomic_bytes
from gan.images import FORMATS, encode, labelled_grid, to_uint8
from gan.jobs import sampling as pictures
from gan.jobs import video
from gan.latents import parse_seeds, z_from_seeds
from gan.latents.directions import Directions, Latents, moved, picture, require_model, start
from gan.models import checkpoint, direction_files
from gan.networks.base import Noise
from gan.randomness import Draws

SHEET = (-3.0, -1.5, 0.0, 1.5, 3.0)  # standard deviations of a row
MOST_ROWS = 100
STEPS = 5  # pictures of a seed along a direction, unless asked for another number


def check_sheet(path: str | Path) -> None:
    """UsageError for a sheet in a format that holds no picture."""
    if Path(path).suffix.lower() not in FORMATS:
        raise UsageError(f"--sheet {path}: use one of {', '.join(FORMATS)}")


def write_sheet(generator: nn.Module, directions: Directions, path: str | Path, seed: int = 0) -> None:
    """One row for each direction, the first 100 at most: the image of `seed` at five steps, labelled."""
    labels = pictures.resolved_labels(None, [], generator, [seed], seed)
    walk = Walk(generator, directions, [seed], labels)
    rows, captions = [], []
    for index in progress(range(min(len(directions), MOST_ROWS)), "sheet", unit="row"):
        rows.append(walk.at(index, 0, SHEET))
        name = directions.names[index]
        captions += [f"{name} {step:+g}" if i == 0 else f"{step:+g}" for i, step in enumerate(SHEET)]
    sheet = labelled_grid(torch.cat(rows), captions, columns=len(SHEET))
    atomic_bytes(Path(path), encode(sheet, Path(path).suffix))


class Walk:
    """Seeds of a generator, ready to be moved along directions.

    labels: what `gan.jobs.sampling.resolved_labels` gives, None for a model without conditions.
    noise_seed: of random noise, which stays the same along the way.
    """

    def __init__(
        self,
        generator: nn.Module,
        directions: Directions,
        seeds: Sequence[int],
        labels: sampling.Labels | None,
        psi: float = 1.0,
        psi_cutoff: int | None = None,
        noise: sampling.Noise = "const",
        noise_seed: int = 0,
    ):
        self.generator, self.directions, self.seeds = generator, directions, seeds
        self.psi, self.psi_cutoff, self.noise, self.noise_seed = psi, psi_cutoff, noise, noise_seed
        self.device = next(generator.parameters()).device
        self.z = z_from_seeds(seeds, generator.z_dim).to(self.device)
        self.c = None
        if labels is not None:
            self.c = sampling.as_conditions(labels, generator.c_dim).to(self.device)

    @torch.inference_mode()
    def at(self, index: int, which: int, strengths: Sequence[float]) -> Tensor:
        """Seed number `which` at S strengths along a direction -> uint8 [S, C, H, W] on the CPU."""
        parts = []
        for first in range(0, len(strengths), sampling.BATCH):
            some = torch.tensor(strengths[first : first + sampling.BATCH])
            z = self.z[which : which + 1].expand(len(some), -1)
            c = None if self.c is None else self.c[which : which + 1].expand(len(some), -1)
            latents: Latents = start(self.generator, self.directions, z, c, self.psi, self.psi_cutoff)
            latents = moved(latents, self.directions, index, some)
            noise = self._noise(which, len(some))
            look = (c, noise, self.psi, self.psi_cutoff)
            parts.append(to_uint8(picture(self.generator, self.directions, latents, *look)).cpu())
        return torch.cat(parts)

    def _noise(self, which: int, count: int) -> Noise:
        if self.noise != "random":
            return self.noise
        return Draws(self.noise_seed, 0, [self.seeds[which]] * count, self.device)


def along(
    model: str | Path,
    seeds: Sequence[int] | str,
    direction: str,
    span: str,
    *,
    out: str | Path,
    labels: pictures.Wanted = None,
    psi: float = 1.0,
    psi_cutoff: int | None = None,
    noise: sampling.Noise = "const",
    seed: int = 0,
    columns: int | None = None,
    frames_per_seed: int = 30,
    fps: int = 30,
    scale: int | None = None,
    device: str = "auto",
) -> list[Path]:
    """Write every seed at steps along one direction, and return the paths.

    direction: FILE:3 or FILE:name. span: "-3..3", in standard deviations.
    out: as `gan.jobs.sampling.sample` has it. A grid has one row a seed, of `columns` steps (None: 5); a
    folder a file for each seed and step; a video takes each seed there and back in `frames_per_seed`.
    The others are those of `sample`. Raises UsageError for a direction or span that is none, UserError for a
    file of directions of another model.
    """
    kind, out = pictures.output_kind(out), Path(out)
    low, high = parse_span(span)
    numbers = parse_seeds(seeds) if isinstance(seeds, str) else list(seeds)
    saved = checkpoint.read(checkpoint.resolve(model))
    generator, classes = saved.generator(pick(device)), saved.config.get("data", {}).get("classes") or []
    directions, index = read_direction(direction, generator)
    given = pictures.resolved_labels(labels, classes, generator, numbers, seed)
    walk = Walk(generator, directions, numbers, given, psi, psi_cutoff, noise, seed)
    name = re.sub(r"[^\w.-]+", "-", directions.names[index])
    if kind == "video":
        times = [(1 - math.cos(2 * math.pi * i / frames_per_seed)) / 2 for i in range(frames_per_seed)]
        strengths = [low + (high - low) * t for t in times]
        frames = _each(walk, index, strengths)
        video.write_video(out, pictures.fitting(out, video.enlarged(frames, scale)), fps)
        return [out]
    steps = torch.linspace(low, high, columns or STEPS).tolist()
    images = _each(walk, index, steps)
    if kind == "folder":
        paths = []
        for number in numbers:
            for step in steps:
                paths += pictures.write_folder(out, [next(images)], [number], f"-{name}{step:+.3g}")
        return paths
    images = pictures.fitting(out, images, len(numbers) * len(steps), len(steps))
    captions = [f"{text} {step:+.3g}" for text in map(str, numbers) for step in steps]
    pictures.write_grid(out, images, captions, len(steps))
    return [out]


def read_direction(text: str, generator: nn.Module) -> tuple[Directions, int]:
    """'FILE:3' or 'FILE:name' -> the directions of the file, and the number of that one."""
    path, _, name = text.rpartition(":")
    if not path or not name or Path(text).is_file():
        raise UsageError(f"--direction {text}: write the file and which of its directions, such as FILE:0")
    directions = direction_files.read(path)
    index = directions.index(name)
    require_model(directions, generator, path)
    return directions, index


def parse_span(text: str) -> tuple[float, float]:
    """'-3..3' -> (-3.0, 3.0). UsageError unless they are two finite numbers, the smaller first."""
    first, dots, last = text.partition("..")
    try:
        low, high = float(first), float(last)
    except ValueError:
        low = high = math.nan
    if not (dots and math.isfinite(low) and math.isfinite(high) and low < high):
        raise UsageError(f"--range {text}: write two numbers, the smaller first, such as -3..3")
    return low, high


def _each(walk: Walk, index: int, strengths: Sequence[float]) -> Iterator[Tensor]:
    """Images [C, H, W]: all steps of the first seed, then of the next."""
    with progress(len(walk.seeds) * len(strengths), "sampling", unit="img") as bar:
        for which in range(len(walk.seeds)):
            for image in walk.at(index, which, strengths):
                yield image
                bar.update()

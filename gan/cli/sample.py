"""`gan sample`: seeds -> a folder of PNGs, one labelled grid, or a looped video, by the suffix of --out."""

import contextlib
import importlib.util
import itertools
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gan.cli.common import debug_option, device_option, seed_option
from gan.console import progress
from gan.errors import UsageError, UserError, unknown
from gan.files import atomic_bytes, atomic_write

if TYPE_CHECKING:
    from torch import Tensor

STILLS, VIDEOS = (".png", ".jpg", ".jpeg", ".webp"), (".gif", ".mp4")
ONLY_FOR = {"columns": "grid", "space": "video", "frames_per_seed": "video", "fps": "video"}

EPILOG = """\b
Examples:
  gan sample runs/00000-demo-openmoji-32 --out grid.png
  gan sample runs/00000-demo-openmoji-32 --seeds 0-999 --psi 0.7 --out samples
  gan sample runs/00000-demo-openmoji-32 --seeds 3,14,15,92 --out walk.gif
"""


@click.command("sample", epilog=EPILOG)
@click.argument("model")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Where to write; see above.")
@click.option("--seeds", default="0-63", show_default=True, help="Numbers and ranges, as in 1,5,8-10.")
@click.option("--psi", default=1.0, show_default=True, help="Truncation: 1 is none, 0 gives the average.")
@click.option("--psi-cutoff", type=click.IntRange(min=0), help="Truncate the first N layers.  [default: all]")
@click.option("--class", "class_", help="Class, by name or number.  [default: drawn for each seed]")
@click.option(
    "--noise",
    type=click.Choice(["const", "random", "none"]),
    default="const",
    show_default=True,
    help="Per-pixel noise: as trained, drawn for each image, or left out.",
)
@click.option("--columns", type=click.IntRange(min=1), help="Grid: images per row.  [default: near square]")
@click.option(
    "--space",
    type=click.Choice(["w", "z"]),
    help="Video: walk straight between styles (w), or on the sphere of latents (z)."
    "  [default: w; z for a model without styles]",
)
@click.option(
    "--frames-per-seed",
    type=click.IntRange(min=1),
    default=30,
    show_default=True,
    help="Video: frames from one seed to the next.",
)
@click.option(
    "--fps",
    type=click.IntRange(1, 120),
    default=30,
    show_default=True,
    help="Video: frames per second. GIF counts in 1/100 s, so it rounds this, to 50 at most.",
)
@device_option
@seed_option
@debug_option
@click.pass_context
def command(
    ctx: click.Context,
    model: str,
    out: Path,
    seeds: str,
    psi: float,
    psi_cutoff: int | None,
    class_: str | None,
    noise: str,
    columns: int | None,
    space: str | None,
    frames_per_seed: int,
    fps: int,
    device: str,
    seed: int,
) -> None:
    """Draw images from MODEL, a run directory (its newest checkpoint) or a checkpoint directory.

    \b
    The suffix of --out decides what is written:
      none                one file per seed in a folder: seed0007.png (.npy of more than 4 channels)
      .png, .jpg, .webp   one grid, each image labelled with its seed
      .gif, .mp4          a looped video through the seeds (mp4: pip install imageio-ffmpeg)

    An image depends on its own number in --seeds; --seed decides drawn classes and random noise.
    """
    from gan import sampling
    from gan.devices import pick
    from gan.latents import parse_seeds
    from gan.models import checkpoint

    kind = output_kind(out)
    _refuse_options_of_other_kinds(ctx, kind)
    numbers = parse_seeds(seeds)
    saved = checkpoint.read(checkpoint.resolve(model))
    generator = saved.generator(pick(device))
    classes = saved.config.get("data", {}).get("classes") or []
    labels = _labels(class_, classes, generator.c_dim, numbers, seed)
    draw = partial(
        sampling.frames if kind == "video" else sampling.images,
        generator,
        numbers,
        labels=labels,
        psi=psi,
        psi_cutoff=psi_cutoff,
        noise=noise,
    )
    if kind == "video":
        total = len(numbers) * frames_per_seed
        space = space or ("w" if sampling.has_styles(generator) else "z")
        write_video(out, _each(draw(steps=frames_per_seed, space=space), total), fps)
        click.echo(f"wrote a looped video of {total} frames to {out}")
        return
    images = _each(draw(noise_seed=seed), len(numbers))
    if kind == "grid":
        write_grid(out, images, captions(numbers, labels, classes), columns)
        click.echo(f"wrote a grid of {len(numbers)} images to {out}")
    else:
        names = write_folder(out, images, numbers)
        more = f" ... {names[-1]}" if len(names) > 1 else ""
        click.echo(f"wrote {len(names)} images to {out}/{names[0]}{more}")


def output_kind(out: Path) -> str:
    """'folder' (no suffix, or it is one already), 'grid' or 'video'.

    Raises UsageError for another suffix and UserError where .mp4 cannot be written here.
    """
    suffix = out.suffix.lower()
    if out.is_dir() or not suffix:
        return "folder"
    if suffix == ".mp4" and importlib.util.find_spec("imageio_ffmpeg") is None:
        raise UserError(f"cannot write {out}: mp4 needs pip install imageio-ffmpeg; or give a .gif")
    if suffix in STILLS + VIDEOS:
        return "grid" if suffix in STILLS else "video"
    known = ", ".join(STILLS + VIDEOS)
    raise UsageError(f"--out {out}: cannot write '{suffix}'; use a folder, or one of {known}")


def class_index(text: str, classes: Sequence[str], c_dim: int) -> int:
    """Number of the class that --class means; names go before numbers. UsageError if there is none."""
    if c_dim == 0:
        raise UsageError(f"--class {text}: this model has no classes; leave --class out")
    if text in classes:
        return classes.index(text)
    if text.isascii() and text.isdigit() and int(text) < c_dim:
        return int(text)
    raise UsageError(unknown("class", text, classes or map(str, range(c_dim))))


def captions(seeds: Sequence[int], labels: Sequence[int] | None, classes: Sequence[str]) -> list[str]:
    """Text under each image of a grid: its seed, and its class if the model has any."""
    if labels is None:
        return [str(seed) for seed in seeds]
    names = [classes[label] if label < len(classes) else str(label) for label in labels]
    return [f"{seed} {name}" for seed, name in zip(seeds, names, strict=True)]


def write_folder(out: Path, images: Iterable["Tensor"], seeds: Sequence[int]) -> list[str]:
    """Write seed0007.png and so on into `out`, each as soon as it is drawn; returns their names in order."""
    from gan.images import encode_exactly

    names = []
    for seed, image in zip(seeds, images, strict=True):
        suffix, data = encode_exactly(image)
        names.append(f"seed{seed:04d}{suffix}")
        atomic_bytes(out / names[-1], data)
    return list(dict.fromkeys(names))


def write_grid(out: Path, images: Iterable["Tensor"], labels: Sequence[str], columns: int | None) -> None:
    """Write all images as one labelled picture, in the format of the suffix."""
    import torch

    from gan.images import encode, labelled_grid

    atomic_bytes(out, encode(labelled_grid(torch.stack(list(images)), labels, columns), out.suffix))


def write_video(out: Path, frames: Iterator["Tensor"], fps: int) -> None:
    """Write frames [C, H, W] one by one as a GIF that loops, or as H.264 in mp4."""
    with atomic_write(out) as temporary:
        if out.suffix.lower() == ".gif":
            _write_gif(temporary, frames, fps)
        else:
            _write_mp4(temporary, frames, fps)


def _write_gif(path: Path, frames: Iterator["Tensor"], fps: int) -> None:
    from gan.images import to_pil, view

    hundredths = max(round(100 / fps), 2)  # viewers slow down at 1
    pictures = map(to_pil, map(view, frames))
    duration = 10 * hundredths  # milliseconds
    next(pictures).save(path, "GIF", save_all=True, append_images=pictures, duration=duration, loop=0)


def _write_mp4(path: Path, frames: Iterator["Tensor"], fps: int) -> None:
    import imageio_ffmpeg

    from gan.images import to_pil, view

    pictures = map(to_pil, map(view, frames))
    first = next(pictures)
    writer = imageio_ffmpeg.write_frames(path, first.size, fps=fps, macro_block_size=2)
    with contextlib.closing(writer):
        writer.send(None)  # starts ffmpeg
        for picture in itertools.chain([first], pictures):
            writer.send(picture.convert("RGB").tobytes())


def _labels(
    class_: str | None, classes: Sequence[str], c_dim: int, seeds: Sequence[int], seed: int
) -> list[int] | None:
    """The class of --class for every seed, or one drawn for each; None for an unconditional model."""
    from gan import sampling

    if class_ is not None:
        return [class_index(class_, classes, c_dim)] * len(seeds)
    return sampling.labels_from_seeds(seeds, c_dim, seed) if c_dim else None


def _each(batches: Iterable["Tensor"], total: int) -> Iterator["Tensor"]:
    """Single images [C, H, W] on the CPU out of batches, counted by a progress bar."""
    with progress(total, "sampling", unit="img") as bar:
        for batch in batches:
            for image in batch.cpu():
                yield image
                bar.update()


def _refuse_options_of_other_kinds(ctx: click.Context, kind: str) -> None:
    """UsageError for an option that was typed but has no meaning for this output."""
    for name, wanted in ONLY_FOR.items():
        if wanted != kind and ctx.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE:
            option = "--" + name.replace("_", "-")
            raise UsageError(
                f"{option} is for a {wanted}, and this --out makes a {kind}; leave one of them out"
            )

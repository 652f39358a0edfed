"""Frames -> a looped video of any size and rate, several walks side by side: GIF, WebP, or H.264 in mp4.

Letters: C channels, H rows, W columns.
"""

import contextlib
import importlib.util
import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gan.errors import UsageError, UserError, install
from gan.files import atomic_write
from gan.images import exif, grid, to_pil, view

VIDEOS = (".gif", ".mp4")  # and .webp where one is asked for: by itself it is a still
WEBP_BYTES = 2**31
SHOWN = 256  # pixels of the shorter side that a picture is enlarged to where nobody says otherwise


def check_writable(out: Path) -> None:
    """UserError where an .mp4 cannot be written here."""
    if out.suffix.lower() == ".mp4" and importlib.util.find_spec("imageio_ffmpeg") is None:
        raise UserError(f"cannot write {out}: mp4 needs imageio-ffmpeg; {install('video')}; or give a .gif")


def walks(seeds: Sequence[int], columns: int, rows: int) -> list[Sequence[int]]:
    """The seeds of each walk of a grid, in their order; UsageError where they cannot be shared out evenly."""
    count = columns * rows
    if len(seeds) % count:
        raise UsageError(
            f"--walks {columns}x{rows}: {len(seeds)} seeds do not make {count} walks of one length; "
            f"give {math.ceil(len(seeds) / count) * count} seeds, or another grid"
        )
    each = len(seeds) // count
    return [seeds[i * each : (i + 1) * each] for i in range(count)]


def tiled(frames: Sequence[Iterator[Tensor]], columns: int) -> Iterator[Tensor]:
    """The frames [C, H, W] of walks of one length, side by side -> [1 or 3, rows * H, columns * W]."""
    if len(frames) == 1:
        return frames[0]
    return (grid(torch.stack(parts), columns, padding=0) for parts in zip(*frames, strict=True))


def enlarged(frames: Iterator[Tensor], scale: int | None) -> Iterator[Tensor]:
    """Every pixel of [C, H, W] as scale x scale of them; None: as many as bring the shorter side to 256."""
    for frame in frames:
        factor = scale or max(math.ceil(SHOWN / min(frame.shape[1:])), 1)
        yield frame.repeat_interleave(factor, dim=1).repeat_interleave(factor, dim=2)


def resized(frames: Iterator[Tensor], size: tuple[int, int] | None) -> Iterator[Tensor]:
    """Frames [C, H, W] as [1 or 3, height, width] by Lanczos' filter. size: (width, height), or None."""
    for frame in frames:
        if size is None:
            yield frame
            continue
        picture = to_pil(view(frame)).resize(size, Image.Resampling.LANCZOS)
        pixels = torch.from_numpy(np.array(picture))  # [height, width] or [height, width, 3]
        yield pixels[None] if pixels.ndim == 2 else pixels.permute(2, 0, 1)


def check_memory(out: Path, count: int, height: int, width: int) -> None:
    """UsageError for a .webp whose frames, which its writer keeps all at once, take too much memory."""
    if out.suffix.lower() == ".webp" and (size := 3 * count * height * width) > WEBP_BYTES:
        raise UsageError(
            f"--out {out}: {count} frames of {width}x{height} take {size / 2**30:.1f} GiB of memory; "
            "give fewer or smaller ones, or .mp4, .gif or a folder"
        )


def check_size(out: Path, size: tuple[int, int] | None) -> None:
    """UsageError for frames of odd sides in an .mp4, whose colours have half the pixels."""
    if size is not None and out.suffix.lower() == ".mp4" and any(side % 2 for side in size):
        even = "x".join(str(side + side % 2) for side in size)
        raise UsageError(f"--size {size[0]}x{size[1]}: an .mp4 has even sides; use {even}")


def durations(count: int, fps: float, unit: int, least: int) -> list[int]:
    """Milliseconds of each of `count` frames, in steps of `unit`, at least `least`; on average at the rate.

    Each frame begins at its time rounded to a step, so that errors do not add up.
    """
    starts = [round(i * 1000 / fps / unit) * unit for i in range(count + 1)]
    return [max(stop - start, least) for start, stop in itertools.pairwise(starts)]


def write_video(
    out: Path, frames: Iterator[Tensor], fps: float, *, count: int | None = None, note: str = ""
) -> None:
    """Write frames [C, H, W] one by one, as .gif or .webp that loops, or as H.264 in .mp4.

    count: how many there are; None: all frames of a .gif or .webp last equally long, to its next step.
    note: ASCII text for the metadata: a GIF's comment, WebP's EXIF, the tag `comment` of an MP4.
    """
    pictures = map(to_pil, map(view, frames))
    with atomic_write(out) as temporary:
        match out.suffix.lower():
            case ".gif":  # counts in 1/100 s, and viewers slow down at one of them
                times = durations(count, fps, 10, 20) if count else max(round(100 / fps) * 10, 20)
                _animate(temporary, pictures, times, "GIF", {"comment": note.encode()})
            case ".webp":
                times = durations(count, fps, 1, 1) if count else max(round(1000 / fps), 1)
                _animate(temporary, pictures, times, "WEBP", {"exif": exif(note), "quality": 90})
            case _:
                _write_mp4(temporary, pictures, fps, note)


def _animate(
    path: Path,
    pictures: Iterator[Image.Image],
    times: list[int] | int,
    form: str,
    options: dict[str, object],
) -> None:
    """An animation that repeats for ever. times: milliseconds of each frame, or of all."""
    first = next(pictures)
    first.save(path, form, save_all=True, append_images=pictures, duration=times, loop=0, **options)


def _write_mp4(path: Path, pictures: Iterator[Image.Image], fps: float, note: str) -> None:
    import imageio_ffmpeg

    first = next(pictures)
    tags = ["-metadata", f"comment={note}", "-movflags", "+faststart"]
    writer = imageio_ffmpeg.write_frames(path, first.size, fps=fps, macro_block_size=2, output_params=tags)
    with contextlib.closing(writer):
        writer.send(None)  # starts ffmpeg
        for picture in itertools.chain([first], pictures):
            writer.send(picture.convert("RGB").tobytes())

"""Frames -> a looped video: enlarged by whole factors, several walks side by side, as GIF or as H.264 in mp4.

Letters: C channels, H rows, W columns.
"""

import contextlib
import importlib.util
import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from gan.errors import UsageError, UserError, install
from gan.files import atomic_write
from gan.images import grid, to_pil, view

VIDEOS = (".gif", ".mp4")
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


def write_video(out: Path, frames: Iterator[Tensor], fps: int) -> None:
    """Write frames [C, H, W] one by one as a GIF that loops, or as H.264 in mp4."""
    with atomic_write(out) as temporary:
        if out.suffix.lower() == ".gif":
            _write_gif(temporary, frames, fps)
        else:
            _write_mp4(temporary, frames, fps)


def _write_gif(path: Path, frames: Iterator[Tensor], fps: int) -> None:
    hundredths = max(round(100 / fps), 2)  # viewers slow down at 1
    pictures = map(to_pil, map(view, frames))
    duration = 10 * hundredths  # milliseconds
    next(pictures).save(path, "GIF", save_all=True, append_images=pictures, duration=duration, loop=0)


def _write_mp4(path: Path, frames: Iterator[Tensor], fps: int) -> None:
    import imageio_ffmpeg

    pictures = map(to_pil, map(view, frames))
    first = next(pictures)
    writer = imageio_ffmpeg.write_frames(path, first.size, fps=fps, macro_block_size=2)
    with contextlib.closing(writer):
        writer.send(None)  # starts ffmpeg
        for picture in itertools.chain([first], pictures):
            writer.send(picture.convert("RGB").tobytes())

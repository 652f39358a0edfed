"""Where pictures go: a folder, one labelled grid, a video, or its frames; each file says how it was made."""

import itertools
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from gan.errors import UsageError
from gan.files import atomic_bytes
from gan.images import SIDES, encode, encode_exactly, grid_size, labelled_cell, labelled_grid
from gan.jobs import video

STILLS = (".png", ".jpg", ".jpeg", ".webp")
Kind = Literal["folder", "image", "grid", "video", "sequence"]


def output_kind(out: str | Path, animate: bool = False, made: str | None = None) -> Kind:
    """What --out means: a folder (one already, or of no file's name: samples, psi0.7, v1.x/), grid or video.

    animate: a walk where stills were meant: of a folder its frames, of .webp an animation.
    made: what a file that is made again was, as its recipe says; a picture of a folder may then have any
    still suffix. Raises UsageError for another suffix and UserError where .mp4 cannot be written here.
    """
    named_folder = str(out).endswith(("/", os.sep))
    out = Path(out)
    suffix = out.suffix.lower()
    moving = animate or made == "video"
    if named_folder or out.is_dir() or not suffix or suffix[1:].isdigit():
        kind: Kind = "sequence" if moving else "folder"
    elif suffix in video.VIDEOS or (moving and suffix == ".webp"):
        video.check_writable(out)
        kind = "video"
    elif suffix in STILLS:
        kind = "image" if made == "image" else "grid"
    else:
        known = ", ".join(dict.fromkeys((*STILLS, *video.VIDEOS)))
        raise UsageError(f"--out {out}: cannot write '{suffix}'; use a folder, or one of {known}")
    _check_kind(out, kind, moving, made)
    return kind


def _check_kind(out: Path, kind: Kind, moving: bool, made: str | None) -> None:
    """UsageError for a walk that is to be a still, and for another thing than was made."""
    if moving and kind not in ("video", "sequence"):
        raise UsageError(f"--out {out}: {out.suffix} holds no video; use .webp, .gif, .mp4 or a folder")
    wanted = {"image": ("folder", "image"), "grid": ("grid",), "video": ("video", "sequence")}
    if made and kind not in wanted[made]:
        such = {"image": "a folder, .png, .jpg or .webp", "grid": ".png, .jpg or .webp"}
        raise UsageError(
            f"--out {out}: what is made again was {'an' if made == 'image' else 'a'} {made}; "
            f"use {such.get(made, '.gif, .mp4, .webp or a folder')}"
        )


def fitting(
    out: Path,
    images: Iterator[Tensor],
    count: int | None = None,
    columns: int | None = None,
    check: Callable[[int, int], None] = lambda height, width: None,
) -> Iterator[Tensor]:
    """These images [C, H, W]; the first tells how large their grid of `count` with captions is, or a frame.

    check: called with that height and width. Raises UsageError where the format of `out` cannot hold that,
    before the others are drawn.
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
    check(height, width)
    return itertools.chain([first], images)


def write_folder(
    out: Path, images: Iterable[Tensor], names: Sequence[str], note: Callable[[int], str]
) -> list[Path]:
    """Write each image under its name, as soon as it is drawn; returns their paths in order.

    names: without suffix. note: metadata of image i.
    """
    paths = []
    for i, (name, image) in enumerate(zip(names, images, strict=True)):
        suffix, data = encode_exactly(image, note(i))
        paths.append(out / f"{name}{suffix}")
        atomic_bytes(paths[-1], data)
    return list(dict.fromkeys(paths))


def write_image(out: Path, image: Tensor, note: str) -> Path:
    """Write one image alone, in the format of the suffix; returns its path."""
    atomic_bytes(out, encode(image, out.suffix, note))
    return out


def write_grid(
    out: Path, images: Iterable[Tensor], labels: Sequence[str], columns: int | None, note: str
) -> None:
    """Write all images as one labelled picture, in the format of the suffix."""
    atomic_bytes(out, encode(labelled_grid(torch.stack(list(images)), labels, columns), out.suffix, note))


def write_sequence(out: Path, frames: Iterable[Tensor], count: int, note: str) -> list[Path]:
    """Write `count` frames as frame000000.png and so on; returns their paths.

    Raises UsageError where the folder holds frames of a longer video, which would look like the end of it.
    """
    stale = [
        p.name for p in out.glob("frame*") if (n := re.match(r"frame(\d+)\.", p.name)) and int(n[1]) >= count
    ]
    if stale:
        raise UsageError(
            f"--out {out}: it holds {max(stale)} of a longer video; remove it, or name another folder"
        )
    return write_folder(out, frames, [f"frame{i:06d}" for i in range(count)], lambda _: note)

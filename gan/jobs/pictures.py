"""Pictures of a user, of any size and format -> images as a model makes them.

They are read as the preparation of data reads them: by Pillow's own decoders, upright, as sRGB with 8 bits,
within bounds of bytes and pixels. Letters: C channels, H rows, W columns.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gan.errors import UserError
from gan.files import refusal
from training.data.arrays import decode_array
from training.data.decoding import decode
from training.data.faults import escaped
from training.preparation.convert import Form, Frame, converted
from training.preparation.faces import framed
from training.preparation.reading import MOST_PIXELS, Unusable, read, suffixes

MAX_BYTES = 64 * 2**20  # of a file
MAX_PICTURES = 1000  # of one call
STRETCH = 0.01  # part by which sides may be out of proportion without a crop
CROPS = ("none", "centre", "face")


@dataclass(frozen=True)
class Picture:
    """name: for the files about it, unlike all others.  pixels: uint8 [C, H, W]."""

    name: str
    pixels: Tensor


def read_pictures(
    places: Sequence[str | Path], shape: tuple[int, int, int], crop: str = "none"
) -> list[Picture]:
    """The pictures of files, and of all images below folders in the order of their names.

    shape, crop: as `as_image` has them. Raises UserError, naming the file, for one that is missing, no
    picture, too large, or of other proportions, and for more than a thousand.
    """
    paths = list(itertools.islice(_files(places), MAX_PICTURES + 1))
    if len(paths) > MAX_PICTURES:
        raise UserError(f"more than {MAX_PICTURES} pictures: give fewer at a time")
    used: set[str] = set()
    found = []
    for path in paths:
        image = as_image(_content(path), path.name, shape, crop)
        stem = re.sub(r"[^\w-]+", "-", path.stem).strip("-")[:80] or "picture"
        names = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
        name = next(name for name in names if name.casefold() not in used)
        used.add(name.casefold())
        found.append(Picture(name, image))
    return found


def as_image(data: bytes, name: str, shape: tuple[int, int, int], crop: str = "none") -> Tensor:
    """The picture in the bytes of a file -> uint8 [C, H, W] of that shape.

    name: of the file, for messages and for formats that only the suffix tells. crop: centre takes the
    largest part in the middle of the model's proportions; face, as far as the picture goes, the part around
    the largest face that `gan data prepare --crop face` takes; none takes all, and refuses other proportions.
    Grey becomes colour and the reverse; transparency is laid on white where the model has none, and is full
    opacity where the picture has none. Raises UserError for what gives no pixels, or too many, and for a crop
    around a face where there is none, or none can be sought here.
    """
    channels, height, width = shape
    name = escaped(name)
    if len(data) > MAX_BYTES:
        raise UserError(f"{name} has more than {MAX_BYTES:,} bytes, the most that are read: make it smaller")
    try:
        pixels = read(data, name).pixels  # [H, W, C]
        rows, columns = pixels.shape[:2]
        apart = abs(rows * width - columns * height) > STRETCH * max(rows * width, columns * height)
        if apart and crop == "none":
            raise UserError(
                f"{name} is {columns}x{rows}, and this model makes {width}x{height}: "
                "type --crop centre to take its middle, --crop face for the part around a face, or cut it"
            )
        form = Form(height=height, width=width, channels=channels, crop=crop)
        frame = _around_face(pixels, form, name) if crop == "face" else None
        file = converted(pixels, form, frame)
    except Unusable as error:
        raise UserError(f"{name} cannot be used ({error.detail}): {_remedy(error.kind)}") from error
    except MemoryError as error:
        raise UserError(f"{name} does not fit into memory: make it smaller") from error
    array = decode(file) if channels <= 4 else decode_array(file)
    return torch.from_numpy(np.array(array))


def _around_face(pixels: np.ndarray, form: Form, name: str) -> Frame:
    frame = framed(pixels, form)[1]
    if frame is None:
        raise UserError(f"no face was found in {name}: type --crop centre, or give another picture")
    return frame


def _remedy(kind: str) -> str:
    if kind == "bomb":
        return f"give one of at most {MOST_PIXELS:,} pixels"
    return "give a PNG, JPEG or WebP that opens in a viewer"


def _files(places: Sequence[str | Path]) -> Iterator[Path]:
    """The files themselves, and what looks like an image below folders. UserError for what is not there."""
    for place in map(Path, places):
        if place.is_file():
            yield place
            continue
        if not place.is_dir():
            raise UserError(f"no picture at {escaped(str(place))}: give files, or folders of them")
        below = (p for p in place.rglob("*") if p.suffix.lower() in suffixes() and p.is_file())
        visible = sorted(p for p in below if not any(x.startswith(".") for x in p.relative_to(place).parts))
        if not visible:
            raise UserError(f"{escaped(str(place))} holds no image: give files, or another folder")
        yield from visible


def _content(path: Path) -> bytes:
    """The bytes of a file, one more than are allowed at most. UserError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UserError(refusal("read", path, error)) from error

"""Whether all images of a set have one size and colour, from the headers of their files alone."""

import contextlib
import io
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from gan.console import progress
from gan.errors import UserError
from gan.files import atomic_bytes, cache_folder
from training.data.archive import Archive
from training.data.arrays import read_header
from training.data.faults import DataError, Refused
from training.data.images import ImageDataset, called, form
from training.data.mapstyle import MapStyle

HEAD = 4096  # bytes that hold the header of nearly every image
LARGEST = 1 << 24  # and of those with large profiles and thumbnails before it
TOLD = 5  # sizes that the message names, and 3 images of each
_CHANNELS = {"1": 1, "L": 1, "LA": 2, "P": 3, "RGB": 3, "RGBA": 4}  # of Pillow's modes, as they are decoded

Shape = tuple[int, int, int]  # C, H, W


def check(dataset: ImageDataset) -> None:
    """Raises DataError, with all sizes and colours in one line, where images differ.

    Images whose header cannot be read are left to the decoder. Not looked at are objects that know no shapes,
    sets whose manifest says as much (as those of `training.preparation.writer`), and sets that were found
    uniform before, by their fingerprint, as $GAN_CACHE/uniform has it.
    """
    shape_of = shape_reader(dataset.source)
    if shape_of is None or _is_told(dataset) or _is_known(dataset):
        return
    found: dict[Shape, list[int]] = {}
    for i in progress(range(len(dataset)), "checking sizes", unit="img"):
        if (shape := shape_of(i)) is not None:
            found.setdefault(shape, []).append(i)
    if len(found) > 1:
        raise DataError(f"{dataset.place}: {_told(dataset, found)}: {_remedy(dataset.path, found)}")
    with contextlib.suppress(UserError):
        atomic_bytes(_mark(dataset), b"")


def shape_of_header(name: str, data: bytes) -> Shape | None:
    """(C, H, W) by the first bytes of a file; None where they are too few, or it is no image to decode."""
    try:
        if name.lower().endswith(".npy"):
            shape = read_header(io.BytesIO(data), "").shape
            return shape if len(shape) == 3 else None
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as image:
            channels = _CHANNELS.get(image.mode)
            return None if channels is None else (channels, image.height, image.width)
    except (Refused, UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError):
        return None


def shape_reader(source: object) -> Callable[[int], Shape | None] | None:
    """The function from the number of an image to (C, H, W); None for a source that does not know them."""
    if isinstance(source, MapStyle):
        return source.shapes.__getitem__
    if not isinstance(source, Archive):
        return None

    def shape_of(i: int) -> Shape | None:
        name, head = source.names[i], source.head(i, HEAD)
        found = shape_of_header(name, head)
        if found is None and len(head) == HEAD:
            found = shape_of_header(name, source.head(i, LARGEST))
        return found

    return shape_of


def _is_told(dataset: ImageDataset) -> bool:
    """Whether the manifest of the set gives the shape of the first image to all."""
    said = getattr(dataset.source, "manifest", {})
    shape = tuple(said.get(name) for name in ("channels", "height", "width"))
    return shape == dataset.shape and said.get("count") == len(dataset)


def _is_known(dataset: ImageDataset) -> bool:
    try:
        return _mark(dataset).exists()
    except (UserError, OSError):
        return False


def _mark(dataset: ImageDataset) -> Path:
    """The file that is there if the set was found uniform."""
    return cache_folder() / "uniform" / dataset.sha256


def _remedy(path: Path | None, found: dict[Shape, list[int]]) -> str:
    """What to do; for files a command, to the largest power of two that enlarges less than half of them."""
    if path is None:
        return "convert all to one size and colour"
    sides = sorted(min(shape[1:]) for shape, numbers in found.items() for _ in numbers)
    size = 2 ** (sides[len(sides) // 2].bit_length() - 1)
    out = f"{path}.zip" if path.is_dir() else f"{path.with_suffix('')}-{size}.zip"
    command = ["gan", "data", "prepare", str(path), "--out", out, "--resolution", str(size)]
    return f"make them one size and colour with `{shlex.join(command)}`"


def _told(dataset: ImageDataset, found: dict[Shape, list[int]]) -> str:
    """Each size with its number and the first names, the most frequent one first."""
    kinds = sorted(found.items(), key=lambda kind: -len(kind[1]))
    told = [f"{len(n)} of {form(shape)} ({_names(dataset, n)})" for shape, n in kinds[:TOLD]]
    more = f", and {len(kinds) - TOLD} more" if len(kinds) > TOLD else ""
    return f"{len(dataset)} images of {len(kinds)} kinds, {', '.join(told)}{more}"


def _names(dataset: ImageDataset, numbers: Sequence[int]) -> str:
    names = [called(dataset.source, i) for i in numbers[:3]]
    return ", ".join(names) + (", ..." if len(numbers) > 3 else "")

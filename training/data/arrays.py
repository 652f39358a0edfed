"""NumPy files: one image, the vectors of a set, or all images of a set in one array.

No file is unpickled, and nothing that a header asks for is allocated before the file is seen to hold it.

Letters: N images, C channels, H rows, W columns.
"""

import hashlib
import io
import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from training.data.faults import DataError, Refused, line

FEW = 4  # channels of an image at most, where an array must tell by its shape how it is laid out
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


@dataclass(frozen=True)
class Header:
    """What a NumPy file says of itself. start: bytes before the values."""

    shape: tuple[int, ...]
    columns_first: bool
    kind: np.dtype
    start: int

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return self.start + math.prod(self.shape) * self.kind.itemsize

    @property
    def told(self) -> str:
        """For messages."""
        return f"{self.kind} of shape {list(self.shape)}"


def read_header(stream: BinaryIO, remedy: str) -> Header:
    """The header of a NumPy file. Raises Refused if it is none, or holds objects."""
    try:
        version = np.lib.format.read_magic(stream)
        if version not in _HEADERS:
            raise ValueError("header too long")
        found = Header(*_HEADERS[version](stream), stream.tell())
    except ValueError as error:
        raise Refused(f"is not a NumPy file ({line(error)}): {remedy}") from error
    if found.kind.hasobject:
        raise Refused(f"holds {found.told}: {remedy}")
    return found


def decode_array(data: bytes) -> np.ndarray:
    """uint8 [C, H, W] of a NumPy file. Raises Refused, also where the channels seem to be the last axis."""
    remedy = "save uint8 [channels, height, width] with numpy.save"
    header = read_header(io.BytesIO(data), remedy)
    if header.kind != np.uint8 or len(header.shape) != 3 or 0 in header.shape:
        raise Refused(f"holds {header.told}: {remedy}")
    if last_is_channels(header.shape):
        raise Refused(f"holds {header.told}, channels last: save array.transpose(2, 0, 1) with numpy.save")
    return _values(data, header, "pixels")


def decode_vectors(data: bytes, count: int) -> np.ndarray:
    """Floats [count, c_dim] of a NumPy file. Raises Refused."""
    remedy = f"save floats [{count}, values] with numpy.save, a row for each image by sorted name"
    header = read_header(io.BytesIO(data), remedy)
    if header.kind.kind != "f" or len(header.shape) != 2 or header.shape[0] != count or header.shape[1] == 0:
        raise Refused(f"holds {header.told}: {remedy}")
    return _values(data, header, "vectors")


def last_is_channels(shape: tuple[int, ...]) -> bool:
    """Whether of [C, H, W] the last axis is the smallest, so that it is [H, W, C]."""
    return shape[2] < min(shape[0], shape[1])


def first_is_channels(shape: tuple[int, ...]) -> bool:
    """Whether of [H, W, C] the first axis is the smallest, and few, so that it is [C, H, W]."""
    return shape[0] < min(shape[1], shape[2]) and shape[0] <= FEW


def _values(data: bytes, header: Header, what: str) -> np.ndarray:
    """The array, a view of `data`."""
    given, needed = len(data) - header.start, header.size - header.start
    if given != needed:
        raise Refused(f"has {given} of {needed} bytes of {what}: replace or remove it")
    flat = np.frombuffer(data, header.kind, offset=header.start)
    return flat.reshape(header.shape, order="F" if header.columns_first else "C")


class StackedArray:
    """One NumPy file of all images, as `training.data.images.Images`: uint8 [N, H, W, C] or [N, C, H, W].

    A .npy file stays on the disk and is read image by image; of a .npz file the one array of four axes is
    read into memory, and the classes of the images from an array of integers [N], if there is just one.
    Raises DataError for other arrays, and for 4 or fewer channels on both sides, or on neither.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.labels: np.ndarray | None = None
        try:
            if path.suffix.lower() == ".npz":
                self._pixels, self.labels = _zipped(path)
            else:
                self._pixels = _mapped(path)
            self._planes_first = _planes_first(self._pixels.shape)
        except Refused as error:
            raise DataError(f"{path} {error}") from error
        except (OSError, zipfile.BadZipFile) as error:
            raise DataError(f"{path} cannot be read ({line(error)}): copy or make it again") from error

    def __len__(self) -> int:
        return len(self._pixels)

    def __reduce__(self) -> tuple[type, tuple[Path]]:
        """For other processes: they read the file, which NumPy would send them whole."""
        return StackedArray, (self.path,)

    @property
    def fingerprint(self) -> str:
        """sha256 of pixels, shape and classes; all of it is read."""
        digest = hashlib.sha256(repr((self._pixels.shape, self._planes_first)).encode())
        for image in self._pixels:
            digest.update(np.ascontiguousarray(image).data)
        digest.update(repr(None if self.labels is None else self.labels.tolist()).encode())
        return digest.hexdigest()

    def image(self, i: int) -> np.ndarray:
        """Image i, uint8 [C, H, W]."""
        image = self._pixels[i]
        return np.ascontiguousarray(image if self._planes_first else image.transpose(2, 0, 1))


def is_stacked(path: Path) -> bool:
    """Whether a file is a .npy, or a .npz that is not a zip of images [C, H, W]."""
    if path.suffix.lower() != ".npz":
        return path.suffix.lower() == ".npy"
    try:
        with zipfile.ZipFile(path) as archive:
            return any(len(header.shape) != 3 for header in _headers(archive).values())
    except (Refused, OSError, zipfile.BadZipFile):
        return True


_STACKED = "save uint8 [images, height, width, channels] with numpy.save"


def _planes_first(shape: tuple[int, ...]) -> bool:
    """Whether the second axis of four is that of channels, and not the last one."""
    second, last = shape[1] <= FEW, shape[3] <= FEW
    if second == last:
        both = "both" if second else "neither"
        raise Refused(
            f"has shape {list(shape)}, of which {both} of the second and the last axis look like channels:"
            " save each image as uint8 [channels, height, width] in a folder with numpy.save"
        )
    return second


def _mapped(path: Path) -> np.ndarray:
    with path.open("rb") as file:
        header = read_header(file, _STACKED)
        _check_stacked(header)
        _check_size(header, path.stat().st_size)
    order = "F" if header.columns_first else "C"
    return np.memmap(path, header.kind, "r", header.start, header.shape, order)


def _zipped(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Pixels, and classes if there are any."""
    with zipfile.ZipFile(path) as archive:
        headers = _headers(archive)
        stacks = [name for name, header in headers.items() if len(header.shape) == 4]
        if len(stacks) != 1:
            told = ", ".join(f"{name} {header.told}" for name, header in headers.items()) or "nothing"
            raise Refused(f"holds {told}, not one array of images: {_STACKED}")
        _check_stacked(headers[stacks[0]])
        count = headers[stacks[0]].shape[0]
        numbers = [
            n for n, header in headers.items() if header.shape == (count,) and header.kind.kind in "iu"
        ]
        pixels = _member(archive, stacks[0], headers[stacks[0]])
        labels = _member(archive, numbers[0], headers[numbers[0]]) if len(numbers) == 1 else None
    return pixels, labels


def _headers(archive: zipfile.ZipFile) -> dict[str, Header]:
    found = {}
    for info in archive.infolist():
        if info.filename.endswith(".npy"):
            with archive.open(info) as stream:
                found[info.filename] = read_header(stream, _STACKED)
    return found


def _member(archive: zipfile.ZipFile, name: str, header: Header) -> np.ndarray:
    _check_size(header, archive.getinfo(name).file_size)
    return _values(archive.read(name), header, "values")


def _check_stacked(header: Header) -> None:
    if header.kind != np.uint8 or len(header.shape) != 4 or 0 in header.shape:
        raise Refused(f"holds {header.told}, not pixels: {_STACKED}")


def _check_size(header: Header, given: int) -> None:
    if given != header.size:
        raise Refused(f"has {given} of {header.size} bytes: copy or make it again")

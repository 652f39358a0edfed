"""Bytes of one image file -> uint8 [C, H, W], or the reason why not."""

import contextlib
import io
import math
import struct

import numpy as np
from PIL import Image, UnidentifiedImageError

from training.data.faults import Refused, line

# Pillow mode -> the mode that holds it without loss
_MODES = {"L": "L", "1": "L", "LA": "LA", "RGB": "RGB", "P": "RGB", "RGBA": "RGBA"}
_REMEDY = "convert it to an 8-bit PNG, RGB or grey, with or without an alpha channel"


def decode(data: bytes) -> np.ndarray:
    """uint8 [C, H, W] of a PNG, JPEG or WebP file. Raises Refused."""
    if data.startswith(b"\x89PNG") and data[24:25] == b"\x10":  # Pillow would drop RGB's low byte silently
        raise Refused(f"has 16 bits per channel: {_REMEDY}")
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as image:
            _check(image)
            array = np.asarray(image.convert(_MODES[image.mode]))  # [H, W] or [H, W, C]
    except UnidentifiedImageError as error:
        raise Refused("is not a PNG, JPEG or WebP image: replace or remove it") from error
    except Image.DecompressionBombError as error:
        limit = 2 * Image.MAX_IMAGE_PIXELS
        raise Refused(f"has more than {limit:,} pixels: make it smaller, or remove it") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise Refused(f"is damaged ({line(error)}): replace or remove it") from error
    return np.ascontiguousarray(np.atleast_3d(array).transpose(2, 0, 1))


def decode_array(data: bytes) -> np.ndarray:
    """uint8 [C, H, W] of a NumPy file; nothing that its header asks for is allocated. Raises Refused."""
    remedy = "save uint8 [channels, height, width] with numpy.save"
    array, kind = _numpy(data, "pixels", remedy)
    if kind != np.uint8 or array.ndim != 3 or 0 in array.shape:
        raise Refused(f"holds {kind} of shape {list(array.shape)}: {remedy}")
    return array


def decode_vectors(data: bytes, count: int) -> np.ndarray:
    """Floats [count, c_dim] of a NumPy file; otherwise as `decode_array`."""
    remedy = f"save floats [{count}, values] with numpy.save, a row for each image by sorted name"
    array, kind = _numpy(data, "vectors", remedy)
    if kind.kind != "f" or array.ndim != 2 or len(array) != count or array.shape[1] == 0:
        raise Refused(f"holds {kind} of shape {list(array.shape)}: {remedy}")
    return array


def _numpy(data: bytes, what: str, remedy: str) -> tuple[np.ndarray, np.dtype]:
    """The array of a NumPy file that should hold `what`, a view of `data`, and its type."""
    stream = io.BytesIO(data)
    try:
        if np.lib.format.read_magic(stream) != (1, 0):
            raise ValueError("header too long")
        shape, columns_first, kind = np.lib.format.read_array_header_1_0(stream)
    except ValueError as error:
        raise Refused(f"is not a NumPy file ({line(error)}): {remedy}") from error
    if columns_first or kind.hasobject:
        raise Refused(f"holds {kind} of shape {list(shape)}: {remedy}")
    given, needed = len(data) - stream.tell(), math.prod(shape) * kind.itemsize
    if given != needed:
        raise Refused(f"has {given} of {needed} bytes of {what}: replace or remove it")
    return np.frombuffer(data, kind, offset=stream.tell()).reshape(shape), kind


def _check(image: Image.Image) -> None:
    """Refuse, from the header, what would lose something on the way to 8 bits per channel."""
    if getattr(image, "n_frames", 1) > 1:
        raise Refused(f"holds {image.n_frames} pictures: save one of them as a PNG")
    if image.mode not in _MODES:
        raise Refused(f"has colour mode {image.mode}: {_REMEDY}")
    if "transparency" in image.info:
        raise Refused(f"has transparency: {_REMEDY}")
    if (turn := _orientation(image.info.get("exif", b""))) in range(2, 9):
        raise Refused(f"is stored turned or mirrored (EXIF orientation {turn}): save it upright")


def _orientation(exif: bytes) -> int:
    """The EXIF tag 0x0112: 1 is upright, 2 to 8 are turned or mirrored; 1 where none can be read.

    Not by Pillow, which warns of damaged blocks, and Python's filters of warnings are shared by threads.
    """
    data = exif.removeprefix(b"Exif\0\0")
    order = "<" if data.startswith(b"II") else ">"
    with contextlib.suppress(struct.error):
        (start,) = struct.unpack_from(f"{order}I", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, start)
        for entry in range(count):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", data, start + 2 + 12 * entry)
            if (tag, kind) == (0x0112, 3):  # 3: a short
                return value
    return 1

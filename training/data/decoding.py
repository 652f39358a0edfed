"""Bytes of one image file -> uint8 [C, H, W], or the reason why not."""

import contextlib
import io
import re
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from training.data import jpeg
from training.data.faults import Refused, line
from training.data.rows import lacks_rows

# Pillow mode -> the mode that holds it without loss
_MODES = {"L": "L", "1": "L", "LA": "LA", "RGB": "RGB", "P": "RGB", "RGBA": "RGBA"}
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIXELS = (b"tRNS", b"acTL", b"fcTL", b"fdAT")  # chunks of a PNG that are optional and change what it shows
_XMP = b"XML:com.adobe.xmp\0"
_TURNED = re.compile(rb"""tiff:Orientation\s*(?:=\s*["']|>)\s*([1-8])\b""")
_NUMBERS = {1: "B", 3: "H", 4: "I"}  # kind of an EXIF entry -> its format
_MOST_TEXT = 2**20  # bytes
_REMEDY = "convert it to an 8-bit PNG, RGB or grey, with or without an alpha channel"


def decode(data: bytes) -> np.ndarray:
    """uint8 [C, H, W] of a PNG, JPEG or WebP file. Raises Refused."""
    if data.startswith(b"\x89PNG") and data[24:25] == b"\x10":  # Pillow would drop RGB's low byte silently
        raise Refused(f"has 16 bits per channel: {_REMEDY}")
    about: dict[str, bytes] = {}
    if data.startswith(_SIGNATURE):
        data, about = bare(data)
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as image:
            _check(image, {**image.info, **about})
            quick = jpeg.pixels(data, image.mode) if image.format == "JPEG" else None  # [H, W] or [H, W, C]
            array = np.asarray(image.convert(_MODES[image.mode])) if quick is None else quick
            if lacks_rows(image, data):
                raise Refused("is damaged (its pixels end before the last row): replace or remove it")
    except UnidentifiedImageError as error:
        raise Refused("is not a PNG, JPEG or WebP image: replace or remove it") from error
    except Image.DecompressionBombError as error:
        limit = 2 * Image.MAX_IMAGE_PIXELS
        raise Refused(f"has more than {limit:,} pixels: make it smaller, or remove it") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise Refused(f"is damaged ({line(error)}): replace or remove it") from error
    return np.ascontiguousarray(np.atleast_3d(array).transpose(2, 0, 1))


def bare(data: bytes) -> tuple[bytes, dict[str, bytes]]:
    """A PNG without the chunks that do not change its pixels, and what these say of its orientation.

    Pillow refuses texts and colour profiles beyond a size, and overlooks EXIF that follows the pixels. What
    is no chunk stays, for Pillow to refuse. The second: exif and xmp, as in `info` of its images.
    """
    view, kept, about, at, kind = memoryview(data), [_SIGNATURE], {}, len(_SIGNATURE), b""
    while kind != b"IEND" and at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if (end := at + 12 + length) > len(data):
            break
        if kind[:1].isupper() or kind in _PIXELS:
            kept.append(view[at:end])
        elif kind == b"eXIf":
            about["exif"] = bytes(view[at + 8 : end - 4])
        elif kind == b"iTXt" and view[at + 8 : at + 8 + len(_XMP)] == _XMP:
            about["xmp"] = _text(bytes(view[at + 8 + len(_XMP) : end - 4]))
        at = end
    return b"".join([*kept, view[at:]]), about


def _text(content: bytes) -> bytes:
    """The text of an iTXt chunk from its mark of compression on, as much of it as can be of use."""
    with contextlib.suppress(zlib.error, ValueError, IndexError):
        text = content[2:].split(b"\0", 2)[2]
        return zlib.decompressobj().decompress(text, _MOST_TEXT) if content[0] else text
    return b""


def _check(image: Image.Image, info: Mapping[str, Any]) -> None:
    """Refuse, from the header, what would lose something on the way to 8 bits per channel."""
    if getattr(image, "n_frames", 1) > 1:
        raise Refused(f"holds {image.n_frames} pictures: save one of them as a PNG")
    if image.mode not in _MODES:
        raise Refused(f"has colour mode {image.mode}: {_REMEDY}")
    if "transparency" in image.info:
        raise Refused(f"has transparency: {_REMEDY}")
    if (turn := turned(info)) is not None:
        raise Refused(f"is stored turned or mirrored (EXIF orientation {turn}): save it upright")


def turned(info: Mapping[str, Any]) -> int | None:
    """The EXIF orientation, 2 to 8, of an image that is not stored upright; None of any other.

    info: exif and xmp, as in `info` of Pillow's images; the second counts where the first says nothing.
    """
    turn = _orientation(info.get("exif", b""))
    xmp = info.get("xmp", b"")
    if turn is None and isinstance(xmp, bytes) and (match := _TURNED.search(xmp)):
        turn = int(match[1])
    return turn if turn in range(2, 9) else None


def _orientation(exif: bytes) -> int | None:
    """The EXIF tag 0x0112: 1 is upright, 2 to 8 are turned or mirrored; None where none can be read.

    Not by Pillow, which warns of damaged blocks, and Python's filters of warnings are shared by threads.
    """
    data = exif.removeprefix(b"Exif\0\0")
    order = "<" if data.startswith(b"II") else ">"
    with contextlib.suppress(struct.error):
        (start,) = struct.unpack_from(f"{order}I", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, start)
        for entry in range(count):
            place = start + 2 + 12 * entry
            tag, kind = struct.unpack_from(f"{order}HH", data, place)
            if tag == 0x0112 and kind in _NUMBERS:
                return struct.unpack_from(f"{order}{_NUMBERS[kind]}", data, place + 8)[0]
    return None

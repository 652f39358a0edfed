"""Whether a PNG has all the rows that its header says: Pillow fills up what is missing, and says nothing.

The packed pixels of such a file end whole, checksum and all, but too early, as tools leave them that were
stopped. What Pillow fills with are zeros: only a picture whose last row is black is unpacked a second time.
"""

import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # colour type of a header -> numbers a pixel
_PART = 1 << 20  # bytes
# First column and row, steps: of a picture in one piece, and of the seven passes of an interlaced one
_WHOLE = ((0, 0, 1, 1),)
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def lacks_rows(image: Image.Image, data: bytes) -> bool:
    """Whether the pixels of a PNG end before its last row. image: loaded.  data: of the file."""
    if image.format != "PNG" or np.asarray(image.crop((0, image.height - 1, *image.size))).any():
        return False
    wanted, had = _wanted(data), 0
    for part in _unpacked(data):
        had += part
        if had >= wanted:
            return False
    return True


def _wanted(data: bytes) -> int:
    """Bytes of the unpacked pixels, by the header: each row of each pass has one more in front."""
    width, height, depth, kind, _, _, interlaced = struct.unpack_from(">IIBBBBB", data, 16)
    total = 0
    for left, top, across, down in _ADAM7 if interlaced else _WHOLE:
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            total += rows * (1 + (columns * _CHANNELS[kind] * depth + 7) // 8)
    return total


def _unpacked(data: bytes) -> Iterator[int]:
    """Bytes that the chunks of pixels unpack to, part by part."""
    unpacker, at = zlib.decompressobj(), 8
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        packed = data[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        while packed:
            yield len(unpacker.decompress(packed, _PART))
            packed = unpacker.unconsumed_tail
        at += 12 + length

"""PNGs whose pixels end whole but too early, in every mode, and black pictures that are whole."""

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.training.preparation.hostile_bytes import SIGNATURE, chunk
from training.data.decoding import decode
from training.data.faults import Refused
from training.data.rows import lacks_rows

MODES = {"1": (1, 0), "L": (8, 0), "RGB": (8, 2), "P": (8, 3), "LA": (8, 4), "RGBA": (8, 6)}
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def whole(mode, black=False, size=(21, 13)):
    pixels = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), np.uint8) * (not black)
    image = Image.fromarray(pixels.astype(np.uint8))
    stream = io.BytesIO()
    (image.quantize(16) if mode == "P" else image.convert(mode)).save(stream, "PNG", bits=8)
    return stream.getvalue()


def with_rows(png, rows):
    """With the first rows of its pixels alone, packed again."""
    (height,) = struct.unpack_from(">I", png, 20)
    at = png.index(b"IDAT")
    (length,) = struct.unpack_from(">I", png, at - 4)
    pixels = zlib.decompress(png[at + 4 : at + 4 + length])
    row = len(pixels) // height
    return png[: at - 4] + chunk(b"IDAT", zlib.compress(pixels[: rows * row])) + chunk(b"IEND", b"")


def lacks(data):
    with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        image.load()
        return lacks_rows(image, data)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("rows", [1, 7, 12])
def test_missing_rows(mode, rows):
    data = with_rows(whole(mode), rows)
    assert lacks(data)
    with pytest.raises(Refused, match="its pixels end before the last row"):
        decode(data)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("black", [False, True])
def test_whole_pictures(mode, black):
    data = with_rows(whole(mode, black), 13)
    assert not lacks(data)
    assert decode(data).shape[1:] == (13, 21)


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (8, 8), (17, 9)])
def test_interlaced(size):
    """Black, by the passes of the standard; one byte less is too little, where Pillow has not seen it."""
    width, height = size
    sizes = [(-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in ADAM7]
    total = sum(rows * (1 + 3 * columns) for columns, rows in sizes if columns > 0 and rows > 0)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 1))
    for missing in (0, 1):
        pixels = chunk(b"IDAT", zlib.compress(bytes(total - missing)))
        data = SIGNATURE + header + pixels + chunk(b"IEND", b"")
        seen = contextlib.suppress(OSError) if missing else contextlib.nullcontext()
        with seen, Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            image.load()
            assert lacks_rows(image, data) == bool(missing)


def test_pixels_in_many_chunks():
    png = whole("RGB", black=True, size=(300, 200))
    at = png.index(b"IDAT")
    (length,) = struct.unpack_from(">I", png, at - 4)
    packed = png[at + 4 : at + 4 + length]
    parts = b"".join(chunk(b"IDAT", packed[i : i + 7]) for i in range(0, length, 7))
    assert not lacks(png[: at - 4] + parts + chunk(b"IEND", b""))

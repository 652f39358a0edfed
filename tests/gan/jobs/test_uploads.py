"""Uploads: good ones become images of the model's shape, hostile ones are refused in one line."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from gan.errors import UserError
from gan.jobs import uploads


def encoded(image, kind, **how):
    buffer = io.BytesIO()
    image.save(buffer, kind, **how)
    return buffer.getvalue()


def noise(width=64, height=48, mode="RGB"):
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(values).convert(mode)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, more=b"", body=b"", depth=8, colour=2):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return uploads.PNG + header + more + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


PNG, JPEG, WEBP = (encoded(noise(), kind) for kind in ("PNG", "JPEG", "WEBP"))
TEXT = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"x" * 80_000_000))
SIZE = struct.pack(">HH", 48, 64)  # as a JPEG says it
NOISE = np.random.default_rng(1).bytes(3000)
HOSTILE = {
    "empty": b"",
    "text": b"hello",
    "html": b"<!doctype html><script>alert(1)</script>",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    "zip": b"PK\x03\x04" + bytes(100),
    "pdf": b"%PDF-1.7\n" + bytes(100),
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "tiff": encoded(noise(), "TIFF"),
    "gif": encoded(noise(), "GIF"),
    "bmp": encoded(noise(), "BMP"),
    "pickle": b"\x80\x04\x95" + bytes(50),
    "numpy": b"\x93NUMPY\x01\x00" + bytes(50),
    "only a signature": uploads.PNG,
    "png cut in its pixels": PNG[: len(PNG) // 2],
    "jpeg cut in its pixels": JPEG[: len(JPEG) // 2],
    "webp cut in its pixels": WEBP[: len(WEBP) // 2],
    "png without its last rows": png(64, 64, body=bytes(64 * 3 * 10)),
    "png that claims 65535 x 65535": png(65535, 65535),
    "png that claims 5000 x 5000": png(5000, 5000),
    "png that claims 0 x 0": png(0, 0),
    "png that claims 5000 x 5000 behind texts": png(5000, 5000, more=TEXT * 2),
    "jpeg that claims 65500 x 65500": JPEG.replace(
        struct.pack(">HH", 48, 64), struct.pack(">HH", 65500, 65500)
    ),
    "jpeg of four inks that claims 8000 x 8000": encoded(noise(mode="CMYK"), "JPEG").replace(
        SIZE, struct.pack(">HH", 8000, 8000)
    ),
    "random bytes behind a signature": uploads.PNG + NOISE,
    "random bytes behind that of jpeg": b"\xff\xd8\xff\xe0" + NOISE,
    "random bytes behind that of webp": b"RIFF\x00\x10\x00\x00WEBPVP8 " + NOISE,
    "more bytes than are taken": bytes(uploads.MOST_BYTES + 1),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_in_one_line(name):
    with pytest.raises(UserError) as error:
        uploads.picture(HOSTILE[name], (3, 32, 32))
    text = str(error.value)
    assert "\n" not in text and 20 < len(text) < 250 and ("file" in text or "image" in text)


def test_there_are_twenty_of_them():
    assert len(HOSTILE) >= 20


@pytest.mark.parametrize("data", [PNG, JPEG, WEBP])
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 16, 24), (4, 32, 32)])
def test_good_files_become_images_of_the_model(data, shape):
    image = uploads.picture(data, shape)
    assert tuple(image.shape) == shape and image.float().std() > 5


def test_good_files_behind_long_texts():
    """Pillow refuses texts that unpack to this much; they are no reason to refuse the picture."""
    at = PNG.index(b"IDAT") - 4
    image = uploads.picture(PNG[:at] + TEXT * 2 + PNG[at:], (3, 32, 32))
    assert image.equal(uploads.picture(PNG, (3, 32, 32)))


def test_the_middle_is_taken():
    stripes = Image.new("RGB", (96, 32), "blue")
    stripes.paste((255, 0, 0), (32, 0, 64, 32))
    image = uploads.picture(encoded(stripes, "PNG"), (3, 32, 32))
    assert image.flatten(1).T.unique(dim=0).tolist() == [[255, 0, 0]]


def test_a_photograph_that_is_stored_turned_is_upright():
    picture = Image.new("RGB", (32, 32), "black")
    picture.paste((255, 255, 255), (0, 0, 32, 8))  # a bright sky
    exif = Image.Exif()
    exif[0x0112] = 3  # stored upside down
    data = encoded(picture.rotate(180), "JPEG", quality=95, exif=exif)
    image = uploads.picture(data, (3, 32, 32)).float()
    assert image[:, :6].mean() > 200 and image[:, 10:].mean() < 30

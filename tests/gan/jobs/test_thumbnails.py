"""Pictures of files that training refuses for their form, and reasons where there is nothing to show."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from gan.jobs import thumbnails
from gan.jobs.thumbnails import placeholder, shrunk, thumbnail
from training.data.decoding import decode
from training.data.faults import Refused

RED, BLUE = (230, 20, 20), (20, 20, 230)


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def seen(data):
    return Image.open(io.BytesIO(data), formats=("WEBP",)).convert("RGB")


def halves(size=(120, 60)):
    """Red on the left, blue on the right."""
    image = Image.new("RGB", size, RED)
    image.paste(BLUE, (size[0] // 2, 0, *size))
    return image


def near(pixel, colour):
    return max(abs(a - b) for a, b in zip(pixel, colour, strict=True)) < 40


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "TGA", "JPEG2000"])
def test_formats(kind):
    image = seen(thumbnail(saved(halves(), kind), 40))
    assert image.size == (40, 20)
    assert near(image.getpixel((8, 10)), RED) and near(image.getpixel((32, 10)), BLUE)


def test_nothing_is_enlarged():
    assert seen(thumbnail(saved(halves((12, 6)), "PNG"), 40)).size == (12, 6)


def test_turned_is_shown_upright():
    exif = Image.Exif()
    exif[0x0112] = 3  # stored upside down
    data = saved(halves(), "JPEG", exif=exif)
    with pytest.raises(Refused):
        decode(data)
    image = seen(thumbnail(data, 40))
    assert near(image.getpixel((8, 10)), BLUE) and near(image.getpixel((32, 10)), RED)


def test_transparent_lies_on_white():
    image = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    assert near(seen(thumbnail(saved(image, "PNG"), 40)).getpixel((20, 20)), (255, 255, 255))
    palette = Image.new("P", (40, 40), 0)
    palette.putpalette([*RED, *BLUE])
    palette.paste(1, (20, 0, 40, 40))
    image = seen(thumbnail(saved(palette, "GIF", transparency=0), 40))
    assert near(image.getpixel((5, 20)), (255, 255, 255)) and near(image.getpixel((35, 20)), BLUE)


def test_cmyk_and_an_animation_and_sixteen_bits():
    assert near(seen(thumbnail(saved(halves().convert("CMYK"), "JPEG"), 40)).getpixel((8, 10)), RED)
    frames = [halves(), Image.new("RGB", (120, 60), BLUE)]
    film = saved(frames[0], "WEBP", save_all=True, append_images=frames[1:])
    assert near(seen(thumbnail(film, 40)).getpixel((8, 10)), RED)
    ramp = Image.fromarray(np.tile(np.linspace(1000, 3000, 64, dtype=np.uint16), (64, 1)))
    image = seen(thumbnail(saved(ramp, "PNG"), 64))
    assert image.getpixel((1, 30))[0] < 20 and image.getpixel((62, 30))[0] > 235


def test_a_large_photograph_is_decoded_smaller(monkeypatch):
    drafted = []
    from PIL import JpegImagePlugin

    draft = JpegImagePlugin.JpegImageFile.draft
    monkeypatch.setattr(
        JpegImagePlugin.JpegImageFile,
        "draft",
        lambda self, mode, size: drafted.append(size) or draft(self, mode, size),
    )
    image = seen(thumbnail(saved(halves((3000, 1500)), "JPEG"), 100))
    assert drafted == [(200, 200)] and image.size == (100, 50)
    assert near(image.getpixel((20, 25)), RED) and near(image.getpixel((80, 25)), BLUE)


def test_the_decoder_of_training_comes_first(monkeypatch):
    monkeypatch.setattr(thumbnails, "decode", lambda data: np.full((3, 8, 8), 255, np.uint8))
    assert near(seen(thumbnail(saved(halves(), "PNG"), 40)).getpixel((4, 4)), (255, 255, 255))


def bomb():
    """A PNG that says to have 60,000 x 60,000 pixels."""
    data = bytearray(saved(halves((8, 8)), "PNG"))
    data[16:24] = struct.pack(">II", 60_000, 60_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no image"),
        (b"%PDF-1.4", "no image"),
        (saved(halves(), "PNG")[:150], "damaged"),
        (saved(halves(), "JPEG")[:-400], "damaged"),
        (bomb(), "pixels"),
    ],
)
def test_what_cannot_be_shown(data, words):
    with pytest.raises(Refused, match=words):
        thumbnail(data, 40)


def test_no_more_pixels_than_fit(monkeypatch):
    monkeypatch.setattr(thumbnails, "MAX_PIXELS", 119 * 60)
    with pytest.raises(Refused, match="has 120 x 60 pixels"):
        thumbnail(saved(halves(), "PNG"), 40)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
def test_arrays(channels):
    array = np.zeros((channels, 30, 60), np.uint8)
    array[:3] = 255
    image = seen(shrunk(array, 40))
    assert image.size == (40, 20)


def test_a_placeholder_says_why_and_holds_no_markup():
    text = placeholder('is damaged (<script>alert("x")</script>)').decode()
    assert text.startswith("<svg") and "&lt;script&gt;" in text and "<script" not in text
    assert "<title>is damaged (" in text

"""Pictures of files that training refuses for their form, and reasons where there is nothing to show."""

import io

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from gan.jobs import thumbnails
from gan.jobs.thumbnails import of_file, placeholder, shrunk, thumbnail
from gan.jobs.work_folder import Seen
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
    name = "a.tga" if kind == "TGA" else "a"
    image = seen(thumbnail(saved(halves(), kind), name, 40))
    assert image.size == (40, 20)
    assert near(image.getpixel((8, 10)), RED) and near(image.getpixel((32, 10)), BLUE)


def test_nothing_is_enlarged():
    assert seen(thumbnail(saved(halves((12, 6)), "PNG"), "a.png", 40)).size == (12, 6)


def test_what_training_refuses_is_shown():
    exif = Image.Exif()
    exif[0x0112] = 3  # stored upside down
    turned = seen(thumbnail(saved(halves(), "JPEG", exif=exif), "a.jpg", 40))
    assert near(turned.getpixel((8, 10)), BLUE) and near(turned.getpixel((32, 10)), RED)
    clear = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    assert near(seen(thumbnail(saved(clear, "PNG"), "a.png", 40)).getpixel((20, 20)), (255, 255, 255))
    print_colours = saved(halves().convert("CMYK"), "JPEG")
    assert near(seen(thumbnail(print_colours, "a.jpg", 40)).getpixel((8, 10)), RED)
    film = saved(halves(), "WEBP", save_all=True, append_images=[Image.new("RGB", (120, 60), BLUE)])
    assert near(seen(thumbnail(film, "a.webp", 40)).getpixel((8, 10)), RED)


def test_a_large_photograph_is_decoded_smaller(monkeypatch):
    drafted = []
    draft = JpegImagePlugin.JpegImageFile.draft
    monkeypatch.setattr(
        JpegImagePlugin.JpegImageFile,
        "draft",
        lambda self, mode, size: drafted.append(size) or draft(self, mode, size),
    )
    exif = Image.Exif()
    exif[0x0112] = 3
    image = seen(thumbnail(saved(halves((3000, 1500)), "JPEG", exif=exif), "a.jpg", 100))
    assert drafted == [(200, 200)] and image.size == (100, 50)
    assert near(image.getpixel((20, 25)), BLUE) and near(image.getpixel((80, 25)), RED)


@pytest.mark.parametrize(
    "data", [b"", b"%PDF-1.4", saved(halves(), "PNG")[:150], saved(halves((3000, 1500)), "JPEG")[:9000]]
)
def test_what_cannot_be_shown(data):
    with pytest.raises(Refused, match="."):
        thumbnail(data, "a.png", 40)


def test_what_could_not_be_decoded_is_not_tried():
    """A file may have hung its decoder: nothing reads it, and the reason is told."""
    file = Seen(number=0, path="a", source=0, verdict="drop", decoded=False, detail="no result after 10 s")
    with pytest.raises(Refused, match="no result after 10 s"):
        of_file(None, file, 40)


def test_no_more_pixels_than_fit(monkeypatch):
    monkeypatch.setattr(thumbnails, "MAX_PIXELS", 119 * 60)
    file = Seen(number=0, path="a", source=0, verdict="keep", width=120, height=60)
    with pytest.raises(Refused, match="has 120 x 60 pixels"):
        of_file(None, file, 40)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
def test_arrays(channels):
    array = np.zeros((30, 60, channels), np.uint8)
    array[..., 0] = 255
    image = seen(shrunk(array, 40))
    assert image.size == (40, 20)
    if channels != 2 and channels != 4:  # these are clear, and lie on white
        assert near(image.getpixel((20, 10)), (255, 255, 255) if channels == 1 else (255, 0, 0))


def test_a_placeholder_says_why_and_holds_no_markup():
    text = placeholder('is damaged (<script>alert("x")</script>)').decode()
    assert text.startswith("<svg") and "&lt;script&gt;" in text and "<script" not in text
    assert "<title>is damaged (" in text

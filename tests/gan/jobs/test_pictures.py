"""Pictures of a user: read within bounds, in the shape of a model, refused in one line."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from gan.errors import UserError
from gan.jobs import pictures
from gan.jobs.pictures import as_image, read_pictures
from training.preparation.convert import Form, converted
from training.preparation.faces import Face, framed
from training.preparation.reading import read

SHAPE = (3, 16, 16)
NOISE = np.random.RandomState(0).randint(256, size=(16, 16, 3), dtype=np.uint8)


def encoded(array: np.ndarray, mode: str, form: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array, mode).save(buffer, form, **options)
    return buffer.getvalue()


def stripes(height: int, width: int) -> np.ndarray:
    """Red at the left third, green, blue."""
    array = np.zeros((height, width, 3), np.uint8)
    for band in range(3):
        array[:, band * width // 3 : (band + 1) * width // 3, band] = 255
    return array


def test_a_picture_of_the_models_size_keeps_every_byte():
    image = as_image(encoded(NOISE, "RGB"), "a.png", SHAPE)
    assert image.dtype == torch.uint8
    assert np.array_equal(image.permute(1, 2, 0), NOISE)


def test_proportions_are_kept_or_the_middle_is_taken():
    data = encoded(stripes(16, 48), "RGB")
    with pytest.raises(UserError, match="a.png is 48x16, and this model makes 16x16: type --crop centre"):
        as_image(data, "a.png", SHAPE)
    middle = as_image(data, "a.png", SHAPE, "centre").permute(1, 2, 0).reshape(-1, 3)
    assert middle.unique(dim=0).tolist() == [[0, 255, 0]]
    assert as_image(encoded(stripes(30, 40), "RGB"), "a", (3, 12, 16)).shape == (3, 12, 16)


class Finder:
    """Finds a face of a side of 8 (a frame of 16) around each given middle."""

    def __init__(self, *middles):
        self.middles = middles

    def find(self, rgb):
        return [
            Face(
                box=(x - 4, y - 4, x + 4, y + 4),
                sureness=0.9,
                points=((x - 2, y), (x + 2, y), (x, y), (x, y), (x, y)),
            )
            for x, y in self.middles
        ]


def test_a_crop_around_a_face_is_that_of_the_preparation_of_data(monkeypatch):
    data = encoded(stripes(40, 90), "RGB")
    monkeypatch.setattr("training.preparation.faces._finder", lambda: Finder((75, 20)))
    image = as_image(data, "a.png", SHAPE, "face")
    assert image.permute(1, 2, 0).reshape(-1, 3).unique(dim=0).tolist() == [[0, 0, 255]]
    form = Form(height=16, width=16, crop="face")
    whole = np.array(read(data, "a.png").pixels)
    prepared = converted(whole, form, framed(whole, form)[1])
    assert np.array_equal(Image.open(io.BytesIO(prepared)), image.permute(1, 2, 0))
    monkeypatch.setattr("training.preparation.faces._finder", lambda: Finder())
    with pytest.raises(UserError, match=r"^no face was found in a.png: type --crop centre"):
        as_image(data, "a.png", SHAPE, "face")


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize(("mode", "level"), [("L", 80), ("LA", (80, 255)), ("RGB", (80,) * 3)])
def test_channels_become_those_of_the_model(channels, mode, level):
    image = as_image(encoded(np.array(Image.new(mode, (16, 16), level)), mode), "a.png", (channels, 16, 16))
    wanted = {1: [80], 2: [80, 255], 3: [80] * 3, 4: [80] * 3 + [255]}[channels]
    assert image[:, 3, 5].tolist() == wanted


def test_transparency_is_laid_on_white_where_the_model_has_none():
    clear = np.zeros((16, 16, 4), np.uint8)
    assert as_image(encoded(clear, "RGBA"), "a.png", SHAPE).unique().tolist() == [255]
    assert as_image(encoded(clear, "RGBA"), "a.png", (4, 16, 16))[3].unique().tolist() == [0]


def test_a_photograph_stands_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    data = encoded(stripes(48, 48), "RGB", "JPEG", exif=exif, quality=95)
    image = as_image(data, "a.jpg", SHAPE)
    assert image[0, 0].float().mean() > 200 > image[0, 15].float().mean()  # red is above


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "zero bytes"),
        (b"MZ" + bytes(100), "a.png cannot be used"),
        (encoded(NOISE, "RGB")[:400], "a.png cannot be used"),
        (bytes(pictures.MAX_BYTES + 1), "more than 67,108,864 bytes"),
    ],
    ids=["empty", "program", "cut off", "too long"],
)
def test_what_is_no_picture_is_refused_in_one_line(data, message):
    with pytest.raises(UserError, match=message) as caught:
        as_image(data, "a.png", SHAPE)
    assert "\n" not in str(caught.value)


def test_folders_are_read_in_order_and_names_stay_apart(tmp_path):
    for name in ("b.png", "a.png", "sub/a.png", ".hidden/c.png", "notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encoded(np.full((16, 16, 3), len(name), np.uint8), "RGB"))
    found = read_pictures([tmp_path, tmp_path / "b.png"], SHAPE)
    assert [picture.name for picture in found] == ["a", "b", "a-2", "b-2"]
    assert [int(picture.pixels[0, 0, 0]) for picture in found] == [5, 5, 9, 5]


def test_too_many_and_none_are_refused(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="no picture at"):
        read_pictures([tmp_path / "none.png"], SHAPE)
    with pytest.raises(UserError, match="holds no image"):
        read_pictures([tmp_path], SHAPE)
    monkeypatch.setattr(pictures, "MAX_PICTURES", 1)
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(encoded(np.zeros((16, 16, 3), np.uint8), "RGB"))
    with pytest.raises(UserError, match="more than 1 pictures"):
        read_pictures([tmp_path], SHAPE)

"""Pixels -> images of a set: which part is kept, where it lies, how it is resized."""

import io

import numpy as np
import pytest
from PIL import Image

from gan.errors import UsageError
from tests.training.preparation.samples import pattern
from training.preparation.convert import Form, converted, placement
from training.preparation.request import colour_of, size_of


def decoded(data):
    return np.asarray(Image.open(io.BytesIO(data), formats=("PNG",)))


@pytest.mark.parametrize(
    ("crop", "size", "box", "inside"),
    [
        ("centre", (100, 300), (100, 0, 200, 100), (0, 0, 50, 50)),
        ("centre", (300, 100), (0, 100, 100, 200), (0, 0, 50, 50)),
        ("wide", (100, 300), (0, 0, 300, 100), (0, 16, 50, 33)),  # all of it, on a ground above and below
        ("wide", (300, 100), (0, 100, 100, 200), (0, 0, 50, 50)),
        ("tall", (100, 300), (100, 0, 200, 100), (0, 0, 50, 50)),
        ("tall", (300, 100), (0, 0, 100, 300), (16, 0, 33, 50)),
        ("none", (100, 300), (0, 0, 300, 100), (0, 0, 50, 50)),
    ],
)
def test_placement(crop, size, box, inside):
    assert placement(*size, Form(height=50, width=50, crop=crop)) == (box, inside)


def test_placement_of_a_rectangle():
    form = Form(height=20, width=40)
    assert placement(100, 100, form) == ((0, 25, 100, 75), (0, 0, 40, 20))


def test_box_is_the_mean_of_blocks():
    pixels = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    image = decoded(converted(pixels, Form(height=8, width=8, filter="box")))
    means = pixels[:, 8:40].reshape(8, 4, 8, 4, 3).mean((1, 3))
    assert np.abs(image - means).max() <= 1


def test_lanczos_is_antialiased():
    """Stripes beyond the new Nyquist frequency become grey; without a filter they would alias."""
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    image = decoded(converted(stripes, Form(height=16, width=16)))
    assert np.abs(image[:, 2:-2].astype(int) - 127).max() <= 2


def test_the_right_size_is_copied():
    pixels = pattern(0, 16, 24)
    for name in ("lanczos", "box"):
        assert np.array_equal(decoded(converted(pixels, Form(height=16, width=24, filter=name))), pixels)


def test_ground_where_the_picture_does_not_fill():
    form = Form(height=16, width=16, crop="wide", background=(10, 20, 30))
    image = decoded(converted(np.full((8, 16, 3), 200, np.uint8), form))
    assert (image[:4] == [10, 20, 30]).all() and (image[12:] == [10, 20, 30]).all()
    assert (image[4:12] == 200).all()


def test_many_channels_become_a_numpy_file():
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 5), dtype=np.uint8)
    data = converted(pixels, Form(height=4, width=4, channels=5, filter="box"))
    planes = np.load(io.BytesIO(data))
    assert planes.shape == (5, 4, 4)
    assert np.abs(planes - pixels.reshape(4, 2, 4, 2, 5).mean((1, 3)).transpose(2, 0, 1)).max() <= 1


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_channels(channels):
    image = Image.open(
        io.BytesIO(converted(pattern(0), Form(height=8, width=8, channels=channels))), formats=("PNG",)
    )
    assert len(image.getbands()) == channels


def test_keys_differ_by_everything_that_shows():
    forms = [
        Form(height=8, width=8),
        Form(height=8, width=9),
        Form(height=8, width=8, channels=1),
        Form(height=8, width=8, crop="none"),
        Form(height=8, width=8, filter="box"),
        Form(height=8, width=8, background=(0, 0, 0)),
    ]
    assert len({form.key("a") for form in forms} | {forms[0].key("b")}) == 7


def test_words():
    assert size_of("256") == (256, 256) and size_of("64x96") == (64, 96)
    assert colour_of("white") == (255, 255, 255) and colour_of("#0a141e") == (10, 20, 30)
    for call, text in ((size_of, "big"), (size_of, "1x2x3"), (size_of, "2"), (colour_of, "nocolour")):
        with pytest.raises(UsageError, match=text):
            call(text)

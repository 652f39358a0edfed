"""Matrices of the transforms: closed forms, order of composition."""

import math

import numpy as np
import pytest
import torch

from training.augment import transforms
from training.augment.config import StrengthConfig

S = StrengthConfig()


def values(*numbers):
    return torch.tensor(numbers, dtype=torch.float64)


def array(*numbers):
    return np.array(numbers, np.float64)


def one(name, value, width=8, height=4):
    """Geometry of a single draw."""
    return transforms.geometry({name: torch.tensor([value])}, S, width, height)[0]


@pytest.mark.parametrize(
    ("name", "value", "rows"),
    [
        ("xflip", 1.0, [[-1, 0, 0], [0, 1, 0]]),
        ("rotate90", 1.0, [[0, -1, 0], [1, 0, 0]]),
        ("rotate90", 2.0, [[-1, 0, 0], [0, -1, 0]]),
        ("xint", [1.0, -1.0], [[1, 0, -1], [0, 1, 0]]),  # 1/8 of 8 and of 4 pixels; half a pixel goes to 0
        ("scale", 5.0, [[0.5, 0, 0], [0, 0.5, 0]]),
        ("rotate", [0.5, 0.0], [[0, -1, 0], [1, 0, 0]]),
        ("rotate", [0.25, 0.25], [[0, -1, 0], [1, 0, 0]]),
        ("aniso", 5.0, [[0.5, 0, 0], [0, 2, 0]]),
        ("xfrac", [1.0, 0.5], [[1, 0, -1], [0, 1, -0.25]]),
    ],
)
def test_geometry(name, value, rows, close):
    close(one(name, value), values(*rows, [0, 0, 1]))


def test_nothing_drawn_is_the_identity_exactly():
    names = {"xflip": 1, "rotate90": 1, "xint": 2, "scale": 1, "rotate": 2, "aniso": 1, "xfrac": 2}
    shapes = {name: (3, k) if k > 1 else (3,) for name, k in names.items()}
    draws = {name: torch.zeros(shape) for name, shape in shapes.items()}
    assert transforms.geometry(draws, S, 5, 7).equal(torch.eye(3, dtype=torch.float64).repeat(3, 1, 1))
    names = ("brightness", "contrast", "lumaflip", "hue", "saturation")
    colour = transforms.colour({name: torch.zeros(3) for name in names}, S, 3)
    assert colour.equal(torch.eye(4, dtype=torch.float64).repeat(3, 1, 1))
    assert transforms.band_gains({"imgfilter": torch.zeros(3, 4)}, S).equal(torch.ones(3, 4).double())


def test_absent_transforms():
    assert transforms.geometry({"hue": torch.ones(1)}, S, 4, 4) is None
    assert transforms.colour({"xflip": torch.ones(1)}, S, 3) is None
    assert transforms.colour({"hue": torch.ones(1)}, S, 1) is None  # a grey image has no hue
    assert transforms.band_gains({}, S) is None


def test_geometry_composes_in_the_order_of_the_paper(close):
    draws = {"xfrac": [[0.3, -1.0]], "aniso": [0.7], "rotate": [[0.2, -0.4]], "xflip": [1.0]}
    draws = {name: values(*value) for name, value in draws.items()}
    flip = transforms.diagonal(array(-1), 1, 1)
    before, after = (transforms.rotation(array(u * math.pi)) for u in (0.2, -0.4))
    s = 2 ** (0.7 * S.aniso_std)
    stretch = transforms.diagonal(array(1 / s), s, 1)
    shift = transforms.translation(array([-0.3 * 8 / 8, 1.0 * 4 / 8]))
    close(transforms.geometry(draws, S, 8, 4), torch.from_numpy(flip @ before @ stretch @ after @ shift))


def paint(matrix, rgb):
    return torch.from_numpy((matrix[0] @ array(*rgb, 1))[:3])


def test_colours(close):
    rgb = (0.3, -0.2, 0.5)
    grey = sum(rgb) / 3
    close(paint(transforms.colour_offset(array(0.1)), rgb), values(*rgb) + 0.1)
    close(paint(transforms.colour_gain(array(2.0)), rgb), values(*rgb) * 2)
    close(paint(transforms.luma_flip(array(1.0)), rgb), values(*rgb) - 2 * grey)  # grey changes its sign
    close(paint(transforms.hue_rotation(array(2 * math.pi / 3)), rgb), values(0.5, 0.3, -0.2))
    close(paint(transforms.saturation(array(0.0)), rgb), values(grey, grey, grey))
    close(paint(transforms.saturation(array(3.0)), rgb), (values(*rgb) - grey) * 3 + grey)


def test_colour_composes_in_the_order_of_the_paper(close):
    draws = {"saturation": values(0.4), "brightness": values(1.0), "contrast": values(-1.0)}
    b, c, s = 1 * S.brightness_std, 2 ** (-1 * S.contrast_std), 2 ** (0.4 * S.saturation_std)
    want = (
        transforms.saturation(array(s))
        @ transforms.colour_gain(array(c))
        @ transforms.colour_offset(array(b))
    )
    close(transforms.colour(draws, S, 3), torch.from_numpy(want))


def test_band_gains_keep_the_energy(close):
    gains = transforms.band_gains({"imgfilter": values([0.0, 2.0, 0.0, 0.0])}, S)[0]
    assert (gains[1] / gains[0]).item() == pytest.approx(4)
    close((values(10, 1, 1, 1) / 13 * gains.square()).sum(), values(1)[0])

"""Measures against closed forms, on pictures made worse step by step, and in feature space."""

import math

import numpy as np
import pytest
from PIL import Image, ImageFilter

from tests.training.preparation import scenes
from training.preparation.quality import balance, measure, outliers

COLOURS = ("sharpness", "brightness", "contrast", "colourfulness", "blank", "dark", "light")


def checker(first, second, size=64):
    """uint8 [size, size, 3] of two colours by turns."""
    y, x = np.mgrid[:size, :size]
    return np.where(((y + x) % 2 == 0)[..., None], first, second).astype(np.uint8)


def test_of_one_colour():
    found = measure(np.full((30, 50, 3), [200, 100, 0], np.uint8))
    grey = 0.299 * 200 + 0.587 * 100
    colour = 0.3 * math.hypot(100, 150)  # of the means alone
    assert found == pytest.approx(dict(zip(COLOURS, (0, grey, 0, colour, 1, 0, 0), strict=True)), abs=1e-3)


def test_of_a_chessboard():
    """Each pixel differs from its four neighbours by d: the Laplacian is +-4d, its variance 16 d^2."""
    found = measure(checker([50] * 3, [80] * 3))
    inner = 16 * 30**2
    edges = 4 * 62 * (3 * 30) ** 2 + 4 * (2 * 30) ** 2  # a repeated edge has no difference to itself
    assert found["sharpness"] == pytest.approx((62**2 * inner + edges) / 64**2, rel=1e-5)
    assert found["brightness"] == pytest.approx(65) and found["contrast"] == pytest.approx(15)
    assert found["colourfulness"] == pytest.approx(0, abs=1e-4)
    assert found["blank"] == 0  # the median lies between the two


def test_colourfulness_of_two_colours():
    """Red and green by turns: rg is +-255, yb 127.5; by Hasler and Suesstrunk, equation of M(3)."""
    found = measure(checker([255, 0, 0], [0, 255, 0]))
    assert found["colourfulness"] == pytest.approx(255 + 0.3 * 127.5, rel=1e-5)


def test_exposure():
    rgb = checker([0, 0, 0], [255, 255, 255])
    rgb[:16] = 128
    found = measure(rgb)
    assert found["dark"] == found["light"] == pytest.approx(0.375)


def test_blank_allows_for_noise_but_not_for_a_thing():
    rng = np.random.default_rng(0)
    noisy = (120 + rng.normal(0, 1, (80, 80, 3))).round().astype(np.uint8)
    assert measure(noisy)["blank"] > 0.99
    noisy[20:40, 20:60] = 30
    assert measure(noisy)["blank"] == pytest.approx(1 - 800 / 6400, abs=0.01)


def test_blur_lowers_sharpness_whatever_the_size():
    """Steps of blur that grow with the picture give the same order and nearly the same numbers."""
    image = Image.fromarray(scenes.scene(3, 512, 512))
    found = [
        measure(np.asarray(image.filter(ImageFilter.GaussianBlur(r))))["sharpness"] for r in (0, 2, 4, 8)
    ]
    assert found == sorted(found, reverse=True)
    assert found[0] > 20 * found[-1]
    large = np.asarray(image.resize((1024, 1024), Image.Resampling.NEAREST))
    assert measure(large)["sharpness"] == pytest.approx(found[0], rel=1e-3)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (2, 3), (3000, 2)])
def test_extreme_shapes(shape):
    found = measure(np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8))
    assert all(math.isfinite(value) for value in found.values())


def test_outliers_are_found_and_do_not_hide_each_other():
    rng = np.random.default_rng(0)
    features = rng.normal(0, 1, (400, 64)) * np.linspace(5, 0.1, 64)
    features[:12] += 40  # together, so that a mean and a covariance would follow them
    distances, flagged = outliers(features)
    assert flagged[:12].all() and flagged[12:].mean() < 0.02
    assert distances[:12].min() > distances[12:].max()


def test_outliers_do_not_depend_on_order_or_units():
    features = np.random.default_rng(1).normal(0, 1, (60, 8))
    distances, flagged = outliers(features)
    order = np.random.default_rng(2).permutation(60)
    again, marks = outliers(features[order] * 1e3 + 7)
    assert np.allclose(again, distances[order]) and np.array_equal(marks, flagged[order])


def test_outliers_of_little():
    assert outliers(np.ones((2, 5)))[1].tolist() == [False, False]
    distances, flagged = outliers(np.ones((9, 5)))
    assert not flagged.any() and not distances.any()
    for bad in (np.ones(4), np.full((4, 2), np.nan)):
        with pytest.raises(ValueError, match="finite"):
            outliers(bad)


def test_balance():
    found = balance(["cat"] * 6 + ["dog"] * 3 + [None])
    thirds = -(2 / 3 * math.log(2 / 3) + 1 / 3 * math.log(1 / 3)) / math.log(2)
    assert found["counts"] == {"cat": 6, "dog": 3} and list(found["counts"]) == ["cat", "dog"]
    assert found["unlabelled"] == 1 and found["ratio"] == pytest.approx(2)
    assert found["evenness"] == pytest.approx(thirds)
    assert balance([0, 1, 2, 0, 1, 2])["evenness"] == pytest.approx(1)
    assert balance([None]) == {"counts": {}, "unlabelled": 1, "ratio": 1.0, "evenness": 1.0}
    assert balance(["one"])["evenness"] == 1.0

"""Hashes against ImageHash, against a cosine transform, and of pictures that were cut and mirrored."""

import functools

import imagehash
import numpy as np
import pytest
from PIL import Image
from scipy.fft import dct

from tests.training.preparation import scenes
from training.preparation import hashes

# Without the first parts of a photograph, which show a backdrop out of focus.
PICTURES = [scenes.scene(seed) for seed in range(8)] + scenes.photographs()[11:22]


@functools.cache
def thumbnails():
    return np.stack([hashes.thumbnail(picture) for picture in PICTURES])


def bits(a, b):
    return (int(a) ^ int(b)).bit_count()


def test_bits_are_those_of_the_cosine_transform():
    """Bit by bit from scipy's transform, but for the few whose coefficient is near the threshold."""
    for thumbnail, found in zip(thumbnails(), hashes.hashes(thumbnails()), strict=True):
        grey = thumbnail @ np.array([0.299, 0.587, 0.114])
        low = dct(dct(grey, axis=0), axis=1)[:8, :8].ravel() / 4
        above = low - np.median(low)
        wanted = [bit == "1" for bit in f"{found:064b}"]
        clear = abs(above - 100) > 1
        assert clear.sum() > 55
        assert np.array_equal((above > 100)[clear], np.array(wanted)[clear])


def test_near_the_hashes_of_imagehash():
    """Lists of its hashes can be read: the bits have one order, and few differ by the kind of resizing."""
    away = [bits(hashes.perceptual(p), int(str(imagehash.phash(Image.fromarray(p))), 16)) for p in PICTURES]
    assert np.median(away) <= 4
    assert max(away) <= 8
    others = [
        bits(hashes.perceptual(a), hashes.perceptual(b)) for a in PICTURES for b in PICTURES if a is not b
    ]
    assert np.percentile(others, 5) > 12


def test_arrays_and_pillow_images_have_one_hash():
    picture = PICTURES[0]
    assert hashes.perceptual(picture) == hashes.perceptual(Image.fromarray(picture))
    with pytest.raises(ValueError, match="mode L, not RGB"):
        hashes.perceptual(Image.new("L", (40, 40)))


def test_the_mirrored_variant_is_the_hash_of_the_mirrored_picture():
    count = len(hashes.boxes()) // 2
    found = hashes.variants(thumbnails())
    mirrored = hashes.variants(np.ascontiguousarray(thumbnails()[:, :, ::-1]))
    for picture, other in zip(found, mirrored, strict=True):
        assert bits(picture[count], other[0]) <= 1  # rounding at the median
        assert bits(picture[0], other[count]) <= 1


@pytest.mark.parametrize("number", range(len(hashes.boxes()) // 2))
def test_a_variant_is_near_the_hash_of_that_part(number):
    left, top, right, bottom = hashes.boxes()[number]
    away = []
    for picture, variants in zip(PICTURES, hashes.variants(thumbnails()), strict=True):
        height, width = picture.shape[:2]
        part = picture[
            round(top * height) : round(bottom * height), round(left * width) : round(right * width)
        ]
        away.append(bits(variants[number], hashes.perceptual(np.ascontiguousarray(part))))
    assert np.median(away) <= 4  # parts of other places differ in 22 on average
    assert np.mean(away) <= 5


def test_boxes_are_mirrored_in_the_second_half():
    first, second = np.split(hashes.boxes(), 2)
    assert first[0].tolist() == [0, 0, 1, 1] and second[0].tolist() == [1, 0, 0, 1]
    assert np.array_equal(second[:, [2, 1, 0, 3]], first)
    assert first.min() == 0 and first.max() == 1 and (first[:, 2] - first[:, 0]).min() >= 0.79


def test_dull_and_symmetric_pictures_keep_their_hash_under_noise():
    """Half of their coefficients are nothing but noise, and give no bits."""
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    rng = np.random.default_rng(0)
    for field in (120 + 4 * y + 2 * x * y, 128 + 100 * np.cos(5 * x) * np.cos(7 * y)):
        rgb = np.repeat(field[..., None], 3, 2)
        noisy = [np.clip(rgb + rng.normal(0, 1, rgb.shape), 0, 255).astype(np.uint8) for _ in range(6)]
        found = [hashes.perceptual(picture) for picture in noisy]
        assert max(bits(found[0], other) for other in found) <= 4


def test_exact_hashes_tell_shapes_and_single_pixels_apart():
    a = np.zeros((4, 6, 3), np.uint8)
    b = a.copy()
    b[3, 5, 2] = 1
    assert len({hashes.exact(a), hashes.exact(b), hashes.exact(a.reshape(6, 4, 3))}) == 3
    assert hashes.exact(a) == hashes.exact(np.zeros((8, 12, 3), np.uint8)[::2, ::2])
    assert len(hashes.exact(a)) == 64

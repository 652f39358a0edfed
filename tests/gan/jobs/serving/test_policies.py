"""Blurring leaves nothing to get an image back from."""

import pytest
import torch

from gan.jobs.serving.policies import LEVELS, SIDE, blurred, strictest


def noise(channels=3, height=32, width=32, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (channels, height, width), dtype=torch.uint8, generator=rng)


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 16, 24), (4, 33, 31), (2, 256, 256), (3, 1, 1)])
def test_of_any_shape_in_rgb(shape):
    image = blurred(noise(*shape))
    assert image.shape == (3, *shape[1:]) and image.dtype == torch.uint8


def test_images_with_the_same_coarse_colours_look_alike():
    """What differs within parts is gone, not hidden: any two originals of the same means give one image."""
    image = noise()
    parts = image.unfold(1, 8, 8).unfold(2, 8, 8)  # [3, 4, 4, 8, 8]
    order = torch.randperm(64, generator=torch.Generator().manual_seed(1))
    mixed = parts.reshape(3, SIDE, SIDE, 64)[..., order].reshape(3, SIDE, SIDE, 8, 8)
    other = mixed.permute(0, 1, 3, 2, 4).reshape(3, 32, 32)
    assert not torch.equal(image, other)
    assert torch.equal(blurred(image), blurred(other))


def test_small_changes_of_a_part_are_rounded_away():
    flat = torch.full((3, 64, 64), 8, dtype=torch.uint8)  # the middle of a level
    dotted = flat.clone()
    dotted[:, 20:24, 30:34] += 100
    assert torch.equal(blurred(flat), blurred(dotted))
    values = blurred(torch.full((3, 8, 8), 200, dtype=torch.uint8)).unique()
    assert values.tolist() == [200 // (256 // LEVELS) * (256 // LEVELS) + 8]


def test_an_outline_in_the_transparency_does_not_leave():
    image = torch.full((4, 32, 32), 255, dtype=torch.uint8)
    shaped = image.clone()
    shaped[3, 8:24, 8:24] = 0  # white on white
    assert torch.equal(blurred(image), blurred(shaped))


def test_the_strictest():
    assert strictest([]) == "allow" and strictest(["allow", "mark"]) == "mark"
    assert strictest(["mark", "blur", "allow"]) == "blur" and strictest(["blur", "block"]) == "block"

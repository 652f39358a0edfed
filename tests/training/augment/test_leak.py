"""The leak check on fakes whose share of augmented images is known."""

from types import SimpleNamespace

import pytest
import torch

from gan import sampling
from gan.images import to_uint8
from gan.randomness import Draws
from training.augment import AUGMENTATIONS
from training.augment.adaptive import Augmentation
from training.augment.config import AugmentConfig
from training.augment.leak import Leak, descriptors, leaks, notice

SIZE = 24
ADA = AugmentConfig(name="ada", policy="blit,geom,color,filter,noise,cutout")


def scenes(count):
    """Upright scenes: a blue sky that gets lighter downwards, over ground, with a standing block."""
    down = torch.linspace(0, 1, SIZE)[:, None].expand(SIZE, SIZE)
    across = torch.arange(SIZE).expand(SIZE, SIZE)
    images = torch.empty(count, 3, SIZE, SIZE)
    for image in images:
        horizon, left, level = 0.5 + 0.2 * torch.rand(3)
        sky = torch.stack([down - 0.6, down - 0.4, down * 0.3 + 0.5])
        ground = torch.tensor([0.2, 0.4, -0.5])[:, None, None] * (0.8 + 0.4 * level)
        image[:] = torch.where(down > horizon, ground, sky)
        block = (across > left * 16) & (across < left * 16 + 5) & (down > 0.3) & (down < 0.9)
        image[:] = torch.where(block, torch.tensor([0.7, -0.3, -0.3])[:, None, None], image)
    return images + 0.02 * torch.randn_like(images)


def augmented(images, name, policy):
    """Images through all that the policy names."""
    draws = Draws(5, 0, range(len(images)))
    return AUGMENTATIONS[name](AugmentConfig(name=name, policy=policy))(images, 1.0, draws)


@pytest.fixture(scope="module")
def reals():
    torch.manual_seed(5)
    return scenes(320)


def test_no_leak(reals):
    found = leaks(reals, scenes(160), ADA)
    assert set(found) == {"blit", "geom", "color", "imgfilter", "noise", "cutout"}
    for group, leak in found.items():
        assert not leak.found, group
        assert leak.separation > 0.5, group
        assert abs(leak.share) < 4 * leak.error < 0.4, group


def half_leaked(policy, reals):
    """Groups found in fakes of which every second went through the policy."""
    fakes = scenes(160)
    fakes[::2] = augmented(fakes[::2], "ada", policy)
    return {group for group, leak in leaks(reals, fakes, ADA).items() if leak.found}


@pytest.mark.parametrize("group", ["blit", "geom", "color", "imgfilter", "noise", "cutout"])
def test_a_leak_is_found_and_no_other(group, reals):
    assert half_leaked(group, reals) == {group}


@pytest.mark.parametrize(("policy", "group"), [("rotate90", "blit"), ("hue,brightness", "color")])
def test_a_leak_of_a_part_of_a_group_is_found(policy, group, reals):
    assert group in half_leaked(policy, reals)


def test_a_group_that_cannot_be_told_hides_no_other():
    """Discs look the same mirrored; half of the fakes are cut out."""
    y, x = torch.meshgrid(torch.arange(16), torch.arange(16), indexing="ij")
    disc = ((x - 7.5) ** 2 + (y - 7.5) ** 2 < 30).float() - 0.4
    reals, fakes = (
        disc + 0.1 * torch.randn(n, 3, 16, 16) + 0.2 * torch.randn(n, 3, 1, 1) for n in (200, 100)
    )
    fakes[::2] = augmented(fakes[::2], "ada", "cutout")
    found = leaks(reals, fakes, AugmentConfig(name="ada", policy="xflip,cutout"))
    assert not found["blit"].found
    assert found["cutout"].found and found["cutout"].share == pytest.approx(0.5, abs=0.15)


def test_the_share_is_estimated(reals):
    """A third of the fakes went through the very group that is looked for."""
    fakes = scenes(240)
    fakes[::3] = augmented(fakes[::3], "ada", "noise")
    leak = leaks(reals, fakes, AugmentConfig(name="ada", policy="noise"))["noise"]
    assert leak.share == pytest.approx(1 / 3, abs=4 * leak.error)
    assert leak.error < 0.1


def test_diffaugment(reals):
    config = AugmentConfig(name="diffaugment")
    fakes = augmented(scenes(100), "diffaugment", "cutout")
    found = leaks(reals, fakes, config)
    assert set(found) == {"color", "translation", "cutout"}
    assert found["cutout"].found and found["cutout"].share == pytest.approx(1, abs=0.2)


def test_what_cannot_be_told_apart_is_no_leak():
    """Noise images look the same upside down."""
    found = leaks(
        torch.randn(64, 3, 8, 8), torch.randn(64, 3, 8, 8) + 1, AugmentConfig(name="ada", policy="xflip")
    )
    assert not found["blit"].found
    assert not Leak(share=0.5, error=0.01, separation=0.2).found
    assert not Leak(share=0.05, error=0.001, separation=2.0).found
    assert not Leak(share=0.3, error=0.1, separation=2.0).found
    assert Leak(share=0.5, error=0.1, separation=2.0).found


def test_random_state_and_shapes(reals):
    before = torch.get_rng_state()
    first = leaks(reals[:64], reals[64:], AugmentConfig(name="ada"))
    assert torch.get_rng_state().equal(before)
    assert leaks(reals[:64], reals[64:], AugmentConfig(name="ada")) == first
    assert descriptors(torch.rand(2, 1, 8, 12)).shape == (2, 25)
    assert descriptors(torch.rand(2, 4, 8, 12)).shape == (2, 29)
    with pytest.raises(ValueError, match="8 reals"):
        leaks(reals[:7], reals[:7], ADA)


@pytest.mark.parametrize(
    ("p", "nimg", "leaked", "want"),
    [
        (0.7, 1000, "cutout", "cutout 100%"),
        (0.7, 1000, "", None),
        (0.7, 0, "cutout", None),  # an untrained generator
        (0.5, 1000, "cutout", None),
    ],
)
def test_notice(p, nimg, leaked, want, reals, monkeypatch):
    class Data(list):
        image = list.__getitem__

    fakes = augmented(scenes(160), "ada", leaked)
    monkeypatch.setattr(sampling, "images", lambda *_: iter(to_uint8(fakes).split(8)))
    config = AugmentConfig(name="ada", policy="geom,cutout", p=p)
    state = SimpleNamespace(
        augmentation=Augmentation(config, 4, torch.device("cpu")), nimg=nimg, ema=torch.nn.Identity()
    )
    got = notice(state, Data(to_uint8(reals).numpy()))
    assert (got is None) if want is None else got.startswith("share of fakes") and want in got

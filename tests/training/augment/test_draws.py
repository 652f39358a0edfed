"""Draws: laws, coins, determinism."""

import pytest
import torch

from gan.randomness import Draws
from training.augment.config import TRANSFORMS
from training.augment.draws import SAMPLERS, draw

ALL = dict.fromkeys(TRANSFORMS, 1.0)
MANY = 4000


def some(count):
    """Draws of so many images."""
    return Draws(7, 0, range(count))


def test_every_transform_has_a_sampler():
    assert tuple(SAMPLERS) == TRANSFORMS


def test_p_0_draws_nothing():
    assert not any(value.any() for value in draw(ALL, 0.0, some(50)).values())


def test_the_same_seed_draws_the_same():
    draws = some(8)
    first, other, again = draw(ALL, 0.5, draws), draw(ALL, 0.5, draws), draw(ALL, 0.5, some(8))
    assert all(first[name].equal(again[name]) for name in ALL)
    assert any(not first[name].equal(value) for name, value in other.items())


def test_an_image_draws_the_same_in_any_part():
    whole, part = draw(ALL, 0.5, some(8)), draw(ALL, 0.5, Draws(7, 0, range(1, 8, 3)))
    assert all(whole[name][1::3].equal(value) for name, value in part.items())


@pytest.mark.parametrize("name", sorted(set(TRANSFORMS) - {"xflip", "lumaflip", "rotate90", "rotate"}))
def test_share_of_altered_images(name):
    """Draws of continuous laws are 0 only where the coin said so."""
    value = draw({name: 0.5}, 0.6, some(MANY))[name].reshape(MANY, -1)
    share = (value != 0).float().mean(0)
    if name == "cutout":
        share = share[:1]
    torch.testing.assert_close(share, torch.full_like(share, 0.3), rtol=0, atol=0.03)
    if name in ("xint", "xfrac"):  # one coin for both axes
        assert ((value[:, 0] != 0) == (value[:, 1] != 0)).all()


def test_either_rotation_happens_with_p():
    value = draw({"rotate": 1.0}, 0.6, some(MANY))["rotate"]
    assert (value != 0).any(1).float().mean().item() == pytest.approx(0.6, abs=0.03)
    assert (value != 0).all(1).float().mean().item() == pytest.approx((1 - 0.4**0.5) ** 2, abs=0.03)


def test_laws():
    drawn = draw(dict.fromkeys(TRANSFORMS, 2.0), 1.0, some(MANY))  # a probability of 2 is 1
    for name in ("xflip", "lumaflip"):
        assert set(drawn[name].tolist()) == {0, 1}
        assert drawn[name].mean().item() == pytest.approx(0.5, abs=0.03)
    assert set(drawn["rotate90"].tolist()) == {0, 1, 2, 3}
    for name in ("xint", "rotate", "hue"):
        assert -1 <= drawn[name].min() < -0.99 < 0.99 < drawn[name].max() <= 1
    for name in ("scale", "aniso", "xfrac", "brightness", "contrast", "saturation", "imgfilter"):
        assert drawn[name].std().item() == pytest.approx(1, abs=0.05)
    assert drawn["noise"].min() >= 0
    assert (drawn["cutout"][:, 0] == 1).all()


def test_factors_of_bands():
    value = draw({"imgfilter": 1.0}, 0.5, some(MANY), (1.0, 0.0, 2.0, 0.5))["imgfilter"]
    want = torch.tensor([0.5, 0.0, 1.0, 0.25])
    torch.testing.assert_close((value != 0).float().mean(0), want, rtol=0, atol=0.03)

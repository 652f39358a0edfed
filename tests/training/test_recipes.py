"""Every preset, as a run takes it, against the literal values of its publication in recipes.py."""

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

import pytest
import torch
from torch import nn

from gan.config import override
from tests.training import recipes
from tests.training.recipes_few import FEW
from training.config import RunConfig
from training.recipes import fit, load_preset, preset_names
from training.schedules import value_at

RECIPES = recipes.RECIPES | FEW


def fitted(name: str, *assignments: str) -> RunConfig:
    """The preset as a run of the recipe's data takes it."""
    recipe = RECIPES[name]
    config = override(load_preset(name), list(assignments))
    return fit(config, shape=(3, recipe.side, recipe.side), c_dim=recipe.classes)


def networks(config: RunConfig) -> list[nn.Module]:
    """G and D without values, and without the spectral norm, which looks at them and has no parameters."""
    config = override(config, ["discriminator.spectral_norm=false"])
    with torch.device("meta"):
        return [config.generator.build(), config.discriminator.build()]


def test_every_preset_is_in_the_table():
    assert set(RECIPES) == set(preset_names())


@pytest.mark.parametrize("name", RECIPES)
def test_networks(name):
    recipe = RECIPES[name]
    both = networks(fitted(name))
    for network, shapes in zip(both, (recipe.G, recipe.D), strict=True):
        tensors = network.state_dict()
        assert {key: tuple(tensors[key].shape) for key in shapes} == shapes
    assert tuple(sum(p.numel() for p in network.parameters()) for network in both) == recipe.parameters


def compare(config: RunConfig, settings: Mapping[str, Any]) -> None:
    """Each setting equals its literal value; numbers to the nine digits that the table has at least."""
    for key, value in settings.items():
        number = isinstance(value, float)
        assert attrgetter(key)(config) == (pytest.approx(value, rel=1e-9) if number else value), key


@pytest.mark.parametrize("name", RECIPES)
def test_settings_at_the_published_batch(name):
    config = fitted(name)
    compare(config, RECIPES[name].settings)
    assert config.augment.transforms == RECIPES[name].augment


@pytest.mark.parametrize("name", RECIPES)
def test_settings_at_another_batch(name):
    recipe = RECIPES[name]
    config = fitted(name, f"batch={recipe.batch}")
    compare(config, {**recipe.settings, "batch": recipe.batch, **recipe.changed})
    assert config.augment.transforms == recipe.augment
    assert [len(list(net.parameters())) for net in networks(config)] == [
        len(list(net.parameters())) for net in networks(fitted(name))
    ]


def test_a_number_that_is_given_wins_over_the_rule():
    given = {
        "loss.r1_gamma": 3.0,
        "loss.blur_fade_kimg": 70.0,
        "ema.kimg": 7.0,
        "generator.magnitude_beta": 0.9,
    }
    config = fitted("stylegan3-r", "batch=8", *(f"{key}={value}" for key, value in given.items()))
    compare(config, given)
    assert fitted("r3gan-cifar10", "generator.c_embed=7").generator.c_embed == 7


def test_what_a_run_writes_down_is_numbers():
    """No null or auto with a rule is left for a later version to read otherwise."""
    assert [fitted("r3gan-cifar10").generator.c_embed, fitted("r3gan-cifar10").discriminator.c_embed] == [
        64,
        768,
    ]
    for name in RECIPES:
        config = fitted(name)
        numbers = (config.loss.r1_gamma, config.loss.blur_fade_kimg, config.ema.kimg)
        assert None not in (*numbers, getattr(config.generator, "magnitude_beta", 0))


def test_null_for_an_embedding_stays_what_it_was():
    """Files of 0.1 say null and hold weights of widths[0]: a fit leaves it alone."""
    config = fitted("r3gan-cifar10", "generator.c_embed=null", "discriminator.c_embed=null")
    assert config.generator.c_embed is None and config.discriminator.c_embed is None
    shapes = [tuple(net.embed.weight.shape) for net in networks(config)]
    assert shapes == [(768, 10), (768, 10)]


@pytest.mark.parametrize(
    ("name", "p", "gamma", "ema"), [("r3gan-cifar10", 0.55, 0.05, 5000), ("r3gan-256", 0.3, 150, 500)]
)
def test_r3gan_half_way(name, p, gamma, ema):
    """After 10 of 20 million images a cosine is at the middle; after 20 and ever after at the end."""
    config = fitted(name)
    schedules = (config.augment.p, config.loss.r1_gamma, config.ema.kimg, config.optimizer_g.lr)
    middle, end = ([value_at(s, nimg) for s in schedules] for nimg in (10_000_000, 50_000_000))
    assert middle == pytest.approx([p / 2, gamma * 0.55, ema / 2, 1.25e-4])
    assert end == pytest.approx([p, gamma / 10, ema, 5e-5])

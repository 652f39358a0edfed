"""Recipes by name, and a recipe fitted to a data set: what is left open gets its number."""

import dataclasses
from importlib import resources
from pathlib import Path

from gan import elsewhere
from gan.config import from_dict, load_yaml, override
from gan.errors import UsageError, unknown
from gan.registry import Table, table
from gan.shapes import fitted
from training.config import (
    ComparesSamples,
    EmbedsLabels,
    Freezes,
    RunConfig,
    SeesFeatures,
    TracksMagnitudes,
)
from training.schedules import (
    default_blur_fade_kimg,
    default_ema_kimg,
    default_magnitude_beta,
    default_r1_gamma,
)

PRESETS: Table[Path] = table("preset")  # files of own presets, by name


def preset_names() -> list[str]:
    """Names of the shipped presets, and of those in PRESETS."""
    folder = resources.files("training") / "presets"
    shipped = (p.name.removesuffix(".yaml") for p in folder.iterdir() if p.name.endswith(".yaml"))
    return sorted({*shipped, *PRESETS})


def load_preset(name: str) -> RunConfig:
    """A shipped preset, or the YAML file at path `name`. UsageError if there is neither."""
    if name in PRESETS:
        data = load_yaml(PRESETS[name])
    elif name in preset_names():
        with resources.as_file(resources.files("training") / "presets" / f"{name}.yaml") as path:
            data = load_yaml(path)
    elif Path(name).suffix in {".yaml", ".yml"}:
        data, name = load_yaml(Path(name)), Path(name).stem
    elif nearest := elsewhere.preset(name):
        raise UsageError(f"'{name}' is a recipe of another tool: here it is --preset {nearest}")
    else:
        raise UsageError(unknown("preset", name, preset_names()) + "; a path to a .yaml file works too")
    return from_dict(RunConfig, {"preset": name, **data})


def fit(config: RunConfig, *, shape: tuple[int, int, int], c_dim: int) -> RunConfig:
    """The config with networks shaped for the data, and what is left open filled in: see `completed`.

    shape: channels, height and width of every image.  c_dim: number of classes, or of values in the vector of
    an image; 0 for none.

    Raises:
        UsageError: a size that the networks cannot have, naming the nearest ones; more frozen layers than
            there are at this size.
    """
    channels, height, width = shape
    base, resolution = fitted(height, width)
    shapes = []
    for role, network in (("generator", config.generator), ("discriminator", config.discriminator)):
        items = [f"resolution={resolution}", f"channels={channels}", f"c_dim={c_dim}"]
        if hasattr(network, "base"):
            items.append(f"base={list(base)}")
        elif base != (4, 4):
            raise UsageError(f"{role} {network.type} makes squares of side 2^n only, not {height}x{width}")
        shapes += [f"{role}.{item}" for item in items]
    config = completed(override(config, shapes), height * width)
    network = config.discriminator
    if isinstance(network, Freezes) and not 0 <= network.freeze_layers <= network.most_frozen:
        raise UsageError(
            f"discriminator.freeze_layers {network.freeze_layers} (--freeze-d): at {height}x{width} the "
            f"discriminator has {network.most_frozen} convolutions before its head; take at most those"
        )
    return config


def whole_groups(group: int | None, batch: int) -> int:
    """The largest group of minibatch statistics, at most as asked (None: the batch), that divides the batch.

    Within it neither are fakes compared with reals, which D sees in one pass, nor is a sample left over.
    """
    return next(size for size in range(min(group or batch, batch), 0, -1) if batch % size == 0)


def completed(config: RunConfig, pixels: int) -> RunConfig:
    """The config with a number for each setting that is None or auto and has a rule.

    pixels: of an image.  Files that say null for c_embed mean a width of their own, which stays.
    """
    batch, loss, generator, discriminator = config.batch, config.loss, config.generator, config.discriminator
    numbers: dict[str, float] = {}
    if loss.r1_gamma is None:
        numbers["loss.r1_gamma"] = default_r1_gamma(pixels, batch)
    if loss.blur_fade_kimg is None:
        numbers["loss.blur_fade_kimg"] = default_blur_fade_kimg(batch) if loss.blur_sigma else 0.0
    if config.ema.kimg is None:
        numbers["ema.kimg"] = default_ema_kimg(batch)
    if isinstance(generator, TracksMagnitudes) and generator.magnitude_beta is None:
        numbers["generator.magnitude_beta"] = default_magnitude_beta(batch)
    if isinstance(discriminator, ComparesSamples):
        numbers["discriminator.mbstd_group"] = whole_groups(discriminator.mbstd_group, batch)
    for role, network in (("generator", generator), ("discriminator", discriminator)):
        if isinstance(network, EmbedsLabels) and network.c_embed == "auto":
            numbers[f"{role}.c_embed"] = network.embedding
    if isinstance(discriminator, SeesFeatures):
        config = dataclasses.replace(config, discriminator=discriminator.completed())
    return override(config, [f"{key}={number!r}" for key, number in numbers.items()])

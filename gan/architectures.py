"""Every network family by name: one line each, nothing else refers to a family by its class."""

from dataclasses import dataclass
from typing import Any

from gan import stylegan2
from gan.registry import table


@dataclass(frozen=True)
class Architecture:
    """Config classes of a family; each has `build()`."""

    generator: type
    discriminator: type


ARCHITECTURES = table(
    "architecture",
    {"stylegan2": Architecture(stylegan2.GeneratorConfig, stylegan2.DiscriminatorConfig)},
)


def generator_config(name: str) -> Any:
    """Config class of the generator family `name`; UsageError when unknown."""
    return ARCHITECTURES[name].generator


def discriminator_config(name: str) -> Any:
    """Config class of the discriminator family `name`; UsageError when unknown."""
    return ARCHITECTURES[name].discriminator

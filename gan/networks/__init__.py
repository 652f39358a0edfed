"""Every network family by name: one line each, nothing else refers to a family by its class."""

from dataclasses import dataclass
from typing import Any

from gan.errors import UsageError
from gan.networks import r3gan, sngan, stylegan2, stylegan3
from gan.registry import table


@dataclass(frozen=True)
class Architecture:
    """Config classes of a family; each has `build()`.  discriminator: None where it uses another family's."""

    generator: type
    discriminator: type | None


ARCHITECTURES = table(
    "architecture",
    {
        "stylegan2": Architecture(stylegan2.GeneratorConfig, stylegan2.DiscriminatorConfig),
        "stylegan3": Architecture(stylegan3.GeneratorConfig, None),
        "r3gan": Architecture(r3gan.GeneratorConfig, r3gan.DiscriminatorConfig),
        "sngan": Architecture(sngan.GeneratorConfig, sngan.DiscriminatorConfig),
    },
)


def generator_config(name: str) -> Any:
    """Config class of the generator family `name`; UsageError when unknown."""
    return ARCHITECTURES[name].generator


def discriminator_config(name: str) -> Any:
    """Config class of the discriminator family `name`; UsageError when unknown or without one."""
    found = ARCHITECTURES[name].discriminator
    if found is None:
        others = [other for other, family in ARCHITECTURES.items() if family.discriminator]
        raise UsageError(f"{name} has no discriminator of its own; use that of {' or '.join(others)}")
    return found

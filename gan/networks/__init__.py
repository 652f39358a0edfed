"""Every network family by name: one line each, nothing else refers to a family by its class."""

from dataclasses import dataclass
from typing import Any

from gan.errors import UsageError
from gan.networks import fastgan, projected, r3gan, sngan, stylegan2, stylegan3
from gan.registry import table


@dataclass(frozen=True)
class Architecture:
    """Config classes of a family; each has `build()`.  None: it uses that of another family."""

    generator: type | None
    discriminator: type | None


ARCHITECTURES = table(
    "architecture",
    {
        "stylegan2": Architecture(stylegan2.GeneratorConfig, stylegan2.DiscriminatorConfig),
        "stylegan3": Architecture(stylegan3.GeneratorConfig, None),
        "r3gan": Architecture(r3gan.GeneratorConfig, r3gan.DiscriminatorConfig),
        "sngan": Architecture(sngan.GeneratorConfig, sngan.DiscriminatorConfig),
        "fastgan": Architecture(fastgan.GeneratorConfig, None),
        "projected": Architecture(None, projected.DiscriminatorConfig),
    },
)


def generator_config(name: str) -> Any:
    """Config class of the generator family `name`; UsageError when unknown or without one."""
    return _config(name, "generator")


def discriminator_config(name: str) -> Any:
    """Config class of the discriminator family `name`; UsageError when unknown or without one."""
    return _config(name, "discriminator")


def _config(name: str, role: str) -> Any:
    found = getattr(ARCHITECTURES[name], role)
    if found is None:
        others = [other for other, family in ARCHITECTURES.items() if getattr(family, role)]
        raise UsageError(f"{name} has no {role} of its own; use that of {' or '.join(others)}")
    return found

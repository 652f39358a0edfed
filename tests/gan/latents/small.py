"""Untrained generators of 16x16 pixels of every family, and a distance of pixels."""

from typing import Any

import torch
from torch import Tensor, nn

from gan.config import from_dict
from gan.networks import generator_config

STYLED: dict[str, Any] = {"z_dim": 8, "w_dim": 8, "channel_base": 128, "channel_max": 8}
FAMILIES: dict[str, dict[str, Any]] = {
    "stylegan2": {"type": "stylegan2", **STYLED},
    "stylegan2-conditional": {"type": "stylegan2", "c_dim": 3, **STYLED},
    "stylegan2-rectangular": {"type": "stylegan2", "base": (3, 4), **STYLED},
    "stylegan2-grey": {"type": "stylegan2", "channels": 1, **STYLED},
    "stylegan2-alpha": {"type": "stylegan2", "channels": 4, **STYLED},
    "stylegan3-t": {"type": "stylegan3", "layers": 4, "critical": 1, **STYLED},
    "stylegan3-r": {
        "type": "stylegan3",
        **(STYLED | {"layers": 4, "critical": 1, "conv_kernel": 1, "radial_filters": True}),
    },
    "r3gan": {"type": "r3gan", "z_dim": 8, "widths": [16, 16, 8], "blocks": 1},
    "r3gan-conditional": {"type": "r3gan", "z_dim": 8, "widths": [16, 16, 8], "blocks": 1, "c_dim": 3},
    "sngan": {"type": "sngan", "z_dim": 8, "width": 8},
    "sngan-conditional": {"type": "sngan", "z_dim": 8, "width": 8, "c_dim": 3},
    "fastgan": {"type": "fastgan", "z_dim": 8, "channel_base": 128, "channel_max": 8},
}


def build(name: str, **more: Any) -> nn.Module:
    """A generator as `gan.load` gives it, the same in every call."""
    options = {"resolution": 16, **FAMILIES[name], **more}
    config = from_dict(generator_config(options["type"]), options, "generator")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return config.build().eval().requires_grad_(False)


def noisy(name: str = "stylegan2") -> nn.Module:
    """One whose noise is seen: every strength is 0.5."""
    generator = build(name)
    for parameter, value in generator.named_parameters():
        if parameter.endswith("noise_strength"):
            value.fill_(0.5)
    return generator


def embed(images: Tensor) -> Tensor:
    """Pixels as rows whose squared distance is their mean square."""
    return images.flatten(1) / images[0].numel() ** 0.5


def drawn(generator: nn.Module, seeds: int = 2, c: Tensor | None = None) -> Tensor:
    """Images of some latents, as floats."""
    z = torch.randn(seeds, generator.z_dim, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        return generator(z, c)

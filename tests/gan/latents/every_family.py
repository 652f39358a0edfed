"""A tiny untrained generator of each family and shape, whose noise is switched on."""

import torch
from torch import nn

from gan.networks import fastgan, r3gan, sngan, stylegan2, stylegan3
from gan.networks.mapping import MappingConfig

_SMALL = {"z_dim": 8, "w_dim": 8, "channel_base": 128, "channel_max": 8, "mapping": MappingConfig(layers=2)}
_SG3 = {**_SMALL, "resolution": 16, "channel_base": 256, "layers": 4, "critical": 1}
CONFIGS = {
    "stylegan2": stylegan2.GeneratorConfig(resolution=16, **_SMALL),
    "stylegan2 of classes": stylegan2.GeneratorConfig(resolution=16, c_dim=3, **_SMALL),
    "stylegan2 wide and grey": stylegan2.GeneratorConfig(resolution=16, base=(3, 4), channels=1, **_SMALL),
    "stylegan2 with alpha": stylegan2.GeneratorConfig(resolution=8, channels=4, **_SMALL),
    "stylegan3-t": stylegan3.GeneratorConfig(**_SG3),
    "stylegan3-r": stylegan3.GeneratorConfig(**_SG3, conv_kernel=1, radial_filters=True),
    "r3gan": r3gan.GeneratorConfig(resolution=8, z_dim=8, widths=(8, 8), blocks=1),
    "r3gan of classes": r3gan.GeneratorConfig(resolution=8, z_dim=8, c_dim=3, widths=(8, 8), blocks=1),
    "sngan": sngan.GeneratorConfig(resolution=8, z_dim=8, width=8),
    "sngan of classes": sngan.GeneratorConfig(resolution=8, z_dim=8, c_dim=3, width=8),
    "fastgan": fastgan.GeneratorConfig(
        resolution=16, z_dim=8, channel_base=128, channel_max=8, skip_factor=2
    ),
}
STYLED = [name for name in CONFIGS if name.startswith("style")]
PLAIN = [name for name in CONFIGS if name not in STYLED]


def generator(name: str) -> nn.Module:
    """The generator of that name: the same weights every time, w_avg not zero, noise of strength 0.3."""
    torch.manual_seed(0)
    built = CONFIGS[name].build().eval().requires_grad_(False)
    if name in STYLED:
        built.mapping.w_avg.fill_(0.2)
    for key, parameter in built.named_parameters():
        if key.endswith("noise_strength"):
            parameter.fill_(0.3)
    return built


def conditions(built: nn.Module, count: int) -> torch.Tensor | None:
    """Classes in turn, [count, c_dim]; None for a model without."""
    return torch.eye(built.c_dim)[torch.arange(count) % built.c_dim] if built.c_dim else None

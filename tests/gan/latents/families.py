"""A tiny generator of every family, with and without classes, of several shapes and channels."""

import torch
from torch import nn

from gan.networks import fastgan, r3gan, sngan, stylegan2, stylegan3
from gan.networks.mapping import MappingConfig

SMALL = {"resolution": 16, "z_dim": 8}
STYLED = {**SMALL, "w_dim": 8, "mapping": MappingConfig(layers=2)}
SG2 = {**STYLED, "channel_base": 128, "channel_max": 8}
SG3 = {**STYLED, "channel_base": 256, "channel_max": 16, "layers": 4}

WITH_STYLES = {
    "stylegan2": stylegan2.GeneratorConfig(**SG2),
    "stylegan2 conditional rectangular": stylegan2.GeneratorConfig(**SG2, c_dim=3, base=(3, 4)),
    "stylegan2 resnet grey": stylegan2.GeneratorConfig(**SG2, architecture="resnet", channels=1),
    "stylegan2 alpha": stylegan2.GeneratorConfig(**SG2, channels=4),
    "stylegan3-t": stylegan3.GeneratorConfig(**SG3),
    "stylegan3-r conditional": stylegan3.GeneratorConfig(**SG3, conv_kernel=1, radial_filters=True, c_dim=2),
}
PLAIN = {
    "r3gan conditional alpha": r3gan.GeneratorConfig(**SMALL, widths=(8, 8, 8), c_dim=2, channels=4),
    "sngan rectangular": sngan.GeneratorConfig(**SMALL, width=8, base=(3, 4)),
    "fastgan grey": fastgan.GeneratorConfig(**SMALL, channel_base=64, channel_max=8, channels=1),
}
ALL = {**WITH_STYLES, **PLAIN}


def built(name: str) -> nn.Module:
    """That of a name, in eval mode; the same weights each time."""
    torch.manual_seed(0)
    return ALL[name].build().eval().requires_grad_(False)


AXIS = 5


def planted() -> nn.Module:
    """A StyleGAN2 generator whose brightness is axis 5 of w, which is also where w varies most."""
    torch.manual_seed(1)
    config = stylegan2.GeneratorConfig(**SG2, architecture="orig")
    generator = config.build().eval().requires_grad_(False)
    for affine, _ in generator.synthesis.affines().values():
        affine.weight.mul_(0.05)
    generator.mapping.fc1.weight[AXIS] *= 6
    last = generator.synthesis.b16
    last.torgb.affine.weight[:, AXIS] = 3
    last.conv1.bias.fill_(30)  # features far above 0, so that larger styles make brighter pixels
    last.torgb.weight.fill_(0.001)  # pixels stay within the range that is shown
    return generator


def planted_plain() -> nn.Module:
    """An SNGAN generator of which axis 5 of z moves the first map far more than all others."""
    torch.manual_seed(1)
    generator = sngan.GeneratorConfig(**SMALL, width=8).build().eval().requires_grad_(False)
    generator.linear.weight.mul_(0.05)
    generator.linear.weight[:, AXIS] = 1
    generator.to_rgb.weight.abs_().mul_(0.3)
    return generator

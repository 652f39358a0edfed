"""SNGAN, a ResNet generator and a projection discriminator under spectral normalisation.

Miyato et al. 2018, "Spectral Normalization for Generative Adversarial Networks", tables 4 and 6; labels as in
Miyato and Koyama 2018, "cGANs with Projection Discriminator", section 4.

Letters: N images, C channels, H rows, W columns, K classes.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan import shapes
from gan.config import positive
from gan.networks import reparametrize
from gan.networks.base import Network, PlainGenerator
from gan.networks.blocks import Block
from gan.networks.layers import CastConv2d, RowLinear, fast_layout


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """What both networks have in common.

    resolution: power of two >= 8.  base: rows and columns of the level 4, see `gan.shapes`.  channels: of the
    image.  c_dim: classes, 0 if unconditional.
    """

    type: Literal["sngan"] = "sngan"
    resolution: int = 32
    base: shapes.Base = (4, 4)
    channels: int = 3
    c_dim: int = 0

    def __post_init__(self):
        shapes.check(self.base, self.resolution, least=8)
        positive(self, "channels")


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig(NetworkConfig):
    """Everything that shapes the generator.

    width: channels of every block.  lora_rank: of the adapters that alone train, 0 for none.
    """

    z_dim: int = 128
    width: int = 256
    spectral_norm: bool = False
    lora_rank: int = 0

    def __post_init__(self):
        super().__post_init__()
        positive(self, "z_dim", "width")
        reparametrize.check_rank(self.lora_rank)

    def build(self) -> "Generator":
        """A freshly initialised generator; draws from torch's global random state."""
        return reparametrize.applied(Generator(self), self.spectral_norm, self.lora_rank)


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig(NetworkConfig):
    """Everything that shapes the discriminator.

    width: channels of every block.  plain_blocks: blocks at level 8, after those that halve the image.
    """

    width: int = 128
    plain_blocks: int = 2
    spectral_norm: bool = True

    def build(self) -> "Discriminator":
        """A freshly initialised discriminator; draws from torch's global random state."""
        return reparametrize.applied(Discriminator(self), self.spectral_norm)


def convolution(inputs: int, outputs: int, size: int, gain: float = 1.0) -> CastConv2d:
    """Same size, weights uniform as in Glorot and Bengio 2010 times `gain`, bias 0."""
    layer = CastConv2d(inputs, outputs, size, padding=size // 2)
    nn.init.xavier_uniform_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer


class Norm(nn.Module):
    """Batch normalisation whose gain and bias depend on the class, if there are classes (de Vries 2017)."""

    def __init__(self, width: int, c_dim: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(width, affine=not c_dim)
        self.gain = self.bias = None
        if c_dim:
            self.gain, self.bias = (RowLinear(c_dim, width, bias=False) for _ in range(2))
            nn.init.ones_(self.gain.weight)
            nn.init.zeros_(self.bias.weight)
            self.gain.weight_gain = self.bias.weight_gain = (
                None  # no spectral norm: scales are what they hold
            )

    def forward(self, x: Tensor, c: Tensor | None) -> Tensor:
        x = self.norm(x)
        if self.gain is None:
            return x
        gain, bias = (layer(c).to(x.dtype)[:, :, None, None] for layer in (self.gain, self.bias))
        return torch.addcmul(bias, x, gain)


class UpBlock(Block):
    """Residual block that doubles the size: [N, C, H, W] -> [N, C, 2H, 2W]."""

    def __init__(self, width: int, c_dim: int, level: int):
        super().__init__()
        self.level = level
        self.norm1, self.norm2 = Norm(width, c_dim), Norm(width, c_dim)
        self.conv1, self.conv2 = (convolution(width, width, 3, gain=2**0.5) for _ in range(2))
        self.skip = convolution(width, width, 1)

    def forward(self, x: Tensor, c: Tensor | None) -> Tensor:
        x = self.enter(x)
        y = self.conv1(doubled(F.relu(self.norm1(x, c))))
        y = self.conv2(F.relu(self.norm2(y, c)))
        return y + doubled(self.skip(x))  # a 1x1 convolution commutes with the repetition of pixels


class DownBlock(Block):
    """Residual block, halving the size if `down`; the first of a network takes pixels, so no ReLU before."""

    def __init__(self, inputs: int, width: int, level: int, *, down: bool, first: bool = False):
        super().__init__()
        self.down, self.first, self.level = down, first, level
        self.conv1 = convolution(inputs, width, 3, gain=2**0.5)
        self.conv2 = convolution(width, width, 3, gain=2**0.5)
        self.skip = convolution(inputs, width, 1) if down or inputs != width else None

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        y = self.conv2(F.relu(self.conv1(x if self.first else F.relu(x))))
        y, x = (F.avg_pool2d(t, 2) for t in (y, x)) if self.down else (y, x)
        return y + (x if self.skip is None else self.skip(x))  # the mean commutes with a 1x1 convolution


class Generator(PlainGenerator):
    """z, c -> image [N, *image_shape], in [-1, 1]."""

    def __init__(self, config: GeneratorConfig):
        super().__init__(config)
        self.base = config.base
        self.linear = RowLinear(config.z_dim, config.width * self.base[0] * self.base[1])
        nn.init.xavier_uniform_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        levels = shapes.levels(config.resolution)[1:]
        self.blocks = nn.ModuleList(UpBlock(config.width, config.c_dim, level) for level in levels)
        self.norm = Norm(config.width, 0)
        self.to_rgb = convolution(config.width, config.channels, 3)

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """z [N, z_dim], c one-hot [N, c_dim] -> [N, *image_shape]."""
        x = fast_layout(self.linear(z).unflatten(1, (-1, *self.base)))
        for block in self.blocks:
            x = block.run(x, c)
        return torch.tanh(self.to_rgb(F.relu(self.norm(self.enter(x), None))))


class Discriminator(Network):
    """image [N, *image_shape], c one-hot [N, c_dim] -> logits [N, 1]."""

    def __init__(self, config: DiscriminatorConfig):
        super().__init__(config)
        downs = shapes.levels(config.resolution)[:1:-1]  # to level 8
        self.blocks = nn.Sequential()
        for i, level in enumerate([*downs, *[8] * config.plain_blocks]):
            inputs = config.width if i else config.channels
            self.blocks.append(DownBlock(inputs, config.width, level, down=i < len(downs), first=i == 0))
        self.linear = nn.Linear(config.width, 1)
        self.embed = nn.Linear(config.c_dim, config.width, bias=False) if config.c_dim else None
        for layer in (self.linear, self.embed) if config.c_dim else (self.linear,):
            nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, img: Tensor, c: Tensor | None = None) -> Tensor:
        x = fast_layout(img)
        for block in self.blocks:
            x = block.run(x)
        x = F.relu(self.enter(x)).sum(dim=(2, 3))  # [N, width]
        logits = self.linear(x)
        return logits if self.embed is None else logits + (x * self.embed(c)).sum(dim=1, keepdim=True)


def doubled(x: Tensor) -> Tensor:
    """Every pixel twice in both directions."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")

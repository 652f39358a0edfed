"""FastGAN's generator, for small data and short runs: Liu et al. 2021, "Towards Faster and Stabilized GAN
Training for High-fidelity Few-shot Image Synthesis", section 3.1.

One convolution a level, gated linear units, noise, and skip-layer excitation (eq. 1): the map of a level l
gates the channels of the map of level factor * l, so that the way from z to the fine levels stays short.

Parameter names, initial weights (unit variance by fan-in, as batch normalisation voids their scale) and the
widths (by `channel_base` and `channel_max`, as StyleGAN2's) are this project's; its auxiliary decoders belong
to its discriminator, which is not here. Labels, which the paper has not, are embedded and put beside z.

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
from gan.networks.base import Noise, PlainGenerator
from gan.networks.blocks import Block, exact
from gan.networks.layers import CastConv2d, RowLinear, fast_layout, normalize_2nd_moment


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """Everything that shapes the generator.

    resolution: power of two >= 8.  base: rows and columns of the level 4, see `gan.shapes`.  channels: of the
    image.  c_dim: classes, 0 if unconditional.
    A level r has min(channel_base // r, channel_max) channels, at least 1.
    skip_factor: how much finer the level is that a level's map gates, a power of two; 16 as published, from
    level 8 on, which takes images of 128 and more; smaller images want a smaller one.
    use_noise: whether levels add scaled noise.  spectral_norm: see `gan.networks.reparametrize`.
    lora_rank: of the adapters that alone train, 0 for none.
    """

    type: Literal["fastgan"] = "fastgan"
    resolution: int = 256
    base: shapes.Base = (4, 4)
    channels: int = 3
    c_dim: int = 0
    z_dim: int = 256
    channel_base: int = 16384
    channel_max: int = 512
    skip_factor: int = 16
    use_noise: bool = True
    spectral_norm: bool = False
    lora_rank: int = 0

    def __post_init__(self):
        shapes.check(self.base, self.resolution, least=8)
        positive(self, "channels", "z_dim", "channel_base", "channel_max")
        if self.skip_factor < 2 or self.skip_factor & (self.skip_factor - 1):
            raise ValueError(f"skip_factor must be a power of two >= 2; got {self.skip_factor}")
        reparametrize.check_rank(self.lora_rank)

    def width(self, level: int) -> int:
        """Channels of the map of `level`."""
        return max(min(self.channel_base // level, self.channel_max), 1)

    @property
    def skips(self) -> dict[int, int]:
        """Level -> the coarser one that gates it."""
        levels = shapes.levels(self.resolution)[1:]
        return {level * self.skip_factor: level for level in levels if level * self.skip_factor in levels}

    def build(self) -> "Generator":
        """A freshly initialised generator; draws from torch's global random state."""
        return reparametrize.applied(Generator(self), self.spectral_norm, self.lora_rank)


def convolution(inputs: int, outputs: int, size: int | tuple[int, int], padding: int = 0) -> CastConv2d:
    """Without bias, weights normal with deviation 1 / sqrt(fan-in)."""
    layer = CastConv2d(inputs, outputs, size, padding=padding, bias=False)
    nn.init.normal_(layer.weight, std=layer.weight[0].numel() ** -0.5)
    return layer


class UpBlock(Block):
    """Doubling of pixels, 3x3 convolution, noise, batch norm, GLU: [N, C, H, W] -> [N, width, 2H, 2W]."""

    constants = ("noise_const",)

    def __init__(self, config: GeneratorConfig, level: int):
        super().__init__()
        self.level, self.use_noise = level, config.use_noise
        self.conv = convolution(config.width(level // 2), 2 * config.width(level), 3, padding=1)
        self.norm = nn.BatchNorm2d(2 * config.width(level))
        if config.use_noise:
            self.register_buffer("noise_const", torch.randn(shapes.size_at(config.base, level)))
            self.noise_strength = nn.Parameter(torch.zeros([]))

    def draw(self, count: int, noise: Noise) -> Tensor | None:
        """Noise for `count` samples, not scaled yet: the map, fresh [N, 1, rows, columns], or none."""
        if not self.use_noise or noise == "none":
            return None
        if noise == "const":
            return self.noise_const
        size, like = (1, *self.noise_const.shape), self.noise_const
        if noise == "random":
            return torch.randn(count, *size, device=like.device, dtype=like.dtype)
        return noise.normal(size, like.dtype)

    def forward(self, x: Tensor, noise: Tensor | None) -> Tensor:
        x = self.conv(F.interpolate(self.enter(x), scale_factor=2.0, mode="nearest"))
        if noise is not None:
            x = x + (noise * self.noise_strength).to(x.dtype)
        return F.glu(self.norm(x), dim=1)


class Excitation(Block):
    """Gates of the channels of a fine map, from a coarse one (eq. 1): [N, C, H, W] -> [N, width, 1, 1].

    The coarse map is averaged to the base's size, which a convolution of that size sees as a whole.
    """

    def __init__(self, config: GeneratorConfig, coarse: int, fine: int):
        super().__init__()
        self.level, self.pool, width = fine, coarse // 4, config.width(fine)
        self.squeeze = convolution(config.width(coarse), width, config.base)
        self.gate = convolution(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.avg_pool2d(self.enter(x), self.pool)
        return torch.sigmoid(self.gate(F.leaky_relu(self.squeeze(x), 0.1)))


class Generator(PlainGenerator):
    """z, c -> image [N, *image_shape], in [-1, 1]."""

    noisy = True  # `forward` takes noise

    def __init__(self, config: GeneratorConfig):
        super().__init__(config)
        self.base, width = config.base, config.width(4)
        self.embed = RowLinear(config.c_dim, config.z_dim, bias=False) if config.c_dim else None
        inputs = config.z_dim * (2 if config.c_dim else 1)
        self.linear = RowLinear(inputs, 2 * width * self.base[0] * self.base[1], bias=False)
        for layer in (self.linear, self.embed) if config.c_dim else (self.linear,):
            nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
        self.norm = nn.BatchNorm2d(2 * width)
        self.blocks, self.excitations = nn.ModuleDict(), nn.ModuleDict()
        for level in shapes.levels(config.resolution)[1:]:
            self.blocks[f"b{level}"] = UpBlock(config, level)
        for fine, coarse in config.skips.items():
            self.excitations[f"b{fine}"] = Excitation(config, coarse, fine)
        self.to_rgb = convolution(config.width(config.resolution), config.channels, 3, padding=1)

    def forward(self, z: Tensor, c: Tensor | None = None, noise: Noise = "const") -> Tensor:
        """z [N, z_dim], c one-hot [N, K] -> [N, *image_shape]. ValueError when a label is missing."""
        if self.embed is not None:
            if c is None:
                raise ValueError(f"this network is conditional: give c, one-hot labels [N, {self.c_dim}]")
            z = torch.cat([z, normalize_2nd_moment(self.embed(c.to(z.dtype)))], dim=1)
        x = fast_layout(self.linear(z).unflatten(1, (-1, *self.base)))
        x = F.glu(self.norm(x), dim=1)
        maps: dict[int, Tensor] = {}
        for name, block in self.blocks.items():
            x = block.run(x, block.draw(z.shape[0], noise))
            if name in self.excitations:
                gates = self.excitations[name].run(maps[self.config.skips[block.level]])
                x = x * gates.to(x.dtype)
            maps[block.level] = x
        return torch.tanh(exact(self.to_rgb(x)))

"""StyleGAN2 generator and discriminator (Karras et al. 2020), with the published parameter names."""

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from gan import shapes
from gan.config import positive
from gan.networks import reparametrize
from gan.networks.base import Network, Noise, StyledGenerator
from gan.networks.blocks import Block, exact
from gan.networks.layers import Conv2d, Linear, LinearMap, check_activation, fast_layout, minibatch_std
from gan.networks.mapping import MappingConfig, MappingNetwork
from ops import downsample2d, modulated_conv2d, setup_filter, upsample2d
from ops.bias_act import ACTIVATIONS

Architecture = Literal["skip", "resnet", "orig"]


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """What both networks have in common.

    resolution: power of two >= 8.  base: rows and columns of the level 4; images have base * resolution / 4,
    see `gan.shapes`.  channels: of the image.  c_dim: classes, 0 if unconditional.
    A layer of level r has min(channel_base // r, channel_max) channels, at least 1.  conv_clamp: largest
    activation, None for no limit (needed in float16 only).  spectral_norm: see `gan.networks.reparametrize`;
    of the generator, the synthesis network only.
    """

    type: Literal["stylegan2"] = "stylegan2"
    resolution: int = 256
    base: shapes.Base = (4, 4)
    channels: int = 3
    c_dim: int = 0
    channel_base: int = 32768
    channel_max: int = 512
    activation: str = "lrelu"
    resample_filter: tuple[int, ...] = (1, 3, 3, 1)
    conv_clamp: float | None = 256.0
    mapping: MappingConfig = field(default_factory=MappingConfig)
    spectral_norm: bool = False

    def __post_init__(self):
        shapes.check(self.base, self.resolution, least=8)
        check_activation(self.activation)
        positive(self, "channels", "channel_base", "channel_max")
        if not self.resample_filter or not sum(self.resample_filter):
            raise ValueError("resample_filter needs taps whose sum is not 0, as [1, 3, 3, 1]")

    def width(self, level: int) -> int:
        """Channels of the layers of `level`."""
        return max(min(self.channel_base // level, self.channel_max), 1)


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig(NetworkConfig):
    """Everything that shapes the generator.

    input: of the first block: one learned map (const), or (linear) a map of each w: shapes differ early.
    output: the image as it is (linear), or with a tenth of what lies beyond [-1, 1] (squeezed).
    use_noise: whether layers add scaled noise.  lora_rank: of the adapters that alone train, 0 for none.
    """

    z_dim: int = 512
    w_dim: int = 512
    architecture: Architecture = "skip"
    input: Literal["const", "linear"] = "const"
    output: Literal["linear", "squeezed"] = "linear"
    use_noise: bool = True
    lora_rank: int = 0

    def __post_init__(self):
        super().__post_init__()
        positive(self, "z_dim", "w_dim")
        reparametrize.check_rank(self.lora_rank)

    def build(self) -> "Generator":
        """A freshly initialised generator; draws from torch's global random state."""
        return reparametrize.applied(Generator(self), self.spectral_norm, self.lora_rank, part="synthesis")


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig(NetworkConfig):
    """Everything that shapes the discriminator.

    cmap_dim: width of the label projection (None: channels at level 4).  mbstd_group, mbstd_channels: see
    `minibatch_std`.  freeze_layers: how many of the first convolutions do not train (Freeze-D).
    """

    architecture: Architecture = "resnet"
    cmap_dim: int | None = None
    mbstd_group: int | None = 4
    mbstd_channels: int = 1
    freeze_layers: int = 0

    def __post_init__(self):
        super().__post_init__()
        positive(self, "cmap_dim", "mbstd_group")

    @property
    def most_frozen(self) -> int:
        """Largest freeze_layers: how many convolutions there are before the head, which always trains."""
        blocks = len(shapes.levels(self.resolution)) - 1
        each = 3 if self.architecture == "resnet" else 2
        return blocks * each + (blocks if self.architecture == "skip" else 1)

    def build(self) -> "Discriminator":
        """A freshly initialised discriminator; draws from torch's global random state."""
        return reparametrize.applied(Discriminator(self), self.spectral_norm)


class SynthesisLayer(nn.Module):
    """Modulated 3x3 convolution, noise, bias, activation: [N, in, H/up, W/up] -> [N, out, H, W]."""

    weight_gain = None  # demodulated

    constants = ("resample_filter", "noise_const")

    def __init__(self, config: GeneratorConfig, in_channels: int, out_channels: int, level: int, up: int = 1):
        super().__init__()
        self.up, self.use_noise = up, config.use_noise
        self.activation, self.clamp = config.activation, config.conv_clamp
        self.affine = Linear(config.w_dim, in_channels, bias_init=1)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        taps = config.resample_filter if up > 1 else (1, 3, 3, 1)
        self.register_buffer("resample_filter", setup_filter(taps))
        if config.use_noise:
            self.register_buffer("noise_const", torch.randn(shapes.size_at(config.base, level)))
            self.noise_strength = nn.Parameter(torch.zeros([]))

    def draw(self, ws: Tensor, noise: Noise) -> Tensor | None:
        """Noise for the samples of ws, not scaled yet: the map, fresh [N, 1, rows, columns], or none."""
        if not self.use_noise or noise == "none":
            return None
        if noise == "const":
            return self.noise_const
        size, dtype = (1, *self.noise_const.shape), self.noise_const.dtype
        if noise == "random":
            return torch.randn(ws.shape[0], *size, device=ws.device, dtype=dtype)
        return noise.normal(size, dtype)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None, gain: float = 1.0) -> Tensor:
        return modulated_conv2d(
            x,
            self.weight,
            self.affine(w),
            None if noise is None else noise * self.noise_strength,
            up=self.up,
            padding=1,
            f=self.resample_filter,
            flip_weight=self.up == 1,
            b=self.bias,
            act=self.activation,
            gain=ACTIVATIONS[self.activation].gain * gain,
            clamp=None if self.clamp is None else self.clamp * gain,
        )


class ToRGB(nn.Module):
    """Modulated 1x1 convolution without demodulation: features -> image channels."""

    def __init__(self, config: GeneratorConfig, in_channels: int):
        super().__init__()
        self.clamp = config.conv_clamp
        self.affine = Linear(config.w_dim, in_channels, bias_init=1)
        self.weight = nn.Parameter(torch.randn(config.channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(config.channels))
        self.weight_gain = 1 / in_channels**0.5

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        styles = self.affine(w) * self.weight_gain
        return modulated_conv2d(x, self.weight, styles, demodulate=False, b=self.bias, clamp=self.clamp)


class SynthesisBlock(Block):
    """All layers of one level: `num_conv` w's, and one more for ToRGB that the next block shares."""

    constants = ("resample_filter",)

    def __init__(self, config: GeneratorConfig, level: int):
        super().__init__()
        out = config.width(level)
        self.architecture, self.level = config.architecture, level
        self.first = level == 4
        self.register_buffer("resample_filter", setup_filter(config.resample_filter))
        if self.first:
            linear = config.input == "linear"
            self.input = LinearMap(config.w_dim, out, config.base) if linear else None
            self.const = None if linear else nn.Parameter(torch.randn(out, *config.base))
        else:
            self.conv0 = SynthesisLayer(config, config.width(level // 2), out, level, up=2)
        self.conv1 = SynthesisLayer(config, out, out, level)
        self.num_conv = 1 if self.first else 2
        self.torgb = (
            ToRGB(config, out) if config.architecture == "skip" or level == config.resolution else None
        )
        if config.architecture == "resnet" and not self.first:
            self.skip = Conv2d(
                config.width(level // 2), out, 1, bias=False, up=2, resample_filter=config.resample_filter
            )

    def draw(self, ws: Tensor, noise: Noise) -> list[Tensor | None]:
        """Noise of each convolution, see `SynthesisLayer.draw`."""
        return [x.draw(ws, noise) for x in ([] if self.first else [self.conv0]) + [self.conv1]]

    def forward(
        self, x: Tensor | None, img: Tensor | None, ws: Tensor, noise: list[Tensor | None]
    ) -> tuple[Tensor, Tensor | None]:
        """x: features of the previous block; ws: [N, num_conv + 1, w_dim]; noise: from `draw`."""
        x = None if x is None else self.enter(x)
        if self.first:
            x = self.input(ws[:, 0]) if self.input else self.const[None].expand(ws.shape[0], -1, -1, -1)
            x = self.conv1(fast_layout(self.enter(x)), ws[:, 0], noise[0])
        elif self.architecture == "resnet":
            y = self.conv1(self.conv0(x, ws[:, 0], noise[0]), ws[:, 1], noise[1], gain=0.5**0.5)
            x = self.skip(x, gain=0.5**0.5) + y
        else:
            x = self.conv1(self.conv0(x, ws[:, 0], noise[0]), ws[:, 1], noise[1])
        if img is not None:
            img = upsample2d(img, self.resample_filter)
        if self.torgb is not None:
            rgb = exact(self.torgb(x, ws[:, self.num_conv]))
            img = rgb if img is None else img + rgb
        return x, img


class SynthesisNetwork(nn.Module):
    """ws [N, num_ws, w_dim] -> image [N, *image_shape], about [-1, 1]."""

    def __init__(self, config: GeneratorConfig):
        super().__init__()
        self.num_ws, self.output = 2 * len(shapes.levels(config.resolution)), config.output
        self.blocks = [f"b{level}" for level in shapes.levels(config.resolution)]
        for name, level in zip(self.blocks, shapes.levels(config.resolution), strict=True):
            self.add_module(name, SynthesisBlock(config, level))

    def forward(self, ws: Tensor, noise: Noise = "const", update_emas: bool = False) -> Tensor:
        """noise: fixed per-layer maps ("const"), fresh ones by `Draws` or from torch's global state, or none.

        update_emas: accepted for all generators; this one keeps nothing of its layers' inputs.
        """
        ws = ws.to(self.b4.conv1.weight.dtype)
        x, img, start = None, None, 0
        for name in self.blocks:
            block = getattr(self, name)
            some = ws[:, start : start + block.num_conv + 1]
            x, img = block.run(x, img, some, block.draw(ws, noise))
            start += block.num_conv
        return img if self.output == "linear" else img.clamp(-1, 1).lerp(img, 0.1)


class Generator(StyledGenerator):
    """z, c -> image [N, *image_shape]; see the base class."""

    def __init__(self, config: GeneratorConfig):
        super().__init__(config, SynthesisNetwork(config))


class DiscriminatorBlock(Block):
    """Two 3x3 convolutions and downsampling by 2: [N, in, H, W] -> [N, out, H/2, W/2]."""

    constants = ("resample_filter",)

    def __init__(self, config: DiscriminatorConfig, level: int, first_layer: int):
        super().__init__()
        width, out = config.width(level), config.width(level // 2)
        self.architecture, self.level = config.architecture, level
        self.register_buffer("resample_filter", setup_filter(config.resample_filter))
        act, clamp, f = config.activation, config.conv_clamp, config.resample_filter
        trains = [i >= config.freeze_layers for i in range(first_layer, first_layer + 4)]
        self.fromrgb = None
        self.layers = 3 if config.architecture == "resnet" else 2
        if level == config.resolution or config.architecture == "skip":
            self.layers += 1
            self.fromrgb = Conv2d(
                config.channels, width, 1, activation=act, clamp=clamp, trainable=trains.pop(0)
            )
        self.conv0 = Conv2d(width, width, 3, activation=act, clamp=clamp, trainable=trains.pop(0))
        self.conv1 = Conv2d(
            width, out, 3, activation=act, clamp=clamp, down=2, resample_filter=f, trainable=trains.pop(0)
        )
        if config.architecture == "resnet":
            self.skip = Conv2d(width, out, 1, bias=False, down=2, resample_filter=f, trainable=trains.pop(0))

    def forward(self, x: Tensor | None, img: Tensor | None) -> tuple[Tensor, Tensor | None]:
        x = None if x is None else self.enter(x)
        if self.fromrgb is not None:
            y = self.fromrgb(self.enter(img))
            x = y if x is None else x + y
            img = downsample2d(img, self.resample_filter) if self.architecture == "skip" else None
        if self.architecture == "resnet":
            shortcut = self.skip(x, gain=0.5**0.5)
            return shortcut + self.conv1(self.conv0(x), gain=0.5**0.5), img
        return self.conv1(self.conv0(x)), img


class DiscriminatorEpilogue(Block):
    """Minibatch statistics and the head: [N, C, *base] -> [N, 1] or the projection onto the label."""

    def __init__(self, config: DiscriminatorConfig, cmap_dim: int):
        super().__init__()
        width, act = config.width(4), config.activation
        self.cmap_dim = cmap_dim
        self.group, self.std_channels = config.mbstd_group, config.mbstd_channels
        self.fromrgb = (
            Conv2d(config.channels, width, 1, activation=act) if config.architecture == "skip" else None
        )
        self.conv = Conv2d(width + config.mbstd_channels, width, 3, activation=act, clamp=config.conv_clamp)
        self.fc = Linear(width * config.base[0] * config.base[1], width, activation=act)
        self.out = Linear(width, cmap_dim or 1)

    def forward(self, x: Tensor, img: Tensor | None, cmap: Tensor | None) -> Tensor:
        x = self.enter(x)
        if self.fromrgb is not None:
            x = x + self.fromrgb(img)
        x = self.out(self.fc(self.conv(minibatch_std(x, self.group, self.std_channels)).flatten(1)))
        if cmap is not None:  # projection discriminator, Miyato & Koyama 2018
            x = (x * cmap).sum(dim=1, keepdim=True) / self.cmap_dim**0.5
        return x


class Discriminator(Network):
    """image [N, *image_shape], c one-hot [N, c_dim] -> logits [N, 1]."""

    def __init__(self, config: DiscriminatorConfig):
        super().__init__(config)
        cmap_dim = (config.width(4) if config.cmap_dim is None else config.cmap_dim) if config.c_dim else 0
        self.blocks = [f"b{level}" for level in reversed(shapes.levels(config.resolution)[1:])]
        layer = 0
        for name in self.blocks:
            block = DiscriminatorBlock(config, int(name[1:]), layer)
            self.add_module(name, block)
            layer += block.layers
        if config.c_dim:
            self.mapping = MappingNetwork(
                config.mapping, z_dim=0, c_dim=config.c_dim, w_dim=cmap_dim, num_ws=None
            )
        self.b4 = DiscriminatorEpilogue(config, cmap_dim)

    def forward(self, img: Tensor, c: Tensor | None = None) -> Tensor:
        """Logits of "real" [N, 1]. ValueError when a conditional network gets no labels."""
        x, img = None, fast_layout(img)
        for name in self.blocks:
            x, img = getattr(self, name).run(x, img)
        cmap = self.mapping(None, c) if self.c_dim else None
        return self.b4(x, img, cmap)

"""StyleGAN2 generator and discriminator (Karras et al. 2020), with the published parameter names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from gan import shapes
from gan.config import positive
from gan.networks import reparametrize
from gan.networks.base import Affine, Network, Noise, StyledGenerator, check_styles
from gan.networks.blocks import Block, exact
from gan.networks.layers import Conv2d, Linear, check_activation, fast_layout, minibatch_std
from gan.networks.mapping import MappingConfig, MappingNetwork
from gan.networks.modulated import Style, SynthesisLayer, ToRGB, replaced, samples, styled
from ops import downsample2d, setup_filter, upsample2d

Architecture = Literal["skip", "resnet", "orig"]
INPUT = "b4.input"  # the affine of a linear input


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
            linear, self.base = config.input == "linear", config.base
            self.input = Linear(config.w_dim, out * self.base[0] * self.base[1]) if linear else None
            self.const = None if linear else nn.Parameter(torch.randn(out, *self.base))
        else:
            self.conv0 = SynthesisLayer(config, config.width(level // 2), out, level, up=2)
        self.conv1 = SynthesisLayer(config, out, out, level)
        self.num_conv = 1 if self.first else 2
        self.torgb = (
            ToRGB(config, out) if config.architecture == "skip" or level == config.resolution else None
        )
        if config.architecture == "resnet" and not self.first:
            f, before = config.resample_filter, config.width(level // 2)
            self.skip = Conv2d(before, out, 1, bias=False, up=2, resample_filter=f, gain=0.5**0.5)

    @property
    def layers(self) -> list[nn.Module]:
        """What has a style, in their order: the convolutions and, where there is one, ToRGB."""
        found = [self.conv1] if self.first else [self.conv0, self.conv1]
        return found if self.torgb is None else [*found, self.torgb]

    def begin(self, w: Tensor, given: Tensor | None) -> Tensor:
        """The first map [N, C, *base]: constant, or what a linear input makes of w, or its `given` style."""
        if self.input is None:
            return self.const[None].expand(w.shape[0], -1, -1, -1)
        return (self.input(w) if given is None else given).unflatten(1, (-1, *self.base))

    def draw(self, w: Tensor, noise: Noise) -> list[Tensor | None]:
        """Noise of each convolution, see `SynthesisLayer.draw`."""
        layers = (self.conv1,) if self.first else (self.conv0, self.conv1)
        return [layer.draw(w, noise) for layer in layers]

    def forward(
        self,
        x: Tensor | None,
        img: Tensor | None,
        styles: Sequence[Style],
        noise: list[Tensor | None],
    ) -> tuple[Tensor, Tensor | None]:
        """x: features of the previous block, or from `begin`; styles: of `layers`; noise: from `draw`."""
        x = self.enter(x)
        if self.first:
            x = self.conv1(fast_layout(x), styles[0], noise[0])
        elif self.architecture == "resnet":
            shortcut = self.skip(x)
            x = self.conv1(self.conv0(x, styles[0], noise[0]), styles[1], noise[1], gain=0.5**0.5)
            x = shortcut + x
        else:
            x = self.conv1(self.conv0(x, styles[0], noise[0]), styles[1], noise[1])
        if img is not None:
            img = upsample2d(img, self.resample_filter)
        if self.torgb is not None:
            rgb = exact(self.torgb(x, styles[self.num_conv]))
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

    def affines(self) -> dict[str, Affine]:
        """Every affine by its layer, such as b8.conv0 or b8.torgb, in the order of the layers.

        A linear input is one: its style is the first map, flat.
        """
        found, start = {}, 0
        if self.b4.input is not None:
            found[INPUT] = Affine(self.b4.input, 0)
        for name in self.blocks:
            block = getattr(self, name)
            layers = ["conv1"] if block.first else ["conv0", "conv1"]
            layers += ["torgb"] if block.torgb is not None else []
            for index, layer in enumerate(layers):
                found[f"{name}.{layer}"] = Affine(getattr(block, layer).affine, start + index)
            start += block.num_conv
        return found

    def forward(
        self,
        ws: Tensor,
        noise: Noise = "const",
        update_emas: bool = False,
        styles: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """noise: fixed per-layer maps ("const"), fresh ones by `Draws` or from torch's global state, or none.

        update_emas: accepted for all generators; this one keeps nothing of its layers' inputs.
        styles: name of an affine -> [N, channels], instead of what it makes of ws. UsageError for others.
        """
        ws, styles = ws.to(self.b4.conv1.weight.dtype).unbind(1), styles or {}
        start, slots = 0, []
        for block in self._blocks():  # ToRGB shares its w with the first layer of the next block
            slots.append(list(zip(block.layers, ws[start:], strict=False)))
            start += block.num_conv
        known = self._styled(slots, styles)
        x, img = self.b4.begin(ws[0], styles.get(INPUT)), None
        for block, own in zip(self._blocks(), known, strict=True):
            x, img = block.run(x, img, own, block.draw(ws[0], noise))
        return img if self.output == "linear" else img.clamp(-1, 1).lerp(img, 0.1)

    def _styled(
        self, slots: Sequence[Sequence[tuple[nn.Module, Tensor]]], given: Mapping[str, Tensor]
    ) -> list[list[Style]]:
        """The styles of each block's layers, for layers with their w, or those that are given by name."""
        if not given:
            return styled(slots, self.training)
        affines = self.affines()
        check_styles(given, affines, samples(slots[0][0][1]))
        names = iter([name for name in affines if name != INPUT])
        return [[replaced(w, given.get(next(names))) for _, w in block] for block in slots]

    def _blocks(self) -> list[SynthesisBlock]:
        return [getattr(self, name) for name in self.blocks]


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
            f = {"resample_filter": f, "trainable": trains.pop(0)}
            self.skip = Conv2d(width, out, 1, bias=False, down=2, gain=0.5**0.5, **f)

    def forward(self, x: Tensor | None, img: Tensor | None) -> tuple[Tensor, Tensor | None]:
        x = None if x is None else self.enter(x)
        if self.fromrgb is not None:
            y = self.fromrgb(self.enter(img))
            x = y if x is None else x + y
            img = downsample2d(img, self.resample_filter) if self.architecture == "skip" else None
        if self.architecture == "resnet":
            shortcut = self.skip(x)
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

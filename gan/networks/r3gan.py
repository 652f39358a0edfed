"""R3GAN, a residual generator and discriminator without normalisation (Huang et al. 2024, section 4).

Parameter names are ours; `from_published` translates the published ones.

Letters: N images, C channels, L levels 4, 8, ..., resolution, of which each is a stage of blocks.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from gan import shapes
from gan.config import positive
from gan.networks import reparametrize
from gan.networks.base import Network, PlainGenerator
from gan.networks.blocks import Block, exact
from gan.networks.layers import CastConv2d, RowLinear, fast_layout
from ops import bias_act, downsample2d, setup_filter, upsample2d

SLOPE = 0.2
GAIN = (2 / (1 + SLOPE**2)) ** 0.5  # of leaky ReLU (He et al. 2015, eq. 14), put into the initial weights


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """What both networks have in common; the defaults are the published values for CIFAR-10 and FFHQ.

    resolution: power of two >= 4.  base: rows and columns of the level 4, see `gan.shapes`.  channels: of the
    image.  c_dim: classes, 0 if unconditional.  c_embed: width of their embedding; auto: as published, which
    is z_dim for the generator and widths[0] for the discriminator; None: widths[0] for both, which is what
    the files of version 0.1 mean by it.
    widths: channels of the levels, from level 4 up; each level after the last one given has half as many.
    cardinality: groups of each level's 3x3 convolutions, None for width / 8.  blocks: residual blocks of each
    level, one number for all or one each.  expansion: the inner width of a block, in units of the outer.
    spectral_norm: see `gan.networks.reparametrize`.
    """

    type: Literal["r3gan"] = "r3gan"
    resolution: int = 32
    base: shapes.Base = (4, 4)
    channels: int = 3
    c_dim: int = 0
    c_embed: int | Literal["auto"] | None = "auto"
    widths: tuple[int, ...] = (768, 768, 768, 768)
    cardinality: tuple[int, ...] | None = None
    blocks: int | tuple[int, ...] = 2
    expansion: int = 2
    spectral_norm: bool = False

    def __post_init__(self):
        shapes.check(self.base, self.resolution, least=4)
        positive(self, "channels", "expansion")
        if self.c_embed != "auto":
            positive(self, "c_embed")
        if not self.widths or min(self.widths) < 1:
            raise ValueError(f"widths must be one number or more, each >= 1; got {list(self.widths)}")
        for name, given in (("cardinality", self.groups), ("blocks", self.depths)):
            if len(given) != self.levels:
                expected = f"{self.levels} numbers, for the levels 4 to {self.resolution}"
                raise ValueError(f"{name} needs {expected}; got {list(given)}")
        for width, groups in zip(self.level_widths, self.groups, strict=True):
            if groups < 1 or width * self.expansion % groups:
                raise ValueError(
                    f"cardinality {groups} must divide the {width * self.expansion} inner channels"
                )

    @property
    def levels(self) -> int:
        """How many there are."""
        return len(shapes.levels(self.resolution))

    @property
    def level_widths(self) -> tuple[int, ...]:
        """Channels of each level of this resolution."""
        last, further = self.widths[-1], self.levels - len(self.widths)
        return self.widths[: self.levels] + tuple(max(last >> i, 1) for i in range(1, further + 1))

    @property
    def groups(self) -> tuple[int, ...]:
        """`cardinality` of each level."""
        default = tuple(max(width // 8, 1) for width in self.level_widths)
        return default if self.cardinality is None else self.cardinality

    @property
    def depths(self) -> tuple[int, ...]:
        """`blocks` of each level."""
        return (self.blocks,) * self.levels if isinstance(self.blocks, int) else self.blocks

    @property
    def embedding(self) -> int:
        """Width of the embedding of labels."""
        return self.c_embed if isinstance(self.c_embed, int) else self.widths[0]


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig(NetworkConfig):
    """Everything that shapes the generator.  lora_rank: of the adapters that alone train, 0 for none."""

    z_dim: int = 64
    lora_rank: int = 0

    def __post_init__(self):
        super().__post_init__()
        positive(self, "z_dim")
        reparametrize.check_rank(self.lora_rank)

    @property
    def embedding(self) -> int:
        """Width of the embedding of labels: by default that of z, which it must not drown."""
        return self.z_dim if self.c_embed == "auto" else super().embedding

    def build(self) -> "Generator":
        """A freshly initialised generator; draws from torch's global random state."""
        return reparametrize.applied(Generator(self), self.spectral_norm, self.lora_rank)


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig(NetworkConfig):
    """Everything that shapes the discriminator."""

    def build(self) -> "Discriminator":
        """A freshly initialised discriminator; draws from torch's global random state."""
        return reparametrize.applied(Discriminator(self), self.spectral_norm)


def convolution(inputs: int, outputs: int, size: int = 1, groups: int = 1, gain: float = 1.0) -> CastConv2d:
    """Without bias, same size, weights normal with deviation gain / sqrt(fan-in)."""
    layer = CastConv2d(inputs, outputs, size, padding=size // 2, groups=groups, bias=False)
    nn.init.normal_(layer.weight, std=gain / (inputs // groups * size**2) ** 0.5)
    return layer


def linear(inputs: int, outputs: int, gain: float = 1.0) -> RowLinear:
    """Without bias, weights normal with deviation gain / sqrt(inputs)."""
    layer = RowLinear(inputs, outputs, bias=False)
    nn.init.normal_(layer.weight, std=gain / inputs**0.5)
    return layer


class ResidualBlock(nn.Module):
    """x + 1x1(act(3x3 in groups(act(1x1(x))))): [N, width, H, W] to the same (figure 3, right).

    total: blocks of the network, by which the initial weights shrink (Zhang et al. 2019, Fixup).
    """

    def __init__(self, width: int, groups: int, expansion: int, total: int):
        super().__init__()
        inner, gain = width * expansion, GAIN * total ** (-1 / (2 * 3 - 2))
        self.conv1 = convolution(width, inner, gain=gain)
        self.conv2 = convolution(inner, inner, 3, groups, gain=gain)
        self.conv3 = convolution(inner, width, gain=0)
        self.conv3.starts_at_zero = True
        self.bias1 = nn.Parameter(torch.zeros(inner))
        self.bias2 = nn.Parameter(torch.zeros(inner))

    def forward(self, x: Tensor) -> Tensor:
        y = bias_act(self.conv1(x), self.bias1, act="lrelu", alpha=SLOPE, gain=1)
        y = bias_act(self.conv2(y), self.bias2, act="lrelu", alpha=SLOPE, gain=1)
        return x + self.conv3(y)


class Stage(Block):
    """The blocks of a level, after (up) or before (down) the way from or to the level below.

    That way is resampling by 2, and a 1x1 convolution, at the smaller size, where the width changes. Level 4
    (number 0) has none.
    """

    constants = ("resample_filter",)

    def __init__(self, config: NetworkConfig, level: int, *, up: bool):
        super().__init__()
        self.up, self.resamples, self.level = up, level > 0, 4 << level
        width = config.level_widths[level]
        shape = (width, config.groups[level], config.expansion, sum(config.depths))
        self.blocks = nn.Sequential(*(ResidualBlock(*shape) for _ in range(config.depths[level])))
        self.transition = None
        if self.resamples:
            self.register_buffer("resample_filter", setup_filter((1, 3, 3, 1)))
            below = config.level_widths[level - 1]
            if below != width:
                self.transition = convolution(below, width) if up else convolution(width, below)

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        x = x if self.up else self.blocks(x)
        if self.resamples:
            x = x if self.up else downsample2d(x, self.resample_filter)
            x = x if self.transition is None else self.transition(x)
            x = upsample2d(x, self.resample_filter) if self.up else x
        return self.blocks(x) if self.up else x


class Generator(PlainGenerator):
    """z, c -> image [N, *image_shape]."""

    def __init__(self, config: GeneratorConfig):
        super().__init__(config)
        widths = config.level_widths
        self.embed = linear(config.c_dim, config.embedding) if config.c_dim else None
        self.basis = nn.Parameter(torch.randn(widths[0], *config.base))
        self.linear = linear(config.z_dim + (config.embedding if config.c_dim else 0), widths[0])
        self.stages = nn.ModuleList(Stage(config, i, up=True) for i in range(len(widths)))
        self.to_rgb = convolution(widths[-1], config.channels)

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """z [N, z_dim], c one-hot [N, c_dim] -> [N, *image_shape], about [-1, 1]."""
        if self.embed is not None:
            z = torch.cat([z, self.embed(c)], dim=1)
        x = fast_layout(self.linear(z)[:, :, None, None] * self.basis, grouped=True)
        for stage in self.stages:
            x = stage.run(x)
        return exact(self.to_rgb(x))


class Discriminator(Network):
    """image [N, *image_shape], c one-hot [N, c_dim] -> logits [N, 1]."""

    def __init__(self, config: DiscriminatorConfig):
        super().__init__(config)
        widths = config.level_widths
        self.from_rgb = convolution(config.channels, widths[-1])
        self.stages = nn.ModuleList(Stage(config, i, up=False) for i in reversed(range(len(widths))))
        self.basis = nn.Conv2d(widths[0], widths[0], config.base, groups=widths[0], bias=False)
        nn.init.normal_(self.basis.weight, std=(config.base[0] * config.base[1]) ** -0.5)
        self.linear = linear(widths[0], config.embedding if config.c_dim else 1)
        self.embed = (
            linear(config.c_dim, config.embedding, gain=config.embedding**-0.5) if config.c_dim else None
        )

    def forward(self, img: Tensor, c: Tensor | None = None) -> Tensor:
        x = self.from_rgb(self.stages[0].enter(fast_layout(img, grouped=True)))
        for stage in self.stages:
            x = stage.run(x)
        x = self.linear(self.basis(self.enter(x)).flatten(1))
        return x if self.embed is None else (x * self.embed(c)).sum(dim=1, keepdim=True)


_PUBLISHED = (
    (
        r"MainLayers\.(\d+)\.Layers\.(\d+)\.LinearLayer([123])\.Layer\.weight",
        "stages.{0}.blocks.{1}.conv{2}.weight",
    ),
    (r"MainLayers\.(\d+)\.Layers\.(\d+)\.NonLinearity([12])\.Bias", "stages.{0}.blocks.{1}.bias{2}"),
    (r"MainLayers\.(\d+)\.Layers\.\d+\.LinearLayer\.Layer\.weight", "stages.{0}.transition.weight"),
    (r"MainLayers\.(\d+)\.Layers\.\d+\.Resampler\.Kernel", "stages.{0}.resample_filter"),
    (r"MainLayers\.\d+\.Layers\.\d+\.Basis", "basis"),
    (r"MainLayers\.\d+\.Layers\.\d+\.Basis\.weight", "basis.weight"),
    (r"MainLayers\.\d+\.Layers\.\d+\.LinearLayer\.weight", "linear.weight"),
    (r"AggregationLayer\.Layer\.weight", "to_rgb.weight"),
    (r"ExtractionLayer\.Layer\.weight", "from_rgb.weight"),
    (r"EmbeddingLayer\.weight", "embed.weight"),
)


def from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a published generator or discriminator under the names used here.

    Raises ValueError naming the first key that neither network has.
    """
    before_blocks = (
        1 if "AggregationLayer.Layer.weight" in state else 0
    )  # the generator's layer 0 is no block
    renamed = {}
    for key, value in state.items():
        for pattern, name in _PUBLISHED:
            if match := re.fullmatch(pattern, key):
                parts = list(match.groups())
                if len(parts) == 3:
                    parts[1] = str(int(parts[1]) - before_blocks)
                renamed[name.format(*parts)] = value
                break
        else:
            raise ValueError(f"{key} is not a key of a published R3GAN network")
    return renamed

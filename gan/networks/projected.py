"""Projected discriminator: heads on a frozen network's features, mixed by fixed random projections.

Sauer et al. 2021, "Projected GANs Converge Faster", sections 3.2 and 3.3; which networks there are: see
`gan.networks.features`. Of four scales l, from 1/4 of the size (l = 1) to 1/32 (l = 4), the features f_l are
mixed across channels, m_l = A_l f_l (1x1), and then across scales from the coarsest one up:

    s_4 = B_4 m_4,    s_l = B_l (m_l + up(s_{l+1}))    (3x3; up: bilinear, to the size of m_l)

A and B are drawn once, from the run's seed, and are in the checkpoint. They are scaled so that the values of
each m_l and s_l have a standard deviation of 1 within a channel, over reference images of smooth noise: no
scale drowns another, and no running statistics tie samples of a batch together.

A head of few convolutions under spectral normalisation looks at each scale and gives a logit for each place;
with classes, a projection onto the label's embedding at each place (Miyato and Koyama 2018). The logit of an
image is the sum over the scales of the mean over places: to first order the sum of the heads' objectives.

The feature network is no part of the module: it is in no checkpoint, no optimiser and no average, and its
weights are recognised by the sha256 of their file. Widths of the heads are this project's.

Letters: N images, C channels, M mixed channels, h and w rows and columns of a scale, K classes.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan import shapes
from gan.config import positive
from gan.errors import UserError
from gan.networks import features, reparametrize
from gan.networks.base import Network
from gan.networks.blocks import HALVES, Block, exact
from gan.networks.layers import CastConv2d, fast_layout, minibatch_std

SLOPE = 0.2  # of leaky ReLU
REFERENCES = 4  # images by which the spread is measured
LEAST, MOST = 32, 1024  # feature_resolution


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig:
    """Everything that shapes the discriminator.

    resolution, base: of the images, see `gan.shapes`.  channels: 1 or 3, as the feature network sees colours.
    c_dim: classes, 0 if unconditional.
    backbone: the feature network: efficientnet-lite0, efficientnet-lite1, torchvision:NAME or timm:NAME.
    weights: file of its weights, "" for those of a package.  weights_sha256: of that file.  feature_channels:
    of its four scales. Both are found when a run starts.
    feature_resolution: as which resolution of the images the network sees them, 32 to 1024.
    mixed_channels: M.  cross_scale: whether scales are mixed, or channels only.  head_channels: width of the
    heads.  spectral_norm: of the heads, see `gan.networks.reparametrize`.
    mbstd_group: samples whose spread each head sees beside its features, see `minibatch_std`; None: the whole
    batch, 1: none.
    """

    type: Literal["projected"] = "projected"
    resolution: int = 256
    base: shapes.Base = (4, 4)
    channels: int = 3
    c_dim: int = 0
    backbone: str = "efficientnet-lite1"
    weights: str = ""
    weights_sha256: str = ""
    feature_channels: tuple[int, ...] = ()
    feature_resolution: int = 256
    mixed_channels: int = 64
    cross_scale: bool = True
    head_channels: int = 64
    spectral_norm: bool = True
    mbstd_group: int | None = 1

    def __post_init__(self):
        shapes.check(self.base, self.resolution, least=4)
        positive(self, "mixed_channels", "head_channels", "mbstd_group")
        features.source(self.backbone)
        if self.channels not in (1, 3):
            raise ValueError(f"channels must be 1 or 3: feature networks see colours; got {self.channels}")
        if not LEAST <= self.feature_resolution <= MOST or self.feature_resolution % 4:
            wanted = f"a multiple of 4 from {LEAST} to {MOST}"
            raise ValueError(f"feature_resolution must be {wanted}; got {self.feature_resolution}")
        rows, columns = self.feature_size
        if min(rows, columns) < LEAST * 3 // 4 or rows * columns > 2 * MOST**2:
            raise ValueError(f"features of images of {rows}x{columns}: choose another feature_resolution")
        if self.feature_channels and len(self.feature_channels) != len(features.STRIDES):
            raise ValueError(f"feature_channels must be {len(features.STRIDES)} numbers, or none")
        if any(width < 1 for width in self.feature_channels):
            raise ValueError("feature_channels must be >= 1")

    @property
    def feature_size(self) -> tuple[int, int]:
        """(rows, columns) of what the feature network sees."""
        return shapes.size_at(self.base, self.feature_resolution)

    def completed(self) -> "DiscriminatorConfig":
        """With what follows from the file of weights. UserError where there is none, or another one."""
        if self.weights_sha256 and self.feature_channels:
            return self
        network, digest = features.load(self.backbone, self.weights, self.weights_sha256)
        channels = self.feature_channels or tuple(network.channels)
        return dataclasses.replace(self, weights_sha256=digest, feature_channels=channels)

    def build(self) -> "Discriminator":
        """A freshly initialised discriminator; draws from torch's global random state."""
        return reparametrize.applied(Discriminator(self.completed()), self.spectral_norm)


class Projection(Block):
    """Images [N, C, *size] in [-1, 1] -> the four mixed features [N, M, h, w], float32, coarsest last.

    across0..3: A [M, C_l, 1, 1].  between0..3: B [M, M, 3, 3].
    """

    def __init__(self, config: DiscriminatorConfig):
        super().__init__()
        self.level, self.size, self.cross_scale = config.resolution, config.feature_size, config.cross_scale
        width, self.constants = config.mixed_channels, []
        for scale, inputs in enumerate(config.feature_channels):
            self._add(f"across{scale}", torch.randn(width, inputs, 1, 1) / inputs**0.5)
            if config.cross_scale:
                self._add(f"between{scale}", torch.randn(width, width, 3, 3) / (9 * width) ** 0.5)
        self._network: tuple[nn.Module, ...] = ()  # a tuple hides it: it is no submodule
        if not self.across0.is_meta:
            network, _ = features.load(config.backbone, config.weights, config.weights_sha256)
            if tuple(network.channels) != config.feature_channels:
                given = f"{list(network.channels)} channels, not {list(config.feature_channels)}"
                raise UserError(f"{config.backbone} has {given}: leave discriminator.feature_channels out")
            self._network = (network,)
            self._set_spread()

    @property
    def network(self) -> nn.Module:
        """The frozen feature network."""
        return self._network[0]

    def forward(self, img: Tensor) -> list[Tensor]:
        x = self.enter(self.prepared(img))
        half = x.dtype in HALVES
        with torch.autocast(x.device.type, dtype=x.dtype if half else None, enabled=half):
            found = self.network(x)
        return [exact(y) for y in self.mixed(found)]

    def prepared(self, img: Tensor) -> Tensor:
        """Images [N, 1 or 3, H, W] as three colours [N, 3, *size], bilinear, without aliasing."""
        x = img.expand(-1, 3, -1, -1)
        if x.shape[2:] != self.size:
            x = F.interpolate(exact(x), self.size, mode="bilinear", antialias=x.shape[2] > self.size[0])
        return fast_layout(x)

    def mixed(
        self, maps: Sequence[Tensor], each: Callable[[str, Tensor], Tensor] = lambda _, y: y
    ) -> list[Tensor]:
        """Features f_l -> s_l, or m_l without mixing of scales.  each: gets every result with its matrix."""
        found: list[Tensor] = []
        for scale in reversed(range(len(maps))):
            y = self._convolved(f"across{scale}", maps[scale], each)
            if self.cross_scale:
                if found:
                    y = y + F.interpolate(found[0], y.shape[2:], mode="bilinear")
                y = self._convolved(f"between{scale}", y, each)
            found.insert(0, y)
        return found

    def _convolved(self, name: str, x: Tensor, each: Callable[[str, Tensor], Tensor]) -> Tensor:
        kernel = getattr(self, name)
        return each(name, F.conv2d(x, kernel.to(x.dtype), padding=kernel.shape[2] // 2))

    @torch.no_grad()
    def _set_spread(self) -> None:
        """Scale every matrix so that what it makes of the reference images has unit spread."""

        def scaled(name: str, y: Tensor) -> Tensor:
            spread = y.var(dim=(0, 2, 3), unbiased=False).mean().sqrt().clamp_min(1e-6)
            getattr(self, name).div_(spread)
            return y / spread

        self.mixed(self.network(self.prepared(references(self.size))), scaled)

    def _add(self, name: str, value: Tensor) -> None:
        self.register_buffer(name, value)
        self.constants.append(name)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Projection":
        """Device and type of the feature network follow those of the module."""
        for network in self._network:
            network._apply(fn, recurse)
        return super()._apply(fn, recurse)


class Head(Block):
    """Mixed features [N, M, h, w] of a scale, c [N, K] -> logits [N, 1], the mean over places.

    A stride-2 convolution for each halving until the shorter side is at most 4, then 3x3, then 1x1. The 3x3
    one also sees the spread over a group of samples, if there are groups: who looks at one sample alone does
    not see that all fakes have one shape.
    """

    def __init__(self, config: DiscriminatorConfig, stride: int):
        super().__init__()
        self.level, self.group = config.resolution, config.mbstd_group
        side, inputs, layers = -(-min(config.feature_size) // stride), config.mixed_channels, []
        while side > 4:
            layers.append(convolution(inputs, config.head_channels, 4, stride=2))
            side, inputs = side // 2, config.head_channels
        layers.append(convolution(inputs + (self.group != 1), config.head_channels, 3))
        self.layers = nn.ModuleList(layers)
        self.out = convolution(config.head_channels, 1, 1)
        self.embed = nn.Linear(config.c_dim, config.head_channels, bias=False) if config.c_dim else None
        if self.embed is not None:
            nn.init.xavier_uniform_(self.embed.weight)

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        return self.patches(x, c).mean(dim=(2, 3))

    def patches(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """The logit of each place: [N, 1, h', w'], float32."""
        x = self.enter(x)
        *halvings, last = self.layers
        for layer in halvings:
            x = F.leaky_relu(layer(x), SLOPE)
        x = minibatch_std(x, self.group, 1) if self.group != 1 else x
        x = exact(F.leaky_relu(last(x), SLOPE))
        logits = self.out(x)
        if self.embed is None:
            return logits
        return logits + (x * self.embed(c)[:, :, None, None]).sum(dim=1, keepdim=True)


class Discriminator(Network):
    """image [N, *image_shape], c one-hot [N, K] -> logits [N, 1], in two halves: `mixed` and `of_mixed`."""

    def __init__(self, config: DiscriminatorConfig):
        super().__init__(config)
        self.projection = Projection(config)
        self.heads = nn.ModuleList(Head(config, stride) for stride in features.STRIDES)

    def forward(self, img: Tensor, c: Tensor | None = None) -> Tensor:
        """Logits of "real" [N, 1]. ValueError when a conditional network gets no labels."""
        return self.of_mixed(self.mixed(img), c)

    def mixed(self, img: Tensor) -> list[Tensor]:
        """The mixed features of each scale [N, M, h, w], float32."""
        return self.projection.run(img)

    def of_mixed(self, mixed: Sequence[Tensor], c: Tensor | None = None) -> Tensor:
        """Logits [N, 1] of mixed features: the sum over the heads."""
        if self.c_dim and c is None:
            raise ValueError(f"this network is conditional: give c, one-hot labels [N, {self.c_dim}]")
        return torch.stack([head.run(x, c) for head, x in zip(self.heads, mixed, strict=True)]).sum(dim=0)


def convolution(inputs: int, outputs: int, size: int, stride: int = 1) -> CastConv2d:
    """Same size, or half of it; weights uniform as in Glorot and Bengio 2010, bias 0."""
    layer = CastConv2d(inputs, outputs, size, stride, padding=(size - 1) // 2)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def references(size: tuple[int, int]) -> Tensor:
    """Images of noise that is alike on all scales from 2x2 places to pixels: [REFERENCES, 3, *size]."""
    total, side = torch.zeros(REFERENCES, 3, *size), 2
    while side <= min(size):
        noise = torch.randn(REFERENCES, 3, side, side)
        total, side = total + F.interpolate(noise, size, mode="bilinear"), side * 2
    return (total / total.std() / 2).clamp(-1, 1)

"""Perceptrons as a family of networks for images of any size: the smallest GAN that can collapse.

Goodfellow et al. 2014 had such networks for MNIST. No convolution, no normalisation, no batch statistics.

Letters: N images.
"""

import itertools
import math
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from gan import shapes
from gan.config import positive
from gan.networks import ARCHITECTURES, Architecture, reparametrize
from gan.networks.base import Network, PlainGenerator

SLOPE = 0.2  # of leaky ReLU


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """What both perceptrons have in common.  width, layers: of the hidden layers.

    gain: of the initial weights, in units of those of He et al. 2015; 0.4 is about PyTorch's own.
    """

    type: Literal["perceptron"] = "perceptron"
    resolution: int = 32
    base: shapes.Base = (4, 4)
    channels: int = 3
    c_dim: int = 0
    width: int = 128
    layers: int = 3
    gain: float = 1.0

    def __post_init__(self):
        positive(self, "resolution", "channels", "width", "layers")

    @property
    def values(self) -> int:
        """Of an image."""
        return math.prod(shapes.image_shape(self))

    def layers_between(self, inputs: int, outputs: int, last: float = 1.0) -> nn.Sequential:
        """inputs -> width -> ... -> outputs, with leaky ReLU between.

        last: factor of the last layer's weights; small, images start smooth instead of as noise.
        """
        sizes = [inputs, *[self.width] * self.layers, outputs]
        layers: list[nn.Module] = []
        for pair in itertools.pairwise(sizes):
            linear = nn.Linear(*pair)
            nn.init.kaiming_normal_(linear.weight, SLOPE)
            linear.weight.data *= self.gain
            nn.init.zeros_(linear.bias)
            layers += [linear, nn.LeakyReLU(SLOPE)]
        linear.weight.data *= last
        return nn.Sequential(*layers[:-1])


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig(NetworkConfig):
    """Of the generator.  bounded: whether its last step is tanh."""

    z_dim: int = 64
    bounded: bool = False

    def build(self) -> "Generator":
        """A freshly initialised generator."""
        return Generator(self)


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig(NetworkConfig):
    """Of the discriminator."""

    spectral_norm: bool = False

    def build(self) -> "Discriminator":
        """A freshly initialised discriminator."""
        return reparametrize.applied(Discriminator(self), self.spectral_norm)


class Generator(PlainGenerator):
    """z [N, z_dim] -> images [N, *image_shape], about [-1, 1]."""

    def __init__(self, config: GeneratorConfig):
        super().__init__(config)
        self.layers = config.layers_between(config.z_dim, config.values, last=0.1)

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """z [N, z_dim] -> [N, *image_shape]; c is None."""
        x = self.layers(z).view(-1, *self.image_shape)
        return x.tanh() if self.config.bounded else x


class Discriminator(Network):
    """Images [N, *image_shape] -> logits [N, 1]."""

    def __init__(self, config: DiscriminatorConfig):
        super().__init__(config)
        self.layers = config.layers_between(config.values, 1)

    def forward(self, img: Tensor, c: Tensor | None = None) -> Tensor:
        return self.layers(img.flatten(1))


def register() -> None:
    """Make the family known by its name, so that configs and checkpoints can name it."""
    ARCHITECTURES["perceptron"] = Architecture(GeneratorConfig, DiscriminatorConfig)

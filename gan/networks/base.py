"""What networks of all families share: what they say of their images, and the two kinds of generators.

Letters: N images, K classes.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, NoReturn, Protocol

import torch
from torch import Tensor, nn

from gan import shapes
from gan.errors import UsageError, UserError, unknown
from gan.networks.blocks import Block
from gan.networks.layers import Linear
from gan.networks.mapping import MappingConfig, MappingNetwork
from gan.networks.pretrained import Pretrained


class NoiseSource(Protocol):
    """What gives each layer its noise, in their order: `gan.randomness.Draws`, `gan.latents.NoiseMaps`."""

    def normal(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """[N, *shape] for the layer that asks next."""


Noise = Literal["const", "random", "none"] | NoiseSource  # random: from torch's global generator


class NetworkConfig(shapes.Sized, Protocol):
    """Config of any network."""

    c_dim: int


class GeneratorConfig(NetworkConfig, Protocol):
    """Config of any generator."""

    z_dim: int


class StyledConfig(GeneratorConfig, Protocol):
    """Config of a generator with a style space."""

    w_dim: int
    mapping: MappingConfig


class Network(Block):
    """c_dim: classes, 0 for none.  image_shape: (channels, rows, columns).  resolution: see `gan.shapes`."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.config = config
        self.c_dim, self.resolution, self.channels = config.c_dim, config.resolution, config.channels
        self.image_shape = shapes.image_shape(config)


def nonfinite(network: nn.Module) -> str | None:
    """In words, how many weights and buffers hold NaN or infinity; None where all is finite."""
    tensors = [t for t in (*network.parameters(), *network.buffers()) if t.is_floating_point()]
    broken = sum(not bool(t.isfinite().all()) for t in tensors)
    return f"{broken} of {len(tensors)} tensors of the network hold NaN or infinity" if broken else None


def digest(network: nn.Module) -> str:
    """Hex sha256 of the names, types, shapes and values of all that a network saves, wherever it lies.

    The same model has the same digest in any file and on every device; another training, or one changed
    value, has another. Left out is `transform` of StyleGAN3's input alone, which users set.
    """
    found = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        if not name.endswith("input.transform"):
            value = tensor.detach().cpu().contiguous()
            found.update(f"{name} {value.dtype} {list(value.shape)}\n".encode())
            found.update(value.view(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


class Affine(NamedTuple):
    """What makes the style of one convolution: `layer`, from the w of that `index` in ws."""

    layer: Linear
    index: int


def check_styles(styles: Mapping[str, Tensor], affines: Mapping[str, Affine], count: int) -> None:
    """UsageError unless every style has the name of an affine and its shape [count, channels]."""
    for name, style in styles.items():
        if name not in affines:
            raise UsageError(unknown("layer", name, affines))
        wanted = [count, affines[name].layer.bias.shape[0]]
        if list(style.shape) != wanted:
            raise UsageError(f"the style of {name} is {list(style.shape)}; give {wanted}")


class StyledGenerator(Pretrained, Network):
    """z, c -> image [N, *image_shape]; `mapping` and `synthesis` are its two halves.

    synthesis: (ws [N, num_ws, w_dim], noise) -> image; has num_ws. Each draw of its layers is the next one of
    a `Draws`. Where it has `affines` and takes `styles`, it has a style space s, see `gan.latents.styles`.
    """

    def __init__(self, config: StyledConfig, synthesis: nn.Module):
        super().__init__(config)
        self.z_dim, self.w_dim, self.num_ws = config.z_dim, config.w_dim, synthesis.num_ws
        self.synthesis = synthesis
        self.mapping = MappingNetwork(
            config.mapping, z_dim=config.z_dim, c_dim=config.c_dim, w_dim=config.w_dim, num_ws=self.num_ws
        )

    def forward(
        self,
        z: Tensor,
        c: Tensor | None = None,
        psi: float = 1.0,
        psi_cutoff: int | None = None,
        noise: Noise = "const",
    ) -> Tensor:
        """z [N, z_dim], c one-hot [N, K] -> [N, *image_shape], about [-1, 1].

        psi, psi_cutoff: truncation, see `MappingNetwork.forward`.
        """
        return self.synthesis(self.mapping(z, c, psi, psi_cutoff), noise)


class PlainGenerator(Pretrained, Network):
    """Base of generators without a style space: z goes in at one place, `G(z, c)` is all there is."""

    def __init__(self, config: GeneratorConfig):
        super().__init__(config)
        self.z_dim = config.z_dim

    @property
    def mapping(self) -> NoReturn:
        """Raises UserError: there is no style space."""
        raise UserError("this generator has no style space, so no mapping and no synthesis: call G(z, c)")

    synthesis = mapping

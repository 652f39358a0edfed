"""The layers of StyleGAN2's synthesis network (Karras et al. 2020), and their styles, all at once.

Letters: N samples.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from gan import shapes
from gan.networks.base import Noise
from gan.networks.layers import Linear
from gan.networks.prepared import Scaled
from ops import modulated_conv2d, setup_filter
from ops.bias_act import ACTIVATIONS
from ops.modulation import Layer, Modulation, modulations

if TYPE_CHECKING:
    from gan.networks.stylegan2 import GeneratorConfig

Style = Tensor | Modulation  # of a layer: its w [N, w_dim], or what follows from it


def styled(slots: Sequence[Sequence[tuple[nn.Module, Tensor]]], training: bool) -> list[list[Style]]:
    """The styles of the layers of each block, for layers with their w.

    In training, what follows from them is computed for all at once: it is many small operations. Layers with
    reparametrized weights do it on their own, when they run, as their weights are recomputed with them.
    """
    layers = [pair for block in slots for pair in block]
    parts = (part for layer, _ in layers for part in (layer, layer.affine))
    if not training or any(map(parametrize.is_parametrized, parts)):
        return [[w for _, w in block] for block in slots]
    known: Iterator[Modulation] = iter(modulations([_described(layer, w) for layer, w in layers]))
    return [[next(known) for _ in block] for block in slots]


def replaced(w: Tensor, given: Tensor | None) -> Style:
    """The style of a layer that has this w, or the one that is given instead, [N, channels]."""
    return w if given is None else Modulation(given)


def samples(style: Style) -> int:
    """N; a trace leaves it open, which len() would not."""
    return (style if isinstance(style, Tensor) else style.styles).shape[0]


def _times(noise: Tensor, strength: Tensor) -> Tensor:
    """noise * strength []; as a product with a vector, the derivative of strength is one operation."""
    return torch.mv(noise.reshape(-1, 1), strength.view(1)).view(noise.shape)


def _described(layer: nn.Module, w: Tensor) -> Layer:
    weight = layer.weight if isinstance(layer, SynthesisLayer) else None
    return Layer(w, layer.affine.scaled("weight"), layer.affine.scaled("bias"), weight)


class SynthesisLayer(nn.Module):
    """Modulated 3x3 convolution, noise, bias, activation: [N, in, H/up, W/up] -> [N, out, H, W]."""

    weight_gain = None  # demodulated

    constants = ("resample_filter", "noise_const")

    def __init__(
        self, config: "GeneratorConfig", in_channels: int, out_channels: int, level: int, up: int = 1
    ):
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

    def draw(self, w: Tensor, noise: Noise) -> Tensor | None:
        """Noise for the samples of w, not scaled yet: the map, fresh [N, 1, rows, columns], or none."""
        if not self.use_noise or noise == "none":
            return None
        if noise == "const":
            return self.noise_const
        size, dtype = (1, *self.noise_const.shape), self.noise_const.dtype
        if noise == "random":
            return torch.randn(w.shape[0], *size, device=w.device, dtype=dtype)
        return noise.normal(size, dtype)

    def forward(self, x: Tensor, style: Style, noise: Tensor | None, gain: float = 1.0) -> Tensor:
        styles, scale, weight = style if isinstance(style, Modulation) else Modulation(self.affine(style))
        return modulated_conv2d(
            x,
            self.weight if weight is None else weight,
            styles,
            None if noise is None else _times(noise, self.noise_strength),
            up=self.up,
            padding=1,
            f=self.resample_filter,
            flip_weight=self.up == 1,
            b=self.bias,
            act=self.activation,
            gain=ACTIVATIONS[self.activation].gain * gain,
            clamp=None if self.clamp is None else self.clamp * gain,
            scale=scale,
        )


class ToRGB(Scaled):
    """Modulated 1x1 convolution without demodulation: features -> image channels."""

    def __init__(self, config: "GeneratorConfig", in_channels: int):
        super().__init__()
        self.clamp = config.conv_clamp
        self.affine = Linear(config.w_dim, in_channels, bias_init=1)
        self.weight = nn.Parameter(torch.randn(config.channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(config.channels))
        self.weight_gain = 1 / in_channels**0.5

    @property
    def factors(self) -> dict[str, float]:
        """See `Scaled`."""
        return {"weight": self.weight_gain}

    def forward(self, x: Tensor, style: Style) -> Tensor:
        styles = style.styles if isinstance(style, Modulation) else self.affine(style)
        weight = self.scaled("weight")
        return modulated_conv2d(x, weight, styles, demodulate=False, b=self.bias, clamp=self.clamp)

"""The modulated layers of StyleGAN2's generator (Karras et al. 2020, section 2.2).

Letters: N images, H rows, W columns.  A layer makes its style from w, by its affine, or is given one.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from gan import shapes
from gan.networks.base import Noise
from gan.networks.layers import Linear
from ops import modulated_conv2d, setup_filter
from ops.bias_act import ACTIVATIONS

if TYPE_CHECKING:
    from gan.networks.stylegan2 import GeneratorConfig


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

    def forward(
        self, x: Tensor, w: Tensor, noise: Tensor | None, gain: float = 1.0, style: Tensor | None = None
    ) -> Tensor:
        return modulated_conv2d(
            x,
            self.weight,
            self.affine(w) if style is None else style,
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

    def __init__(self, config: "GeneratorConfig", in_channels: int):
        super().__init__()
        self.clamp = config.conv_clamp
        self.affine = Linear(config.w_dim, in_channels, bias_init=1)
        self.weight = nn.Parameter(torch.randn(config.channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(config.channels))
        self.weight_gain = 1 / in_channels**0.5

    def forward(self, x: Tensor, w: Tensor, style: Tensor | None = None) -> Tensor:
        styles = (self.affine(w) if style is None else style) * self.weight_gain
        return modulated_conv2d(x, self.weight, styles, demodulate=False, b=self.bias, clamp=self.clamp)

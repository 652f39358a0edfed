"""StyleGAN3 generator, translation- or rotation-equivariant (Karras et al. 2021), with the published names.

Its usual discriminator is StyleGAN2's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan import shapes
from gan.config import positive
from gan.networks import reparametrize
from gan.networks.base import Affine, Noise, StyledGenerator, check_styles
from gan.networks.blocks import Block, exact
from gan.networks.layers import Linear
from gan.networks.lowpass import Band, bands, lowpass
from gan.networks.mapping import MappingConfig
from ops import affine, filtered_lrelu, prenormalized_modulated_conv2d


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """Everything that shapes the generator; the defaults are configuration T. For R see the preset.

    resolution: power of two >= 16.  base: rows and columns of the image in quarters of it, see `gan.shapes`.
    channels: of the image.  c_dim: classes, 0 if unconditional.
    channel_base, channel_max: a layer of cut-off f has min(channel_base / 2 / f, channel_max) channels, at
    least 1.
    layers: convolutions before ToRGB.  critical: how many of the last are critically sampled.
    first_cutoff, first_stopband: of layer 0, in cycles per `resolution` pixels.  last_stopband_rel: of the
    last layer, in units of its cut-off.  margin: pixels around the image.  output_scale: of the result.
    conv_kernel: 3, or 1 for rotation equivariance.  filter_size: taps per resampling factor.
    lrelu_upsampling: how much finer the non-linearity is sampled.  radial_filters: downsample alike in all
    directions.  conv_clamp: largest activation, None for no limit.  magnitude_beta: decay per batch of the
    running mean square of each layer's input; None: 0.5 ^ (batch / 20,000), which a run fills in before it
    trains.  spectral_norm: of the synthesis network, and lora_rank: of the adapters that alone are trained,
    0 for none; see `gan.networks.reparametrize`.
    """

    type: Literal["stylegan3"] = "stylegan3"
    resolution: int = 256
    base: shapes.Base = (4, 4)
    channels: int = 3
    c_dim: int = 0
    z_dim: int = 512
    w_dim: int = 512
    channel_base: int = 32768
    channel_max: int = 512
    layers: int = 14
    critical: int = 2
    first_cutoff: float = 2.0
    first_stopband: float = 2**2.1
    last_stopband_rel: float = 2**0.3
    margin: int = 10
    output_scale: float = 0.25
    conv_kernel: int = 3
    filter_size: int = 6
    lrelu_upsampling: int = 2
    radial_filters: bool = False
    conv_clamp: float | None = 256.0
    magnitude_beta: float | None = None
    mapping: MappingConfig = field(default_factory=lambda: MappingConfig(layers=2))
    spectral_norm: bool = False
    lora_rank: int = 0

    def __post_init__(self):
        shapes.check(self.base, self.resolution, least=16)
        positive(self, "channels", "z_dim", "w_dim", "channel_base", "channel_max", "filter_size")
        positive(self, "lrelu_upsampling")
        if not 0 <= self.critical < self.layers:
            raise ValueError(f"critical must be between 0 and layers - 1; got {self.critical}")
        if self.conv_kernel not in (1, 3):
            raise ValueError(f"conv_kernel must be 1 or 3; got {self.conv_kernel}")
        self.bands()  # ValueError for rates that the base cannot have
        reparametrize.check_rank(self.lora_rank)

    def bands(self) -> list[Band]:
        """What each layer's signal may hold, ToRGB's last."""
        return bands(
            resolution=self.resolution,
            base=self.base,
            layers=self.layers,
            critical=self.critical,
            first_cutoff=self.first_cutoff,
            first_stopband=self.first_stopband,
            last_stopband_rel=self.last_stopband_rel,
            margin=self.margin,
            channel_base=self.channel_base,
            channel_max=self.channel_max,
            channels=self.channels,
        )

    def build(self) -> "Generator":
        """A freshly initialised generator; draws from torch's global random state."""
        return reparametrize.applied(Generator(self), self.spectral_norm, self.lora_rank, part="synthesis")


class SynthesisInput(nn.Module):
    """Fourier features, moved and turned by w: [N, w_dim] -> [N, channels, rows, columns].

    transform: buffer [3, 3], the inverse of what a user does to the image: output to input coordinates, in
    units of `resolution` pixels (the side of a square image), origin at its centre.
    """

    constants = ("transform", "freqs", "phases")

    def __init__(self, w_dim: int, band: Band):
        super().__init__()
        self.band = band
        angle, radius = 2 * np.pi * torch.rand(band.channels), band.cutoff * torch.rand(band.channels).sqrt()
        self.weight = nn.Parameter(torch.randn(band.channels, band.channels))
        self.weight_gain = 1 / band.channels**0.5
        self.affine = Linear(w_dim, 4)
        with torch.no_grad():  # at first w neither turns nor moves
            self.affine.weight.zero_()
            self.affine.starts_at_zero = True
            self.affine.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 0.0]))
        self.register_buffer("transform", torch.eye(3))
        self.register_buffer("freqs", torch.stack([angle.cos(), angle.sin()], dim=1) * radius[:, None])
        self.register_buffer("phases", torch.rand(band.channels) - 0.5)

    def forward(self, w: Tensor, style: Tensor | None = None) -> Tensor:
        band, moved = self.band, self._placement(self.affine(w) if style is None else style)
        phases = self.phases + affine(moved[:, :2, 2], self.freqs)  # [N, C]
        freqs = self.freqs.expand(moved.shape[0], -1, -1) @ moved[:, :2, :2]  # [N, C, 2]
        excess = (freqs.norm(dim=2) - band.cutoff) / (band.rate / 2 - band.cutoff)
        amplitude = (1 - excess).clamp(0, 1)  # [N, C]: waves too fine for the grid fade out
        below, across = (self._positions(size, w) for size in band.shape)
        x = freqs[:, :, :1, None] * across  # [N, C, 1, W]
        y = freqs[:, :, 1:, None] * below[:, None]  # [N, C, H, 1]
        waves = torch.sin(2 * np.pi * (x + y + phases[:, :, None, None])) * amplitude[:, :, None, None]
        mix = self.weight * self.weight_gain
        return F.conv2d(waves, mix[:, :, None, None])

    def _positions(self, size: int, like: Tensor) -> Tensor:
        """Where the pixels of an axis are, [size], around 0."""
        pixels = torch.arange(size, device=like.device, dtype=like.dtype)
        return ((pixels + 0.5) / size - 0.5) * (size / self.band.rate)

    def _placement(self, t: Tensor) -> Tensor:
        """Turn, then move, then `transform`, of t [N, 4]: cosine, sine, x, y -> [N, 3, 3]."""
        c, s, x, y = (t / t[:, :2].norm(dim=1, keepdim=True)).unbind(1)
        zero, one = torch.zeros_like(c), torch.ones_like(c)
        turn = torch.stack([c, -s, zero, s, c, zero, zero, zero, one], dim=1).view(-1, 3, 3)
        move = torch.stack([one, zero, -x, zero, one, -y, zero, zero, one], dim=1).view(-1, 3, 3)
        return turn @ move @ self.transform.expand_as(turn)


class SynthesisLayer(Block):
    """Modulated convolution and alias-free leaky ReLU: [N, in, H, W] -> [N, out, H', W'].

    previous, band: what its input and its result may hold.  last: ToRGB, which is linear.
    """

    constants = ("up_filter", "down_filter")

    def __init__(self, config: GeneratorConfig, previous: Band, band: Band, *, critical: bool, last: bool):
        super().__init__()
        self.last, self.clamp, self.beta = last, config.conv_clamp, config.magnitude_beta
        self.level = band.rate
        kernel = 1 if last else config.conv_kernel
        rate = max(previous.rate, band.rate) * (1 if last else config.lrelu_upsampling)
        self.up, self.down = rate // previous.rate, rate // band.rate
        taps = [1 if last or factor == 1 else config.filter_size * factor for factor in (self.up, self.down)]
        radial = config.radial_filters and not critical
        up_filter = lowpass(taps[0], previous.cutoff, previous.half_width * 2, rate)
        down_filter = lowpass(taps[1], band.cutoff, band.half_width * 2, rate, radial)
        self.conv_padding, self.padding = kernel - 1, ()
        for axis in (1, 0):  # columns, then rows
            inputs = (previous.shape[axis] + kernel - 1) * self.up
            total = (band.shape[axis] - 1) * self.down + 1 - inputs + sum(taps) - 2
            low = (total + self.up) // 2
            self.padding += (low, total - low)
        self.affine = Linear(config.w_dim, previous.channels, bias_init=1)
        self.weight = nn.Parameter(torch.randn(band.channels, previous.channels, kernel, kernel))
        self.weight_gain = 1 / previous.channels**0.5 if last else None  # the others are demodulated
        self.bias = nn.Parameter(torch.zeros(band.channels))
        self.register_buffer("magnitude_ema", torch.ones([]))
        self.register_buffer("up_filter", up_filter)
        self.register_buffer("down_filter", down_filter)

    def move_magnitude(self, x: Tensor) -> None:
        """Move the running mean square of the inputs towards that of x [N, in, H, W].

        ValueError where magnitude_beta is still open, as nobody knows the batch here.
        """
        if self.beta is None:
            raise ValueError("magnitude_beta is null: set it, such as 0.5 ** (batch / 20000)")
        mean_square = exact(x.detach()).square().mean().to(self.magnitude_ema)
        self.magnitude_ema.copy_(mean_square.lerp(self.magnitude_ema, self.beta))

    def forward(self, x: Tensor, w: Tensor, style: Tensor | None = None) -> Tensor:
        x = self.enter(x)
        styles = self.affine(w) if style is None else style
        if self.last:
            styles = styles * self.weight_gain
        x = prenormalized_modulated_conv2d(
            x, self.weight, styles, not self.last, self.conv_padding, self.magnitude_ema.rsqrt()
        )
        gain, slope = (1.0, 1.0) if self.last else (2**0.5, 0.2)
        return filtered_lrelu(
            x,
            self.up_filter,
            self.down_filter,
            self.bias,
            self.up,
            self.down,
            self.padding,
            gain=gain,
            slope=slope,
            clamp=self.clamp,
        )


class SynthesisNetwork(nn.Module):
    """ws [N, num_ws, w_dim] -> image [N, *image_shape], about [-1, 1]."""

    def __init__(self, config: GeneratorConfig):
        super().__init__()
        plan = config.bands()
        self.output_scale, self.num_ws = config.output_scale, config.layers + 2
        self.input = SynthesisInput(config.w_dim, plan[0])
        self.layers: list[str] = []
        for index, band in enumerate(plan):
            critical, last = index >= config.layers - config.critical, index == config.layers
            layer = SynthesisLayer(config, plan[max(index - 1, 0)], band, critical=critical, last=last)
            self.layers.append(f"L{index}_{band.size}_{band.channels}")
            self.add_module(self.layers[-1], layer)

    def affines(self) -> dict[str, Affine]:
        """Every affine by its layer, `input` first: its four numbers turn and move the Fourier features."""
        return {name: Affine(getattr(self, name).affine, i) for i, name in enumerate(("input", *self.layers))}

    def forward(
        self,
        ws: Tensor,
        noise: Noise = "const",
        update_emas: bool = False,
        styles: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """noise: accepted for all generators; this one has none.

        update_emas: move the running mean squares of the layers' inputs towards this batch.
        styles: name of an affine -> [N, channels], instead of what it makes of ws. UsageError for others.
        """
        styles = styles or {}
        if styles:
            check_styles(styles, self.affines(), len(ws))
        ws = ws.to(self.input.freqs.dtype)
        x = self.input(ws[:, 0], styles.get("input"))
        for index, name in enumerate(self.layers):
            layer = getattr(self, name)
            if update_emas:
                layer.move_magnitude(x)
            x = layer.run(x, ws[:, index + 1], styles.get(name))
        return exact(x) * self.output_scale


class Generator(StyledGenerator):
    """z, c -> image [N, *image_shape]; see the base class."""

    def __init__(self, config: GeneratorConfig):
        super().__init__(config, SynthesisNetwork(config))

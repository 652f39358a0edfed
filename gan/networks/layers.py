"""Layers with equalised learning rates (Karras et al. 2018, section 4.1) and minibatch statistics.

Weights are stored with unit variance and scaled in `forward`, so that every layer learns at the same speed.
"""

import torch
from torch import Tensor, nn

from gan.errors import unknown
from gan.networks.blocks import exact
from gan.networks.prepared import Scaled
from ops import affine, bias_act, conv2d_resample, setup_filter
from ops.bias_act import ACTIVATIONS
from ops.minibatch_std import minibatch_std as with_spread


def check_activation(name: str) -> None:
    """ValueError naming the nearest for an activation that `bias_act` does not have."""
    if name not in ACTIVATIONS:
        raise ValueError(unknown("activation", name, ACTIVATIONS))


class Linear(Scaled):
    """y = act(x W^T * lr / sqrt(in) + b * lr): [N, in] -> [N, out]."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        activation: str = "linear",
        lr_multiplier: float = 1.0,
        bias_init: float = 0.0,
    ):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / lr_multiplier)
        self.bias = nn.Parameter(torch.full([out_features], float(bias_init) / lr_multiplier))
        self.activation = activation
        self.lr_multiplier = lr_multiplier
        self.weight_gain = lr_multiplier / in_features**0.5

    @property
    def factors(self) -> dict[str, float]:
        """See `Scaled`."""
        return {"weight": self.weight_gain, "bias": self.lr_multiplier}

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = (self.scaled(name).to(x.dtype) for name in ("weight", "bias"))
        if self.activation == "linear":
            return affine(x, weight, bias)
        return bias_act(affine(x, weight), bias, act=self.activation)


class Conv2d(Scaled):
    """Convolution, resampling by 2, bias, activation, gain and clamp: [N, in, H, W] -> [N, out, H', W'].

    Args:
        kernel_size: odd; the padding keeps the size.
        up, down: 1 or 2.
        clamp: largest magnitude of the result, scaled with `gain` in `forward`; None for no limit.
        gain: of the weight, and so of a result without bias and activation.
        trainable: False keeps weight and bias as buffers of the same names (Freeze-D, Mo et al. 2020).
    """

    constants = ("resample_filter", "weight", "bias")
    resample_filter: Tensor
    bias: Tensor | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        bias: bool = True,
        activation: str = "linear",
        up: int = 1,
        down: int = 1,
        resample_filter: tuple[int, ...] = (1, 3, 3, 1),
        clamp: float | None = None,
        gain: float = 1.0,
        trainable: bool = True,
    ):
        super().__init__()
        self.activation, self.up, self.down = activation, up, down
        self.clamp, self.gain = clamp, gain
        self.padding = kernel_size // 2
        self.weight_gain = 1 / (in_channels * kernel_size**2) ** 0.5
        self.register_buffer("resample_filter", setup_filter(resample_filter))
        weight = torch.randn(out_channels, in_channels, kernel_size, kernel_size)
        self._add("weight", weight, trainable)
        self._add("bias", torch.zeros(out_channels) if bias else None, trainable)

    @property
    def factors(self) -> dict[str, float]:
        """See `Scaled`."""
        return {"weight": self.weight_gain * self.gain}

    def _add(self, name: str, value: Tensor | None, trainable: bool) -> None:
        if trainable:
            self.register_parameter(name, None if value is None else nn.Parameter(value))
        else:
            self.register_buffer(name, value)

    def forward(self, x: Tensor, gain: float = 1.0) -> Tensor:
        """`gain` scales result and clamp (sqrt(1/2) on the branches of a residual block)."""
        x = conv2d_resample(
            x,
            self.scaled("weight").to(x.dtype),
            self.resample_filter,
            self.up,
            self.down,
            self.padding,
            flip_weight=self.up == 1,
        )
        total = ACTIVATIONS[self.activation].gain * gain
        if total == 1 and self.bias is None and self.activation == "linear" and self.clamp is None:
            return x
        clamp = None if self.clamp is None else self.clamp * gain
        return bias_act(x, self.bias, act=self.activation, gain=total, clamp=clamp)


class RowLinear(nn.Linear):
    """nn.Linear by `ops.affine`: of a sample that is drawn nothing depends on the others."""

    def forward(self, x: Tensor) -> Tensor:
        return affine(x, self.weight, self.bias)


class CastConv2d(nn.Conv2d):
    """nn.Conv2d whose weight and bias take the type of its input."""

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return self._conv_forward(x, self.weight.to(x.dtype), bias)


def fast_layout(x: Tensor, *, grouped: bool = False) -> Tensor:
    """The same [N, C, H, W] in the memory format in which this device convolves faster, which is NHWC.

    Grouped convolutions on a GPU keep the format of x: nobody has measured which is faster there.
    """
    if grouped and x.device.type != "cpu":
        return x
    return x.contiguous(memory_format=torch.channels_last)


def normalize_2nd_moment(x: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x / sqrt(mean(x^2) + eps) along `dim`: unit second moment per sample."""
    return x * (x.square().mean(dim=dim, keepdim=True) + eps).rsqrt()


def minibatch_std(x: Tensor, group: int | None, channels: int) -> Tensor:
    """Append `channels` maps of the batch's spread, so D sees variety (Karras et al. 2018, section 3).

    Sample b belongs to group b mod (N / group). Input channels are split into `channels` blocks; a block's
    statistic is the mean over its channels and pixels of the standard deviation over the group.

    Args:
        x: [N, C, H, W].
        group: samples per group, at most N; None takes the whole batch.
        channels: divides C; 0 appends nothing.

    Returns:
        [N, C + channels, H, W].

    Raises:
        ValueError: N is not a multiple of the group, or C not a multiple of `channels`.
    """
    if channels == 0:
        return x
    n, c = x.shape[:2]
    group = n if group is None else min(group, n)
    if n % group or c % channels:
        raise ValueError(
            f"batch {n} must divide into groups of {group}, and {c} channels into {channels} blocks"
        )
    return with_spread(exact(x), group, channels).to(x.dtype)

"""Modulated convolution of StyleGAN2 (Karras et al. 2020, section 2.2, equations 1 to 3)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ops.autograd import without_autocast
from ops.bias_act import bias_act
from ops.conv2d_resample import conv2d_resample
from ops.scale_bias_act import scale_bias_act
from ops.upfirdn2d import Factor, parse_padding

EPSILON = 1e-8  # inside the root of equation 3


def modulated_conv2d(
    x: Tensor,
    weight: Tensor,
    styles: Tensor,
    noise: Tensor | None = None,
    up: int = 1,
    down: int = 1,
    padding: Factor = 0,
    f: Tensor | None = None,
    demodulate: bool = True,
    flip_weight: bool = True,
    b: Tensor | None = None,
    act: str = "linear",
    alpha: float | None = None,
    gain: float | None = None,
    clamp: float | None = None,
) -> Tensor:
    """Convolve each sample with weight * style, scaled to unit norm per output channel.

    Noise, bias and activation follow. Styles scale the activations before and demodulation scales them
    after one convolution that the whole batch shares, which equals scaling the weights per sample, without
    copies of the weights. Only a plain 1x1 convolution has weights per sample: it reads its input once.

    Args:
        x: [N, in, H, W].
        weight: [out, in, kh, kw].
        styles: [N, in].
        noise: added to the convolution's result: [N, 1, H', W'] or [H', W'].
        up, down, padding, f, flip_weight: as in `conv2d_resample`.
        demodulate: divide by sqrt(sum over in, kh, kw of (weight * style)^2 + 1e-8).
        b, act, alpha, gain, clamp: what follows, as in `bias_act`; nothing by default.

    Returns:
        [N, out, H', W'] in x's dtype, under autocast in that of its convolutions.
    """
    scale = None
    if demodulate:
        if _in_float16(x):  # keep products within range; cancels in the demodulation
            limit = weight[0].numel() ** 0.5 * weight.abs().amax(dim=(1, 2, 3), keepdim=True)
            weight = weight / limit
            styles = styles / styles.abs().amax(dim=1, keepdim=True)
        scale = _demodulation(weight, styles)
    weight = weight.to(x.dtype)
    if weight.shape[2:] == (1, 1) and up == down == 1 and parse_padding(padding) == (0, 0, 0, 0):
        x = _per_sample(x, weight[:, :, 0, 0] * styles.to(x.dtype)[:, None])
    else:
        x = scale_bias_act(x, styles)
        x = conv2d_resample(x, weight, f, up, down, padding, flip_weight=flip_weight)
    if scale is None and noise is not None:
        scale = torch.ones_like(x[:, :, 0, 0])
    if scale is None:
        return bias_act(x, b, act=act, alpha=alpha, gain=gain, clamp=clamp)
    return scale_bias_act(x, scale, noise, b, act, alpha, gain, clamp)


def prenormalized_modulated_conv2d(
    x: Tensor,
    weight: Tensor,
    styles: Tensor,
    demodulate: bool = True,
    padding: int | tuple[int, int] = 0,
    input_gain: Tensor | None = None,
) -> Tensor:
    """Modulated convolution of StyleGAN3 (Karras et al. 2021, appendix D.1) -> [N, out, H', W'].

    Before demodulation, weights are brought to unit mean square per output channel and styles to unit mean
    square over the batch, so that both stay within the range of half types.

    Args:
        x: [N, in, H, W].
        weight: [out, in, kh, kw].
        styles: [N, in].
        demodulate: as in `modulated_conv2d`, after that normalisation; False leaves both out.
        padding: zeros on both sides, one number or (rows, columns).
        input_gain: factor of every input channel after demodulation: [], [in] or [N, in].
    """
    scale = None
    if demodulate:
        weight = weight * weight.square().mean(dim=(1, 2, 3), keepdim=True).rsqrt()
        styles = styles * styles.square().mean().rsqrt()
        scale = _demodulation(weight, styles)
    if input_gain is not None:
        styles = styles * input_gain
    x = F.conv2d(scale_bias_act(x, styles), weight.to(x.dtype), padding=padding)
    return x if scale is None else scale_bias_act(x, scale)


def _in_float16(x: Tensor) -> bool:
    """Whether a convolution of x computes in float16: by its type, or by autocast."""
    device = x.device.type
    if torch.is_autocast_enabled(device):
        return torch.get_autocast_dtype(device) == torch.float16
    return x.dtype == torch.float16


def _demodulation(weight: Tensor, styles: Tensor) -> Tensor:
    """[N, out]: one over the norm of weight * style (equation 3), in their own type under autocast too."""
    with without_autocast(weight):
        energy = weight.square().sum(dim=(2, 3))  # [out, in]
        return (styles.square() @ energy.T + EPSILON).rsqrt()


def _per_sample(x: Tensor, weight: Tensor) -> Tensor:
    """1x1 convolution, weights [N, out, in] per sample: [N, in, H, W] -> [N, out, H, W], in its layout."""
    n, _, h, w = x.shape
    if x.is_contiguous():
        return (weight @ x.flatten(2)).view(n, -1, h, w)
    pixels = x.permute(0, 2, 3, 1).reshape(n, h * w, -1)  # a view of channels_last
    return (pixels @ weight.transpose(1, 2)).view(n, h, w, -1).permute(0, 3, 1, 2)

"""Modulated convolution of StyleGAN2 (Karras et al. 2020, section 2.2, equations 1 to 3)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ops.affine import drawing
from ops.bias_act import bias_act
from ops.conv2d_resample import conv2d_resample
from ops.modulation import demodulation
from ops.scale_bias_act import scale_bias_act
from ops.upfirdn2d import Factor, parse_padding


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
    scale: Tensor | None = None,
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
        scale: [N, out], the result of `demodulation` where it is known; in float16 it is found anew.

    Returns:
        [N, out, H', W'] in x's dtype, under autocast in that of its convolutions.
    """
    if demodulate and (scale is None or _in_float16(x)):
        if _in_float16(x):  # keep products within range; cancels in the demodulation
            limit = weight[0].numel() ** 0.5 * weight.abs().amax(dim=(1, 2, 3), keepdim=True)
            weight = weight / limit
            styles = styles / styles.abs().amax(dim=1, keepdim=True)
        scale = demodulation(weight, styles)
    weight = weight.to(x.dtype)
    if weight.shape[2:] == (1, 1) and up == down == 1 and parse_padding(padding) == (0, 0, 0, 0):
        plain = b is not None and act == "linear" and gain in (None, 1) and clamp is None and scale is None
        joined = b.to(x.dtype) if plain and noise is None else None
        x = _per_sample(x, weight.flatten(1) * styles.to(x.dtype)[:, None], joined)
        if joined is not None:
            return x
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
    square over the batch, so that both stay within the range of half types. Where images are drawn it is over
    each sample, so that none depends on its neighbours; the demodulation divides by it again.

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
        energy = styles.square()
        styles = styles * (energy.mean(dim=1, keepdim=True) if drawing() else energy.mean()).rsqrt()
        scale = demodulation(weight, styles)
    if input_gain is not None:
        styles = styles * input_gain
    x = F.conv2d(scale_bias_act(x, styles), weight.to(x.dtype), padding=padding)
    return x if scale is None else scale_bias_act(x, scale)


def _in_float16(x: Tensor) -> bool:
    """Whether a convolution of x computes in float16: by its type, or by autocast."""
    device = x.device.type
    if not x.is_meta and torch.is_autocast_enabled(device):
        return torch.get_autocast_dtype(device) == torch.float16
    return x.dtype == torch.float16


def _per_sample(x: Tensor, weight: Tensor, b: Tensor | None) -> Tensor:
    """1x1 convolution, weights [N, out, in] per sample, and bias [out]: [N, in, H, W] -> [N, out, H, W], in
    the layout of x."""
    n, _, h, w = x.shape
    if x.is_contiguous():
        pixels = x.flatten(2)
        found = weight @ pixels if b is None else torch.baddbmm(b[:, None], weight, pixels)
        return found.view(n, -1, h, w)
    pixels, weight = x.permute(0, 2, 3, 1).reshape(n, h * w, -1), weight.transpose(1, 2)  # a view
    found = pixels @ weight if b is None else torch.baddbmm(b, pixels, weight)
    return found.view(n, h, w, -1).permute(0, 3, 1, 2)

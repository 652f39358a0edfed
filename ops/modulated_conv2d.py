"""Modulated convolution of StyleGAN2 (Karras et al. 2020, section 2.2, equations 1 to 3)."""

import torch
from torch import Tensor

from ops.conv2d_resample import conv2d_resample
from ops.upfirdn2d import Factor

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
) -> Tensor:
    """Convolve each sample with weight * style, scaled to unit norm per output channel.

    Styles scale the activations before and demodulation scales them after one convolution that the whole
    batch shares, which equals scaling the weights per sample, without copies of the weights.

    Args:
        x: [N, in, H, W].
        weight: [out, in, kh, kw].
        styles: [N, in].
        noise: added to the result, broadcast from [N, 1, H', W'] or [H', W'].
        up, down, padding, f, flip_weight: as in `conv2d_resample`.
        demodulate: divide by sqrt(sum over in, kh, kw of (weight * style)^2 + 1e-8).

    Returns:
        [N, out, H', W'] in x's dtype.
    """
    scale = None
    if demodulate:
        if x.dtype == torch.float16:  # keep products within range; cancels in the demodulation
            limit = weight[0].numel() ** 0.5 * weight.abs().amax(dim=(1, 2, 3), keepdim=True)
            weight = weight / limit
            styles = styles / styles.abs().amax(dim=1, keepdim=True)
        energy = weight.square().sum(dim=(2, 3))  # [out, in]
        scale = (styles.square() @ energy.T + EPSILON).rsqrt().to(x.dtype)[:, :, None, None]  # [N, out, 1, 1]
    x = x * styles.to(x.dtype)[:, :, None, None]
    x = conv2d_resample(x, weight.to(x.dtype), f, up, down, padding, flip_weight=flip_weight)
    if scale is not None:
        x = x * scale if noise is None else torch.addcmul(noise.to(x.dtype), x, scale)
    elif noise is not None:
        x = x + noise.to(x.dtype)
    return x

"""Blur of what the discriminator sees, fading out over the first images.

Karras et al. 2021 ("Alias-Free GANs", appendix) train configuration R so. Without it the discriminator
rests on high frequencies, which that generator lacks at first.
"""

import torch
from torch import Tensor

from ops import filter2d


def sigma_at(start: float, fade_kimg: float, nimg: int) -> float:
    """Blur after `nimg` images: from `start` in a straight line to 0 at `fade_kimg`; 0 where that is 0."""
    return start * max(1 - nimg / (fade_kimg * 1000), 0.0) if fade_kimg else 0.0


def kernel(sigma: float) -> Tensor | None:
    """Taps 2^-(k / sigma)^2 for |k| <= 3 sigma, of sum 1: float32 [2 floor(3 sigma) + 1]; None if one."""
    radius = int(3 * sigma)
    if radius == 0:
        return None
    taps = (-(torch.arange(-radius, radius + 1) / sigma).square()).exp2()
    return taps / taps.sum()


def blurred(images: Tensor, sigma: float) -> Tensor:
    """Blurred rows and columns, zeros beyond the border: [N, C, H, W] -> [N, C, H, W]."""
    taps = kernel(sigma)
    return images if taps is None else filter2d(images, taps.to(images.device, non_blocking=True))

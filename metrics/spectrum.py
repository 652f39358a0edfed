"""Power of images by spatial frequency: what a generator lacks or adds in fine detail.

Letters: N images, C channels, H rows, W columns, F frequencies.
"""

import torch
from torch import Tensor


def radial_power(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean power of images [N, C, H, W] at each distance from frequency zero -> (frequencies [F], power [F]).

    Mean over images, channels and directions of |DFT|^2 / (H W), the mean of each channel taken off first;
    white noise of variance v has power v at every frequency. frequencies: cycles per pixel, the middles of
    rings that are 1 / max(H, W) wide, from one such width to 0.5. Floats of any range; float64 results.
    The azimuthal average is the usual way to look at upsampling artifacts: Durall et al. 2020, "Watch your
    Up-Convolution".
    """
    count, height, width = max(images.shape[2:]), *images.shape[2:]
    values = images.double() - images.double().mean(dim=(2, 3), keepdim=True)
    power = torch.fft.fft2(values).abs().square().mean(dim=(0, 1)) / (height * width)  # [H, W]
    down, across = torch.fft.fftfreq(height), torch.fft.fftfreq(width)
    ring = (torch.hypot(down[:, None], across[None]) * count).round().long().to(power.device)  # [H, W]
    rings = count // 2 + 1  # beyond it only the corners are left
    inside = ring < rings
    total = power.new_zeros(rings).index_add(0, ring[inside], power[inside])
    members = power.new_zeros(rings).index_add(0, ring[inside], torch.ones_like(power)[inside])
    frequencies = torch.arange(rings, dtype=torch.float64, device=power.device) / count
    return frequencies[1:], (total / members.clamp_min(1))[1:]

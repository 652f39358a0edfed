"""Resizing as the published tools do it. FID changes by more than most papers' gains when the filter does.

RESIZERS: name -> f(images, size): uint8 [N, 3, H, W] -> float32 [N, 3, size, size] in 0..255. Those whose
name starts with "pil" call Pillow itself, image by image, on the CPU; the others work on any device.
SCALES: name -> (mean, deviation) per channel; the network sees (x - mean) / deviation.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import PIL
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from gan.errors import UserError
from gan.images import rgb_view

SCALES = {
    "tf": ((128.0,) * 3, (128.0,) * 3),  # -1 .. 0.992
    "unit": ((127.5,) * 3, (127.5,) * 3),  # -1 .. 1
    "imagenet": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    "clip": ((122.7709383, 116.7460125, 104.09373615), (68.5005327, 66.6321579, 70.32316305)),
}


def rgb(images: Tensor) -> Tensor:
    """uint8 [N, C, H, W] -> their `gan.images.rgb_view` [N, 3, H, W], of data and fakes alike.

    Raises UserError for another shape, TypeError for another dtype.
    """
    if images.dtype != torch.uint8:
        raise TypeError(f"metrics take uint8 images, got {images.dtype}")
    if images.ndim != 4 or images.shape[1] == 0:
        raise UserError(
            f"cannot score images of shape {tuple(images.shape)}; need [N, channels, height, width]"
        )
    return rgb_view(images)


def prepared(images: Tensor, size: int, resize: str, scale: str, device: torch.device) -> Tensor:
    """uint8 [N, C, H, W] -> what a network sees: float32 [N, 3, size, size] on `device`, channels last.

    resize, scale: names in RESIZERS and SCALES. Raises as `rgb` does.
    """
    images = rgb(images)
    images = images.cpu() if resize.startswith("pil-") else images.to(device)
    x = RESIZERS[resize](images, size).to(device)
    mean, deviation = (torch.tensor(row, device=device).view(3, 1, 1) for row in SCALES[scale])
    return x.sub(mean).div_(deviation).contiguous(memory_format=torch.channels_last)


def described(size: int, resize: str, scale: str) -> str:
    """A preparation in a few words, with the version of Pillow where its pixels depend on that."""
    pillow = f"-pillow{PIL.__version__}" if resize.startswith("pil-") else ""
    return f"{size}px-{resize}-{scale}{pillow}"


def tf1_bilinear(images: Tensor, size: int) -> Tensor:
    """TensorFlow 1's bilinear: output i is at input i * (in / out), no half pixel added, no antialiasing.

    The neighbour beyond the last pixel is the last pixel. Arithmetic in float32, across first, as there.
    """
    if images.shape[2:] == (size, size):
        return images.to(torch.float32)
    (top, bottom, down), (left, right, across) = (
        _neighbours(length, size, images.device) for length in images.shape[2:]
    )
    rows = []
    for row in (top, bottom):
        picked = (
            images.index_select(2, row).permute(3, 0, 1, 2).contiguous()
        )  # [W, N, C, size]: rows innermost
        near, far = (picked.index_select(0, column).to(torch.float32) for column in (left, right))
        rows.append(far.sub_(near).mul_(across.view(-1, 1, 1, 1)).add_(near))
    upper, lower = rows  # [size, N, C, size], transposed
    return lower.sub_(upper).mul_(down).add_(upper).permute(1, 2, 3, 0)


def _neighbours(length: int, size: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Of each of `size` outputs along an axis: the inputs around it, and the weight of the second."""
    place = torch.arange(size, dtype=torch.float32, device=device) * (length / size)
    low = place.floor().long()
    return low, (low + 1).clamp_(max=length - 1), place - low


def bilinear(images: Tensor, size: int) -> Tensor:
    """Bilinear between pixel centres (half-pixel), no antialiasing: what torch does by default."""
    return F.interpolate(images.to(torch.float32), size=(size, size), mode="bilinear", align_corners=False)


def pil_bicubic_float(images: Tensor, size: int) -> Tensor:
    """Pillow's bicubic, antialiased, on each channel as a float image; clipped to 0..255, not rounded."""

    def resized(image: np.ndarray) -> np.ndarray:
        planes = (Image.fromarray(plane) for plane in image)
        return np.stack([np.asarray(p.resize((size, size), Image.Resampling.BICUBIC)) for p in planes])

    return _each(resized, images.to(torch.float32).numpy()).clamp_(0, 255)


def _each(resized: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> Tensor:
    """`resized` of every image, stacked; in threads, because Pillow works outside of Python's lock."""
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        return torch.from_numpy(np.stack(list(pool.map(resized, images))))


def _pil_bicubic(images: Tensor, width: int, height: int, size: int) -> Tensor:
    """8-bit Pillow bicubic of RGB images to width x height, then the size x size pixels at the centre."""
    left, top = round((width - size) / 2), round((height - size) / 2)
    rows, columns = slice(top, top + size), slice(left, left + size)

    def resized(image: np.ndarray) -> np.ndarray:
        whole = Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC)
        return np.asarray(whole)[rows, columns]

    return (
        _each(resized, images.permute(0, 2, 3, 1).contiguous().numpy()).permute(0, 3, 1, 2).to(torch.float32)
    )


def pil_bicubic(images: Tensor, size: int) -> Tensor:
    """Pillow's bicubic, antialiased, on 8-bit images: values stay integers."""
    return _pil_bicubic(images, size, size, size)


def pil_bicubic_crop(images: Tensor, size: int) -> Tensor:
    """`pil_bicubic` with the shorter side at `size`, the ratio of the sides kept; then the central square."""
    height, width = images.shape[2:]
    short = min(height, width)
    return _pil_bicubic(images, width * size // short, height * size // short, size)


RESIZERS: dict[str, Callable[[Tensor, int], Tensor]] = {
    "tf1-bilinear": tf1_bilinear,
    "bilinear": bilinear,
    "pil-bicubic-float": pil_bicubic_float,
    "pil-bicubic": pil_bicubic,
    "pil-bicubic-crop": pil_bicubic_crop,
}

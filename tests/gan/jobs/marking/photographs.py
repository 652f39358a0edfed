"""Pictures with the spectrum of photographs, drawn from a seed."""

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def photograph(side: int = 256, seed: int = 0, channels: int = 3, width: int | None = None) -> Tensor:
    """uint8 [channels, side, width or side]: noise whose amplitude falls with the frequency."""
    rng = np.random.default_rng(seed)
    shape = (side, side if width is None else width)
    cycles = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1]))
    noise = np.fft.rfft2(rng.normal(size=(channels, *shape))) / np.maximum(cycles, 1 / max(shape))
    drawn = np.fft.irfft2(noise, s=shape)
    drawn = 128 + 40 * (drawn - drawn.mean()) / drawn.std()
    return torch.from_numpy(drawn.clip(0, 255).astype(np.uint8))


def saved(image: Tensor, form: str, quality: int) -> Tensor:
    """The RGB image as a lossy file gives it back."""
    buffer = io.BytesIO()
    picture(image).save(buffer, form, quality=quality)
    return pixels(Image.open(buffer))


def resized(image: Tensor, factor: float) -> Tensor:
    """The RGB image with sides that much longer."""
    shape = [round(side * factor) for side in image.shape[:0:-1]]
    return pixels(picture(image).resize(shape, Image.Resampling.BICUBIC))


def picture(image: Tensor) -> Image.Image:
    return Image.fromarray(image.permute(1, 2, 0).numpy())


def pixels(found: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(found)).permute(2, 0, 1)

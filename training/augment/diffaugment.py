"""DiffAugment (Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training").

Every image is altered, always: colour (brightness, saturation, contrast), translation, cutout. Strengths are
those of the paper's section 3.3, for images in [-1, 1]. `shift` is this project's: with zeros from outside, a
generator that is trained for minutes learns their grey lines; it repeats the edge instead.
"""

from collections.abc import Iterable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from gan.randomness import Draws
from training.augment.config import AugmentConfig
from training.augment.pipe import cut_out

SHIFT = 1 / 8  # at most, of the image's side
CUTOUT = 1 / 2  # side of the square, of the image's side


class DiffAugment:
    """Draws and applies the groups that the policy names."""

    def __init__(self, config: AugmentConfig):
        self.groups = tuple(config.transforms)

    def __call__(self, images: Tensor, p: float, draws: Draws) -> Tensor:
        """Augmented [N, C, H, W]. p, which ada adapts, has no effect."""
        return apply(images, draw(self.groups, draws))


def draw(groups: Iterable[str], draws: Draws) -> dict[str, Tensor]:
    """Uniform numbers in [0, 1) for each image, on the CPU.

    color: [N, 3] for brightness, saturation and contrast.  translation, shift, cutout: [N, 2] for (x, y).
    """
    return {name: draws.uniform((3 if name == "color" else 2,), device="cpu") for name in groups}


def apply(images: Tensor, drawn: Mapping[str, Tensor]) -> Tensor:
    """`images` [N, C, H, W] through the groups that were drawn: colour, translation or shift, cutout."""
    if "color" in drawn:
        images = recolour(images, drawn["color"].to(images.device, images.dtype, non_blocking=True))
    if "translation" in drawn:
        images = translate(images, drawn["translation"])
    if "shift" in drawn:
        images = translate(images, drawn["shift"], repeat=True)
    if "cutout" in drawn:
        centre = drawn["cutout"].double()
        images = cut_out(images, torch.cat([centre, torch.full_like(centre, CUTOUT)], dim=1))
    return images


def recolour(images: Tensor, u: Tensor) -> Tensor:
    """Brightness + [-0.5, 0.5], saturation * [0, 2], contrast * [0.5, 1.5], of the first three channels.

    Saturation is the distance from the mean of a pixel's channels (grey images have none), contrast that from
    the mean of the image.  u: [N, 3] in [0, 1].
    """
    brightness, saturation, contrast = u.T[..., None, None, None]
    x, others = images[:, :3], images[:, 3:]
    x = x + (brightness - 0.5)
    if x.shape[1] > 1:
        grey = x.mean(dim=1, keepdim=True)
        x = (x - grey) * (2 * saturation) + grey
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    x = (x - mean) * (contrast + 0.5) + mean
    return torch.cat([x, others], dim=1) if others.shape[1] else x


def translate(images: Tensor, u: Tensor, repeat: bool = False) -> Tensor:
    """Shifted by whole pixels, at most an eighth of the side; zeros come in.  u: [N, 2] in [0, 1).

    repeat: the pixels at the edge come in instead.
    """
    x = F.pad(images, [1] * 4)
    for axis in (0, 1):
        size = images.shape[3 - axis]
        most = int(size * SHIFT + 0.5)
        shift = (u[:, axis] * (2 * most + 1)).long() - most  # [N]
        index = (torch.arange(size) - shift[:, None] + 1).clamp(int(repeat), size + 1 - repeat)  # [N, size]
        index = index.to(images.device, non_blocking=True)
        shape, full = [len(x), 1, 1, 1], list(x.shape)
        shape[3 - axis] = full[3 - axis] = size
        x = x.gather(3 - axis, index.reshape(shape).expand(full))
    return x

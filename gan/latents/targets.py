"""Images that latents are sought for: checked, and compared as files would show them.

Letters: N images, C channels, H rows, W columns.
"""

import torch
from torch import Tensor, nn

from gan.errors import UsageError
from gan.images import to_float


def checked(generator: nn.Module, images: Tensor, space: str) -> Tensor:
    """The images as floats in -1..1 on the generator's device. UsageError where they do not fit it."""
    styled = getattr(generator, "num_ws", 0) > 0
    if styled != (space != "z"):
        remedy = "w or w+" if styled else "z, for it has no style space"
        raise UsageError(f"this model cannot be projected into {space}; use {remedy}")
    shape = tuple(generator.image_shape)
    if images.ndim != 4 or tuple(images.shape[1:]) != shape or not len(images):
        raise UsageError(
            f"images are {list(images.shape)}; this model makes [N, {', '.join(map(str, shape))}]"
        )
    images = to_float(images) if images.dtype == torch.uint8 else images.to(torch.float32)
    return images.to(next(generator.parameters()).device)


def seen(images: Tensor, wanted: Tensor) -> Tensor:
    """Images [N, C, H, W] as a file would show them, where those that are wanted are white or black.

    What is beyond -1..1 is no error there: saved, it is that white or black. Elsewhere images stay, so that
    gradients lead back.
    """
    beyond = ((images > 1) & (wanted >= 1)) | ((images < -1) & (wanted <= -1))
    return torch.where(beyond, wanted, images)

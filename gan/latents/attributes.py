"""Attributes that can be read off the pixels: functions of images that supervised directions can learn.

Each takes images [N, C, H, W], about [-1, 1], and gives a number for each, [N]. Alpha is laid on white first.
"""

from collections.abc import Callable

from torch import Tensor

from gan.errors import UsageError
from gan.images import rgb_view, view
from gan.registry import table

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def luma(images: Tensor) -> Tensor:
    """[N, C, H, W] -> brightness of every pixel, [N, H, W], 0 black to 1 white."""
    shown = (rgb_view(images).clamp(-1, 1) + 1) / 2
    return (shown * shown.new_tensor(LUMA)[:, None, None]).sum(dim=1)


def brightness(images: Tensor) -> Tensor:
    """Mean luma, 0 to 1."""
    return luma(images).mean(dim=(1, 2))


def contrast(images: Tensor) -> Tensor:
    """Standard deviation of the luma over the pixels."""
    return luma(images).flatten(1).std(dim=1)


def saturation(images: Tensor) -> Tensor:
    """Mean over the pixels of largest minus smallest of red, green and blue, 0 to 1. UsageError for grey."""
    shown = _colour(images, "saturation")
    return (shown.amax(dim=1) - shown.amin(dim=1)).mean(dim=(1, 2)) / 2


def warmth(images: Tensor) -> Tensor:
    """Mean red minus mean blue, -1 to 1. UsageError for grey."""
    shown = _colour(images, "warmth")
    return (shown[:, 0] - shown[:, 2]).mean(dim=(1, 2)) / 2


def detail(images: Tensor) -> Tensor:
    """Mean step of the luma from a pixel to the next, across and down."""
    grey = luma(images)
    across, down = grey.diff(dim=2).abs(), grey.diff(dim=1).abs()
    return (across.mean(dim=(1, 2)) + down.mean(dim=(1, 2))) / 2


def symmetry(images: Tensor) -> Tensor:
    """1 minus the mean difference of the luma from its mirror image: 1 for left and right alike."""
    grey = luma(images)
    return 1 - (grey - grey.flip(2)).abs().mean(dim=(1, 2))


def _colour(images: Tensor, name: str) -> Tensor:
    shown = view(images).clamp(-1, 1)
    if shown.shape[1] != 3:
        raise UsageError(f"images of this model are grey, they have no {name}")
    return shown


ATTRIBUTES: dict[str, Callable[[Tensor], Tensor]] = table(
    "attribute",
    {
        "brightness": brightness,
        "contrast": contrast,
        "saturation": saturation,
        "warmth": warmth,
        "detail": detail,
        "symmetry": symmetry,
    },
)


def attributes_of(channels: int) -> list[str]:
    """The names of those that images of that many channels have."""
    grey = channels in (1, 2)
    return [name for name in ATTRIBUTES if not (grey and name in ("saturation", "warmth"))]

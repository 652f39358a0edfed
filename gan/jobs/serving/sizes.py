"""The size of what leaves: bounded before anything is drawn, and made by Lanczos' filter."""

from collections.abc import Sequence

from torch import Tensor

from gan.errors import UsageError
from gan.jobs.video import resized

LEAST, MOST = 16, 2048  # pixels of the longer side
MOST_PIXELS = 2**26  # of one answer, which lies in memory: 16 images of 2048 x 2048


def check_size(size: int | None, images: int) -> None:
    """UsageError for a size outside the bounds, or for more pixels than one answer may have."""
    if size is None:
        return
    if not LEAST <= size <= MOST:
        raise UsageError(f"size {size}: the longer side has {LEAST} to {MOST} pixels")
    if images * size**2 > MOST_PIXELS:
        most = MOST_PIXELS // size**2
        raise UsageError(
            f"{images} images of size {size} are too much for one answer: ask for {most} at most"
        )


def sized(image: Tensor, size: int | None) -> Tensor:
    """uint8 [C, H, W] with a longer side of that many pixels, in proportion; None leaves it as it is.

    What is resized is the `view`: alpha is laid on white, and of more channels than 4 three are left.
    """
    if size is None:
        return image
    return next(resized(iter([image]), _fitted(image.shape[1:], size)))


def _fitted(shape: Sequence[int], size: int) -> tuple[int, int]:
    """(width, height) of (height, width) with that longer side."""
    height, width = (max(1, round(side * size / max(shape))) for side in shape)
    return width, height

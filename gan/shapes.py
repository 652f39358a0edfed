"""Sizes of images and layers: a small base times a power of two, rows and columns each.

The levels 4, 8, ..., resolution name the layers of a network. Level s has base * s / 4 rows and columns: with
the base (4, 4) images are squares of side `resolution`, with (3, 4) and resolution 128 they have 96 rows and
128 columns. Names, channels and parameters of the layers follow from the level alone.
"""

import math
from typing import Protocol

from gan.errors import UsageError

Base = tuple[int, int]  # rows, columns at level 4

SHORTER = range(3, 8)  # what `fitted` allows for the shorter side of a base


class Sized(Protocol):
    """What the config of every network has; one that makes only squares may lack `base`."""

    resolution: int
    channels: int


def image_shape(config: Sized) -> tuple[int, int, int]:
    """(channels, rows, columns) of the images of a network."""
    return (config.channels, *size_at(getattr(config, "base", (4, 4)), config.resolution))


def levels(resolution: int) -> list[int]:
    """4, 8, ..., resolution."""
    return [2**i for i in range(2, resolution.bit_length())]


def size_at(base: Base, level: int) -> tuple[int, int]:
    """(rows, columns) at `level`, of which base * level must be a multiple of 4."""
    rows, columns = base
    return rows * level // 4, columns * level // 4


def check(base: Base, resolution: int, least: int) -> None:
    """ValueError unless resolution is a power of two >= `least` and the base is not empty."""
    if resolution < least or resolution & (resolution - 1):
        raise ValueError(f"resolution must be a power of two >= {least}; got {resolution}")
    if min(base) < 1:
        raise ValueError(f"base must be two numbers >= 1, rows and columns at level 4; got {list(base)}")


def fitted(height: int, width: int) -> tuple[Base, int]:
    """(base, resolution) of networks for images of `height` x `width`: as many levels as possible.

    The base's shorter side is 3 to 7: 256 x 448 is (4, 7) at 256, 96 x 128 is (3, 4) at 128.
    Raises UsageError for another size, naming the nearest ones.
    """
    for factor in _factors(max(height, width)):
        if height % factor == width % factor == 0 and min(height, width) // factor in SHORTER:
            return (height // factor, width // factor), 4 * factor
    smaller, larger = nearest(height, width)
    crop = f"crop them to {smaller[0]}x{smaller[1]} or " if smaller else ""
    raise UsageError(
        f"no network makes images of {height}x{width} (height x width), for sides are a power of two times a "
        f"base whose shorter side is 3 to 7: {crop}pad them to {larger[0]}x{larger[1]}"
    )


def nearest(height: int, width: int) -> tuple[tuple[int, int] | None, tuple[int, int]]:
    """The largest size within `height` x `width` (None below 6 pixels) and the smallest around it."""
    within: list[tuple[int, int]] = []
    around: list[tuple[int, int]] = []
    for factor in _factors(2 * max(height, width)):
        low = (height // factor * factor, width // factor * factor)
        high = tuple(max(-(-side // factor), SHORTER[0]) * factor for side in (height, width))
        within += [low] if min(low) // factor in SHORTER else []
        around += [(high[0], high[1])] if min(high) // factor in SHORTER else []
    return max(within, key=math.prod, default=None), min(around, key=math.prod)


def _factors(limit: int) -> list[int]:
    """Powers of two from the largest <= limit down to 2."""
    return [2**i for i in range(limit.bit_length() - 1, 0, -1)]

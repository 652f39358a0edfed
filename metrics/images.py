"""Where images come from: a set that can be read by number, or a stream of batches; cut into fixed batches.

A batch always holds the images [BATCH * i, BATCH * (i + 1)), whoever reads it: so neither the size of the
batches that arrive nor the number of processes changes a digit of a score.

Letters: N images, C channels, H rows, W columns.
"""

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from gan import distributed, processors
from gan.images import view

BATCH = 80  # images per call of a feature network; the counts in use are multiples of it
READERS = 8  # threads that read files, at most: decoding is faster than any network by then

# uint8 [N, C, H, W]; where images differ in size or colour, each by itself, [C, H, W]
Pixels = Tensor | Sequence[Tensor]


@runtime_checkable
class Images(Protocol):
    """Images by number.

    concurrent: whether `read` may run in a thread beside the network (files: yes; a generator: no). Optional
    attributes: `labels`, the class of each, or None; `readers`, how many threads may call `read` at once
    (without it, one).
    """

    concurrent: bool

    def __len__(self) -> int: ...

    def read(self, start: int, stop: int) -> Pixels:
        """uint8 [stop - start, C, H, W], or as many [C, H, W] where they differ."""


class ArrayImages:
    """Images that are all in memory: uint8 [N, C, H, W]."""

    concurrent = False

    def __init__(self, pixels: Tensor | np.ndarray, labels: Sequence[int] | None = None):
        self.pixels, self.labels = torch.as_tensor(pixels), labels

    def __len__(self) -> int:
        return len(self.pixels)

    def read(self, start: int, stop: int) -> Tensor:
        """uint8 [stop - start, C, H, W]."""
        return self.pixels[start:stop]


Source = Images | Tensor | np.ndarray | Iterable[Tensor]
Made = TypeVar("Made")


def as_images(source: Source) -> Images | Iterable[Tensor]:
    """An array becomes a set of images; anything else stays what it is."""
    return ArrayImages(source) if isinstance(source, Tensor | np.ndarray) else source


def length(source: Images | Iterable[Tensor], limit: int | None) -> int | None:
    """How many images will be read; None for a stream, whose end is not known."""
    if not isinstance(source, Images):
        return None
    return len(source) if limit is None else min(limit, len(source))


def batches(source: Images | Iterable[Tensor], limit: int | None) -> Iterator[Pixels]:
    """The first `limit` images (None: all) in batches of BATCH, the last one smaller."""
    return (images for _, images in shares(source, limit, 0, 1, lambda images: images))


def shares(
    source: Images | Iterable[Tensor],
    limit: int | None,
    rank: int,
    world: int,
    make: Callable[[Pixels], Made],
) -> Iterator[tuple[int, Made | None]]:
    """(size, make(images)) of every batch in order, None in its place where another process reads them.

    Process `rank` reads the batches rank, rank + world, ... limit: only the first so many images. What is
    `concurrent` is read and made in threads, a batch ahead of the caller.
    """
    total = length(source, limit)
    if total is None:
        for index, images in enumerate(rebatch(source, BATCH, limit)):
            yield len(images), make(images) if index % world == rank else None
        return

    spans = [(start, min(start + BATCH, total)) for start in range(0, total, BATCH)]
    own = spans[rank::world]
    parts = _ahead(source, make, own) if source.concurrent else (make(source.read(*span)) for span in own)
    for index, (start, stop) in enumerate(spans):
        yield stop - start, next(parts) if index % world == rank else None


def filled(images: Tensor, count: int) -> Tensor:
    """[N, ...], N <= count -> [count, ...], the last one repeated."""
    filler = images[-1:].expand(count - len(images), *images.shape[1:])
    return torch.cat([images, filler]) if len(filler) else images


def rebatch(batches: Iterable[Pixels], size: int, limit: int | None) -> Iterator[Pixels]:
    """The same images, at most `limit`, in batches [size, C, H, W]; the last may be smaller."""
    waiting: list[Tensor] = []
    taken, batches = 0, iter(batches)
    while limit is None or taken < limit:
        images = next(batches, None)
        if images is None:
            break
        images = images if isinstance(images, Sequence) else torch.as_tensor(images)
        images = images if limit is None else images[: limit - taken]
        taken += len(images)
        waiting.extend(images)
        while len(waiting) >= size:
            yield stacked(waiting[:size])
            waiting = waiting[size:]
    if waiting:
        yield stacked(waiting)


def together(source: Images, limit: int, side: int, device: torch.device) -> Tensor:
    """The view of the first images, [N, 1 or 3, H, W] as `reduced` has them, all in the memory of a device.

    Read in batches, which processes share (`gan.distributed.dealt`), each reduced before the next is read.
    Raises ValueError for images of several sizes or colours.
    """
    count, shapes = length(source, limit), set()

    def part(index: int) -> Tensor:
        images = source.read(index * BATCH, min((index + 1) * BATCH, count))
        shapes.update(tuple(image.shape) for image in images)
        if len(shapes) > 1:
            sizes = " and ".join("x".join(map(str, shape)) for shape in sorted(shapes)[:2])
            raise ValueError(f"images of one size and colour are compared, not {sizes}; convert them first")
        return filled(reduced(images.to(device), side), BATCH)

    whole = None
    for index, images in enumerate(distributed.dealt(part, math.ceil(count / BATCH))):
        whole = images.new_empty(count, *images.shape[1:]) if whole is None else whole
        whole[index * BATCH :][:BATCH] = images[: count - index * BATCH]
    return whole


def reduced(images: Tensor, side: int) -> Tensor:
    """The view of images [N, C, H, W]; of large ones blocks of shorter side // `side` are averaged, float32.

    Large are those of twice `side` or more; with 0 none is.
    """
    factor = min(images.shape[2:]) // side if side else 1
    if factor < 2:
        return view(images)
    parts = (view(part).to(torch.float32) for part in images.split(8))  # a batch in float32 is large
    return torch.cat([torch.nn.functional.avg_pool2d(part, factor) for part in parts])


def stacked(images: Sequence[Tensor]) -> Pixels:
    """Images [C, H, W] as one [N, C, H, W] where they are of one size and colour, else as they are."""
    return torch.stack(list(images)) if len({image.shape for image in images}) == 1 else list(images)


def joined(parts: Sequence[Pixels]) -> Pixels:
    """The images of all parts, as `stacked` has them."""
    return parts[0] if len(parts) == 1 else stacked([image for part in parts for image in part])


def readers() -> int:
    """Threads to read files with: as many as this process has processors, and no more than READERS."""
    share = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))  # processes of this machine, as torchrun says
    return max(1, min(READERS, processors.count() // share))


def _ahead(
    source: Images, make: Callable[[Pixels], Made], spans: Sequence[tuple[int, int]]
) -> Iterator[Made]:
    """make(images) of each span, in order, the next one while the caller has the last.

    The images of a span are read in `source.readers` threads, each a run of them.
    """
    count = getattr(source, "readers", 1)
    with ThreadPoolExecutor(count) as reading, ThreadPoolExecutor(1) as making:

        def made(span: tuple[int, int]) -> Made:
            edges = [span[0] + (span[1] - span[0]) * i // count for i in range(count + 1)]
            runs = [(a, b) for a, b in pairwise(edges) if a < b]
            parts = [future.result() for future in [reading.submit(source.read, *run) for run in runs]]
            return make(joined(parts))

        coming = [making.submit(made, span) for span in spans[:1]]
        for span in spans[1:]:
            done = coming.pop().result()
            coming.append(making.submit(made, span))
            yield done
        yield from (future.result() for future in coming)

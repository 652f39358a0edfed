"""What is done before a batch is needed: how many processes decode, and the copy to a GPU meanwhile."""

import multiprocessing
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from gan import distributed, processors
from training.data.faults import DataError
from training.data.images import ImageDataset

Batch = tuple[Tensor, Tensor]
Result = Batch | DataError  # an error waits until its batch is asked for

EACH = 2  # batches that a process has ready
MOST = 8  # processes beside one that trains
_ENOUGH = {256 * 256: 2, 512 * 512: 4}  # processes for images of at most so many pixels
_SHARED = Path("/dev/shm")  # where Linux keeps the memory through which batches come


def fork() -> str | None:
    """The way in which processes that decode begin, None where it is not by a copy of this process.

    A copy shares what has been read of the data set, and runs no script again.
    """
    return "fork" if sys.platform == "linux" and "fork" in multiprocessing.get_all_start_methods() else None


def decoders(dataset: ImageDataset, images: int) -> int:
    """Processes that decode ahead for one that takes `images` at a time.

    None where all images stay in memory once they are decoded, for objects given in Python, which may hold
    what no copy of a process can use, and where processes do not begin as copies. Otherwise all cores but
    one, of those for each training process of this machine, and no more than the size of the images asks for
    (2 up to 256x256, 4 up to 512x512, 8) or than shared memory holds batches of.
    """
    if dataset.in_memory or dataset.path is None or fork() is None:
        return 0
    channels, height, width = dataset.shape
    enough = next((count for pixels, count in _ENOUGH.items() if height * width <= pixels), MOST)
    ranks = distributed.local_world()
    ready = EACH * images * channels * height * width * ranks
    room = shutil.disk_usage(_SHARED).free // 2 // ready if _SHARED.is_dir() else MOST
    return max(0, min(processors.count() // ranks - 1, enough, room))


def copied_ahead(results: Iterator[Result], device: torch.device) -> Iterator[Result]:
    """The same batches with the images on `device`: on a GPU, each is copied while the step before it runs.

    The images come in pinned memory, from which a GPU copies by itself.
    """
    return _ahead(results, _Lane(device)) if device.type == "cuda" else results


class _Lane:
    """A stream of a GPU on which images are copied beside its work."""

    def __init__(self, device: torch.device) -> None:
        self._device, self._stream = device, torch.cuda.Stream(device)

    def start(self, images: Tensor) -> Callable[[], Tensor]:
        """Begin to copy; the function that gives the copy to the work that follows on the current stream."""
        with torch.cuda.stream(self._stream):
            copy = images.to(self._device, non_blocking=True)
            copied = self._stream.record_event()

        def finish() -> Tensor:
            current = torch.cuda.current_stream(self._device)
            current.wait_event(copied)
            copy.record_stream(current)
            return copy

        return finish


def _ahead(results: Iterator[Result], lane: _Lane) -> Iterator[Result]:
    def started() -> tuple[Callable[[], Tensor], Tensor] | DataError:
        result = next(results)
        return result if isinstance(result, DataError) else (lane.start(result[0]), result[1])

    following = started()
    while True:
        this, following = following, started()
        yield this if isinstance(this, DataError) else (this[0](), this[1])

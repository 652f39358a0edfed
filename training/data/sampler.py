"""Endless batches in an order that any position recomputes, so a run resumes exactly where it stopped.

Position p counts the images since the start of training. Epoch p // N visits each of the N images once, in an
order drawn from (seed, epoch); the same draw holds a coin per position for horizontal flips. Nothing depends
on the batch size, the number of processes, the workers, or on earlier positions.
"""

import contextlib
import functools
import itertools
import os
import signal
import threading
from collections.abc import Iterator

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from gan.errors import UsageError, UserError
from training.data.ahead import EACH, Batch, Result, copied_ahead, fork
from training.data.faults import DataError
from training.data.images import ImageDataset

CPU = torch.device("cpu")


def index_at(position: int, length: int, seed: int) -> tuple[int, int]:
    """(image number in [0, length), epoch) at `position` >= 0 of the endless order."""
    epoch, step = divmod(position, length)
    return int(_epoch(length, seed, epoch)[0][step]), epoch


def flip_at(position: int, length: int, seed: int) -> bool:
    """Whether the image at `position` is mirrored when flips are on: a fair coin for each position."""
    epoch, step = divmod(position, length)
    return bool(_epoch(length, seed, epoch)[1][step])


def batches(
    dataset: ImageDataset,
    *,
    batch_size: int,
    seed: int,
    start: int = 0,
    xflip: bool = False,
    workers: int = 0,
    rank: int = 0,
    world: int = 1,
    device: torch.device = CPU,
) -> Iterator[Batch]:
    """Endless (images uint8 [N, C, H, W], conditions): classes int64 [N], -1 without, or vectors [N, c_dim].

    `batch_size` and `start` count the images of all `world` processes; N = batch_size / world. Process `rank`
    gets every world-th image of each batch, beginning with its own number. `workers` processes decode ahead;
    their number changes nothing in the result. On a GPU, `device`, the images are there when the batch is
    given, copied from pinned memory while the step before was computed. Raises UsageError if the processes
    cannot share a batch evenly, and, while iterating, DataError as `ImageDataset.image` does.
    """
    if batch_size < 1 or batch_size % world:
        raise UsageError(
            f"batch {batch_size} cannot be shared by {world} processes: choose a multiple of {world}"
        )
    positions = _Positions(batch_size, start, rank, world)
    reader = _Reader(dataset, seed, xflip)
    pin = device.type == "cuda"
    if workers == 0:
        results = map(_pinned if pin else _identity, map(reader.__getitems__, positions))
    else:  # an own generator: the loader would otherwise draw from, and so move, the global random state
        rng = torch.Generator().manual_seed(seed)
        results = iter(
            DataLoader(
                reader,
                batch_sampler=positions,
                num_workers=workers,
                prefetch_factor=EACH,
                multiprocessing_context=fork(),
                pin_memory=pin,
                collate_fn=_identity,
                generator=rng,
                worker_init_fn=functools.partial(_heed, os.getpid()),
            )
        )
    return map(_raise_error, copied_ahead(results, device))


@contextlib.contextmanager
def workers_watched() -> Iterator[None]:
    """UserError with the remedy when a process that decodes images dies within the block.

    torch tells of it at any moment, so what the block was doing is lost; it cannot be taken up again here.
    """
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        told = " ".join(str(error).split())
        raise UserError(
            f"a process that decodes images died ({told}). If memory was short, lower data.workers;"
            " then go on with --resume auto"
        ) from error


class _Positions:
    """The positions of one process, batch by batch, without end."""

    def __init__(self, batch_size: int, start: int, rank: int, world: int) -> None:
        self.batch_size, self.start, self.rank, self.world = batch_size, start, rank, world

    def __iter__(self) -> Iterator[list[int]]:
        for first in itertools.count(self.start, self.batch_size):
            yield list(range(first + self.rank, first + self.batch_size, self.world))


class _Reader(Dataset):
    """Turns the positions of a batch into the batch; in a worker process as in the main one."""

    def __init__(self, dataset: ImageDataset, seed: int, xflip: bool) -> None:
        self.dataset, self.seed, self.xflip = dataset, seed, xflip

    def __getitems__(self, positions: list[int]) -> Result:
        """The batch, or the DataError that stopped it: raised in a worker it would grow into a traceback."""
        length = len(self.dataset)
        numbers = [index_at(position, length, self.seed)[0] for position in positions]
        try:
            images = np.stack([self.dataset.image(number) for number in numbers])  # [N, C, H, W]
        except DataError as error:
            return error
        if self.xflip:
            flips = np.array([flip_at(position, length, self.seed) for position in positions])
            images[flips] = images[flips, ..., ::-1]
        return torch.from_numpy(images), torch.from_numpy(self.dataset.conditions(numbers))


def _heed(trainer: int, _: int) -> None:
    """In a worker: only the training process may end it.

    A terminal or a cluster signals to all processes of a job; workers that obeyed would end the step that the
    training process means to finish and to save. Systems without sigwaitinfo (macOS) cannot tell the sender.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_when_told, args=(trainer,), daemon=True).start()


def _end_when_told(trainer: int) -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != trainer:
        pass
    os._exit(0)


def _pinned(result: Result) -> Result:
    """A batch in memory from which a GPU can copy by itself."""
    return result if isinstance(result, DataError) else (result[0].pin_memory(), result[1].pin_memory())


def _raise_error(result: Result) -> Batch:
    if isinstance(result, DataError):
        raise result
    return result


def _identity(batch: Result) -> Result:
    return batch


@functools.lru_cache(maxsize=4)
def _epoch(length: int, seed: int, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    """Order of the images and coin of each position, both [length]; batches rarely touch more than two."""
    rng = np.random.default_rng((seed, epoch))
    return rng.permutation(length), rng.integers(0, 2, length, dtype=np.int8).astype(bool)

"""Parts of a batch: what one process passes through the networks at once.

Processes and micro-batches split a batch alike. Part k of K has the samples k, k + K, k + 2 K, ... of it, so
it holds whole groups of minibatch statistics (sample b is in group b modulo their number).
"""

import contextlib
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from gan import distributed
from gan.errors import UsageError
from gan.networks.blocks import moving
from training.config import ComparesSamples, RunConfig

Terms = dict[str, Tensor]
Wholes = list[tuple[Tensor, ...]]  # values of a whole batch, in the order in which they are asked for
R = TypeVar("R")
OUT_OF_MEMORY = ("can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")


class AllOutOfMemory(torch.OutOfMemoryError):
    """Some process ran out of memory, and all know it."""


@dataclass(frozen=True)
class Part:
    """Samples number, number + count, ... of a batch of `total`. Its mean weighs `weight` in the batch's."""

    number: int
    count: int
    total: int

    @property
    def samples(self) -> range:
        """Numbers of its samples in the batch."""
        return range(self.number, self.total, self.count)

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def weight(self) -> float:
        """Fraction of the batch; 1 for the whole."""
        return len(self) / self.total

    def rows(self, whole: Tensor | None) -> Tensor | None:
        """This part of what is there for the whole batch [total, ...]."""
        return whole if whole is None or self.count == 1 else whole[self.number :: self.count]

    def placed(self, rows: Tensor, whole: Tensor) -> Tensor:
        """`whole` [total, ...] with this part's rows replaced by `rows`, which keep their gradients."""
        filled = whole.clone()
        filled[self.number :: self.count] = rows
        return filled


def split(state: Any, total: int) -> list[Part]:
    """This process's parts of a batch of `total`, for a `TrainState`."""
    passes = passes_of(state.config, state.micro_batch)
    rank, world = distributed.rank(), distributed.world()
    return [Part(rank + world * j, world * passes, total) for j in range(passes)]


def own(real: Tensor, parts: Sequence[Part], part: Part) -> Tensor:
    """The rows of `part` in what this process holds [batch / processes, ...] of a batch."""
    return real if len(parts) == 1 else real[parts.index(part) :: len(parts)]


def passes_of(config: RunConfig, micro_batch: int | None) -> int:
    """Into how many parts a process splits its share of a batch."""
    share = config.batch // distributed.world()
    return 1 if micro_batch is None else math.ceil(share / min(micro_batch, share))


def size_of(config: RunConfig, micro_batch: int | None) -> int:
    """Images in each of those parts."""
    return config.batch // distributed.world() // passes_of(config, micro_batch)


def fixed(config: RunConfig) -> int | None:
    """The micro-batch as configured; None where it is the whole share, or yet to be found."""
    return None if config.micro_batch == "auto" else config.micro_batch


def check(config: RunConfig, micro_batch: int | None) -> None:
    """UsageError where the batch cannot be split over the processes and passes of that many images."""
    passes = passes_of(config, micro_batch)
    count = distributed.world() * passes
    what = f"batch {config.batch} in {count} parts ({distributed.world()} processes, {passes} each)"
    size, rest = divmod(config.batch, count)
    if rest:
        raise UsageError(f"{what}: they differ in size; choose a batch or micro_batch that divides evenly")
    network, loss = config.discriminator, config.loss
    group = network.mbstd_group if isinstance(network, ComparesSamples) else 1
    if group and count > 1 and size % group:
        whole = f"whole groups of discriminator.mbstd_group {group}"
        raise UsageError(f"{what}: each must hold {whole}; choose a batch or micro_batch that gives them")
    if loss.path_length_weight and max(config.batch // loss.path_length_shrink, 1) < count:
        raise UsageError(f"{what}: path length has {config.batch // loss.path_length_shrink} samples only")


def over_parts(state: Any, parts: Sequence[Part], work: Callable[[Part], R]) -> list[R]:
    """`work` on each part; buffers become the mean of what the parts make of them.

    Where it fails, buffers are as before.
    """
    if parts[0].count == 1:
        return [work(parts[0])]
    found, buffers = [], running(state)
    before = [b.clone() for b in buffers]
    change = [torch.zeros_like(b) for b in buffers]
    try:
        with together(state):
            for part in parts:
                _put(buffers, before)
                found.append(work(part))
                if buffers:
                    torch._foreach_add_(change, torch._foreach_sub(buffers, before), alpha=part.weight)
    except Exception:
        _put(buffers, before)
        raise
    merge(change)
    if buffers:
        _put(buffers, torch._foreach_add(before, change))
    return found


def gathered(
    state: Any, parts: Sequence[Part], values: Callable[[Part], tuple[Tensor, ...]]
) -> tuple[Tensor, ...]:
    """Tensors [n, ...] of every part as tensors [N, ...] of the batch, on all processes; buffers stay."""
    buffers = running(state)
    before, wholes = [b.clone() for b in buffers], ()
    with together(state):
        for part in parts:
            rows = values(part)
            wholes = wholes or tuple(r.new_zeros(part.total, *r.shape[1:]) for r in rows)
            wholes = tuple(part.placed(r, whole) for r, whole in zip(rows, wholes, strict=True))
            _put(buffers, before)
    return tuple(distributed.summed(whole) for whole in wholes)


def summed(shares: Sequence[Terms]) -> Terms:
    """The sum over this process's parts and over the processes, by name."""
    terms = {name: functools.reduce(torch.add, (share[name] for share in shares)) for name in shares[0]}
    merge(list(terms.values()))
    return terms


@contextlib.contextmanager
def together(state: Any) -> Iterator[None]:
    """With `micro_batch: auto`, what runs out of memory in one process does so in all.

    Raises AllOutOfMemory in each of them. Within, the processes must not wait for one another.
    """
    if state.config.micro_batch != "auto" or distributed.world() == 1:
        yield
        return
    problem = None
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        problem = "out of memory in some process"
    if problem := distributed.agreed(problem):
        raise AllOutOfMemory(problem)


def out_of_memory(error: BaseException) -> bool:
    """Whether memory was what it lacked: of a GPU, of the CPU, or of a library that says so in words only."""
    kinds = (torch.OutOfMemoryError, MemoryError)
    return isinstance(error, kinds) or any(words in str(error) for words in OUT_OF_MEMORY)


def running(state: Any) -> list[Tensor]:
    """Buffers of both networks that passes may move: mean of w, magnitudes, norms, batch statistics."""
    buffers = [*moving(state.generator), *moving(state.discriminator)]
    return [b for b in buffers if b.is_floating_point()]


def _put(tensors: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    """Copy each value into its tensor; networks without buffers have none."""
    if tensors:
        torch._foreach_copy_(tensors, values)


def merge(tensors: Sequence[Tensor]) -> None:
    """Replace each tensor by its sum over the processes, in one message."""
    if distributed.world() == 1 or not tensors:
        return
    flat = distributed.summed(torch.cat([t.flatten() for t in tensors]))
    for tensor, found in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        tensor.copy_(found.view_as(tensor))


def merge_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Gradients summed over the processes; one that no process has stays None.

    Which there are is counted on the CPU: that waits for the other processes, and not for the device.
    """
    if distributed.world() == 1:
        return
    counts = distributed.summed(torch.tensor([p.grad is not None for p in parameters], dtype=torch.int64))
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    merge(gradients)
    for parameter, gradient, count in zip(parameters, gradients, counts.tolist(), strict=True):
        parameter.grad = gradient if count else None

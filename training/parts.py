"""Parts of a batch: what one process passes through the networks at once.

Processes and micro-batches split a batch alike. Part k of K has the samples k, k + K, k + 2 K, ... of it, so
it holds whole groups of minibatch statistics (sample b is in group b modulo their number). Random numbers are
drawn for the whole batch, and a part takes its rows: nothing drawn depends on how a batch is split.
"""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

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

    def __len__(self) -> int:
        return len(range(self.number, self.total, self.count))

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
        raise UsageError(f"{what}: each must hold whole groups of discriminator.mbstd_group {group}")
    if loss.path_length_weight and max(config.batch // loss.path_length_shrink, 1) < count:
        raise UsageError(f"{what}: path length has {config.batch // loss.path_length_shrink} samples only")


def over_parts(state: Any, parts: Sequence[Part], work: Callable[[Part], R]) -> list[R]:
    """`work` on each part, with the batch's draws; buffers become the mean of what the parts make of them.

    Where it fails, random states and buffers are as before.
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
                with _draws(part, state.device, last=part is parts[-1]):
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
    """Tensors [n, ...] of every part as tensors [N, ...] of the batch, on all processes.

    Random states and buffers stay as they were.
    """
    buffers = running(state)
    before, wholes = [b.clone() for b in buffers], ()
    with together(state):
        for part in parts:
            with _draws(part, state.device, last=False):
                rows = values(part)
            wholes = wholes or tuple(r.new_zeros(part.total, *r.shape[1:]) for r in rows)
            wholes = tuple(part.placed(r, whole) for r, whole in zip(rows, wholes, strict=True))
            _put(buffers, before)
    return tuple(distributed.summed(whole) for whole in wholes)


def summed(shares: Sequence[Terms]) -> Terms:
    """The sum over this process's parts and over the processes, by name."""
    terms = {name: sum(share[name] for share in shares) for name in shares[0]}
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
    """Gradients summed over the processes; one that no process has stays None."""
    if distributed.world() == 1:
        return
    device = parameters[0].device
    there = torch.tensor([float(p.grad is not None) for p in parameters], device=device)
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    merge([there, *gradients])
    for parameter, gradient, count in zip(parameters, gradients, there.tolist(), strict=True):
        parameter.grad = gradient if count else None


@contextlib.contextmanager
def _draws(part: Part, device: torch.device, last: bool) -> Iterator[None]:
    """Draw for the whole batch, and take the part's rows. All parts but the last give the state back.

    So does the last one where it fails.
    """
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices), _Rows(part):
        yield
        moved = torch.get_rng_state(), [torch.cuda.get_rng_state(d) for d in devices]
    if last:
        torch.set_rng_state(moved[0])
        for d, found in zip(devices, moved[1], strict=True):
            torch.cuda.set_rng_state(found, d)


class _Rows(TorchFunctionMode):
    """torch.rand, randn, randint, randn_like with r rows a sample: made for the batch, cut to the part.

    Draws of a single number are for the whole batch as they are.
    """

    def __init__(self, part: Part) -> None:
        super().__init__()
        self.part = part

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None):
        """Calls go through, with another first size where they draw."""
        options = kwargs or {}
        if func is torch.randn_like:
            whole = torch.empty_like(self._enlarged(args[0]))
            return self._cut(torch.randn_like(whole))
        if func not in (torch.rand, torch.randn, torch.randint):
            return func(*args, **options)
        listed = isinstance(args[-1], tuple | list)
        ahead = () if func is not torch.randint else args[:-1]
        size = list(args[-1]) if listed else list(args)
        if not size:
            return func(*args, **options)
        repeat = self._repeat(size[0])
        return self._cut(func(*ahead, (repeat * self.part.total, *size[1:]), **options))

    def _repeat(self, rows: int) -> int:
        repeat, rest = divmod(rows, len(self.part))
        if rest or not repeat:
            raise ValueError(f"a part of {len(self.part)} samples draws {rows} rows: not a multiple")
        return repeat

    def _enlarged(self, tensor: Tensor) -> Tensor:
        """Shape and layout of the batch, where `tensor` is the part's."""
        dense = torch.contiguous_format if tensor.is_contiguous() else torch.channels_last
        size = (self._repeat(len(tensor)) * self.part.total, *tensor.shape[1:])
        return torch.empty(size, dtype=tensor.dtype, device=tensor.device, memory_format=dense)

    def _cut(self, whole: Tensor) -> Tensor:
        return whole.unflatten(0, (self.part.total, -1))[self.part.number :: self.part.count].flatten(0, 1)

"""Processes that share one piece of work, started by `torchrun`; with a single one every function is a no-op.

Only tensors travel: those on the CPU over gloo, those on GPUs over NCCL.

Work whose result must not depend on the number of processes is cut into parts that do not, and the results of
the parts are put together in their order: see `dealt`.
"""

import contextlib
import importlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from datetime import timedelta

import numpy as np
import torch
from torch import Tensor
from torch import distributed as dist

from gan.errors import UserError

WAIT = timedelta(days=1)

_dealing: ContextVar[bool] = ContextVar("dealing", default=False)  # whether the processes share what is dealt


def rank() -> int:
    """Number of this process, 0 for the first or only one."""
    return dist.get_rank() if _joined() else 0


def world() -> int:
    """Number of processes."""
    return dist.get_world_size() if _joined() else 1


def local_rank() -> int:
    """Number of this process among those of its machine, as torchrun says; it picks the GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def local_world() -> int:
    """Number of processes on this machine, as torchrun says."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if world() > 1 else 1


@contextlib.contextmanager
def group(device: torch.device | None = None) -> Iterator[None]:
    """Join the processes that torchrun started, and leave them at the end; nothing without torchrun.

    device: that of this process, for NCCL. No wait for another process ends before WAIT: a score or a
    checkpoint by one of them may take hours. A process that dies ends the job by torchrun, not by waiting.

    After a restart, torchrun hands out the store of the attempt before, with the addresses of processes that
    are gone (torch 2.14), so every attempt uses keys of its own. On several machines, whose agents may count
    restarts differently, TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 gives every attempt a store of its own.
    """
    if _joined() or int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    # Its functions take the group of the moment they are defined as a default. Loaded later, by torch itself,
    # they would keep the group and its threads, which may end the process with an abort at its very end.
    importlib.import_module("torch.distributed.nn.functional")
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    store, number, count = next(dist.rendezvous("env://"))
    if os.environ.get("GROUP_WORLD_SIZE") == "1":
        store = dist.PrefixStore(f"attempt {os.environ['TORCHELASTIC_RESTART_COUNT']}", store)
    options = {"device_id": device} if device is not None and device.type == "cuda" else {}
    dist.init_process_group(backend, timeout=WAIT, store=store, rank=number, world_size=count, **options)
    try:
        yield
    finally:
        dist.destroy_process_group()


@contextlib.contextmanager
def dealing() -> Iterator[None]:
    """Within it `dealt` deals out its work. All processes must come by the same calls in the same order."""
    token = _dealing.set(True)
    try:
        yield
    finally:
        _dealing.reset(token)


def dealt(work: Callable[[int], Tensor], count: int) -> Iterator[Tensor]:
    """work(0), ..., work(count - 1), in this order, on every process; within `dealing` each does its share.

    Process r does r, r + world, ...; after each of them the processes exchange their results, so parts should
    take equally long. Results have one shape, dtype and kind of device, and no bool. A number has the same
    result whoever does it, so that a sum in the order of the numbers has the digits of a single process.
    """
    if world() == 1 or not _dealing.get():
        yield from map(work, range(count))
        return
    for start in range(0, count, world()):
        token = _dealing.set(False)  # what a part deals out, it does alone
        try:  # at the end some do the last part as well: a collective needs a result of everyone
            own = work(min(start + rank(), count - 1))
        finally:
            _dealing.reset(token)
        yield from everyones(own)[: count - start]


def share() -> tuple[int, int]:
    """(number of this process, number of processes) that share what is dealt; (0, 1) where nothing is."""
    return (rank(), world()) if _dealing.get() else (0, 1)


def everyones(tensor: Tensor) -> list[Tensor]:
    """The tensors of all processes, by rank, on each. All have one shape, dtype and kind of device."""
    if world() == 1:
        return [tensor]
    parts = [torch.empty_like(tensor, memory_format=torch.contiguous_format) for _ in range(world())]
    dist.all_gather(parts, tensor.contiguous())
    return parts


def exchanged(rows: Tensor, going: Sequence[int], coming: Sequence[int]) -> Tensor:
    """Rows [n, ...] for the processes, going[r] for r, in turn -> those for this one, coming[r] from r.

    All give one dtype, kind of device and shape of a row.
    """
    found = rows.new_empty(sum(coming), *rows.shape[1:])
    dist.all_to_all_single(found, rows.contiguous(), list(coming), list(going))
    return found


def shared(tensor: Tensor) -> Tensor:
    """Rank 0's CPU tensor, on every rank. The others give one of the same shape and dtype."""
    if world() == 1:
        return tensor
    tensor = tensor.contiguous()
    dist.broadcast(tensor, src=0)
    return tensor


def shared_named(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rank 0's CPU tensors by name, on every rank; what the others give is not looked at."""
    if world() == 1:
        return dict(tensors)
    kinds = {name: [str(t.dtype).removeprefix("torch."), list(t.shape)] for name, t in tensors.items()}
    told = json.loads(shared_text(json.dumps(kinds)))
    own = tensors if rank() == 0 else {}
    empty = {name: torch.empty(shape, dtype=getattr(torch, kind)) for name, (kind, shape) in told.items()}
    return {name: shared(own.get(name, tensor)) for name, tensor in empty.items()}


def summed(tensor: Tensor) -> Tensor:
    """The sum over all processes, in the same bits on each. All give one shape, dtype and kind of device."""
    if world() == 1:
        return tensor
    tensor = tensor.clone(memory_format=torch.contiguous_format)
    dist.all_reduce(tensor)
    return tensor


def gathered(tensor: Tensor) -> Tensor:
    """[n, ...] of each process -> [n * world, ...] on all; sample i of process r is at i * world + r."""
    if world() == 1:
        return tensor
    parts = everyones(tensor)
    return torch.stack(parts, dim=1).flatten(0, 1)


def alike(tensors: Sequence[Tensor]) -> None:
    """Give every process rank 0's values of these tensors, in place."""
    if world() > 1:
        for tensor in tensors:
            dist.broadcast(tensor, src=0)


def odd_ranks(numbers: Tensor) -> list[int]:
    """The ranks whose numbers [n], a CPU tensor, are not those of rank 0 bit for bit."""
    if world() == 1:
        return []
    rows = gathered(numbers.view(1, -1))
    return [number for number, row in enumerate(rows) if row.numpy().tobytes() != rows[0].numpy().tobytes()]


def shared_text(text: str) -> str:
    """Rank 0's text, on every rank."""
    data = torch.from_numpy(np.frombuffer(text.encode(), np.uint8).copy())
    size = int(shared(torch.tensor(len(data))))
    return shared(data if rank() == 0 else torch.empty(size, dtype=torch.uint8)).numpy().tobytes().decode()


def from_first(work: Callable[[], str]) -> str:
    """What `work` returns on rank 0, where alone it is called, on every rank. All raise its UserError."""
    found, error = "", None
    if rank() == 0:
        try:
            found = work()
        except UserError as caught:
            error = caught
    told = shared_text(str(error) if error else "")
    if error:
        raise error
    if told:
        raise UserError(told)
    return shared_text(found)


def by_first(work: Callable[[], object]) -> None:
    """Let rank 0 alone do it. All raise its UserError."""

    def told() -> str:
        work()
        return ""

    from_first(told)


def agreed(reason: str | None) -> str | None:
    """The reason of the lowest rank that has one, on every rank; None where nobody has one."""
    if world() == 1:
        return reason
    text = (reason or "").encode()[:200]
    rows = torch.zeros(1, 200, dtype=torch.uint8)
    rows[0, : len(text)] = torch.tensor(list(text), dtype=torch.uint8)
    found = [bytes(row.tolist()).rstrip(b"\0").decode(errors="ignore") for row in gathered(rows)]
    return next((text for text in found if text), None)


def _joined() -> bool:
    return dist.is_available() and dist.is_initialized()

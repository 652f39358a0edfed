"""Processes that share one piece of work, started by `torchrun`; with a single one every function is a no-op.

Only tensors travel, over gloo, on the CPU: what is sent is small beside what each process computes.
"""

import contextlib
import os
from collections.abc import Iterator

import torch
from torch import Tensor
from torch import distributed as dist


def rank() -> int:
    """Number of this process, 0 for the first or only one."""
    return dist.get_rank() if _joined() else 0


def world() -> int:
    """Number of processes."""
    return dist.get_world_size() if _joined() else 1


def local_rank() -> int:
    """Number of this process among those of its machine, as torchrun says; it picks the GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))


@contextlib.contextmanager
def group() -> Iterator[None]:
    """Join the processes that torchrun started, and leave them at the end; nothing without torchrun."""
    if _joined() or int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    dist.init_process_group("gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def gather(tensor: Tensor) -> list[Tensor]:
    """The CPU tensors of all processes, by rank, on rank 0; [] elsewhere. All have one shape and dtype."""
    if world() == 1:
        return [tensor]
    parts = [torch.empty_like(tensor) for _ in range(world())] if rank() == 0 else None
    dist.gather(tensor.contiguous(), parts)
    return parts or []


def shared(tensor: Tensor) -> Tensor:
    """Rank 0's CPU tensor, on every rank. The others give one of the same shape and dtype."""
    if world() == 1:
        return tensor
    tensor = tensor.contiguous()
    dist.broadcast(tensor, src=0)
    return tensor


def _joined() -> bool:
    return dist.is_available() and dist.is_initialized()

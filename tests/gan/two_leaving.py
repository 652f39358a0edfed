"""What test_distributed.py runs: two processes in a group, and the threads that are left when they left it.

torch loads its compiler while the group is up, as the first step of an optimiser does. The two are copies of
one process, which has read torch for both.
"""

import importlib
import multiprocessing
import os
import socket
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gan import distributed


def threads():
    """Names of the threads of this process that belong to gloo."""
    tasks = Path("/proc/self/task").iterdir()
    return [name for task in tasks if "gloo" in (name := (task / "comm").read_text().strip())]


def leave(rank, port):
    """Be one of two, as torchrun would start it."""
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    with distributed.group():
        distributed.summed(torch.ones(3))
        importlib.import_module("torch._dynamo")
        assert threads(), "gloo has no threads: this shows nothing"
    print(f"{rank}: {len(threads())} threads left", file=sys.stderr)


if __name__ == "__main__":
    assert "torch._dynamo" not in sys.modules
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = free.getsockname()[1]
    context = multiprocessing.get_context("fork")
    both = [context.Process(target=leave, args=(rank, number)) for rank in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    sys.exit(max(abs(one.exitcode) for one in both))

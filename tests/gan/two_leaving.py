"""What test_distributed.py runs under torchrun: the threads that are left when the group has been left.

torch loads its compiler while the group is up, as the first step of an optimiser does.
"""

import importlib
import os
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gan import distributed


def threads():
    """Names of the threads of this process that belong to gloo."""
    tasks = Path("/proc/self/task").iterdir()
    return [name for task in tasks if "gloo" in (name := (task / "comm").read_text().strip())]


with distributed.group():
    distributed.summed(torch.ones(3))
    importlib.import_module("torch._dynamo")
    assert threads(), "gloo has no threads: this shows nothing"
print(f"{os.environ['RANK']}: {len(threads())} threads left", file=sys.stderr)

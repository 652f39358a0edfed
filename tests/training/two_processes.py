"""What test_parts.py runs by tests/ranks.py: the steps of one of two processes, written to a file."""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gan import distributed
from tests.training.test_parts import PENALTIES, held, stepped

torch.set_num_threads(1)
folder, more = Path(sys.argv[1]), [option for option in sys.argv[2:] if option]
with distributed.group():
    rank = distributed.rank()
    state, _ = stepped(*PENALTIES, *more, classes=3, rank=rank, world=2)
    torch.save(held(state), folder / f"{rank}.pt")
    assert distributed.agreed("late" if rank else None) == "late"
    assert distributed.agreed(None) is None
    assert distributed.odd_ranks(torch.tensor([1.0, torch.nan])) == []
    assert distributed.odd_ranks(torch.tensor([1.0 + rank])) == [1]
    apart = torch.full((3,), float(rank))
    distributed.alike([apart])
    assert not apart.any()

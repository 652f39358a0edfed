"""What test_memory.py runs by tests/ranks.py: the second of two processes runs out, both go down."""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gan import distributed
from tests.training.test_memory import AUTO, held, limited
from tests.training.tiny import tiny_state
from training.memory import fitting_step, probe

torch.set_num_threads(1)
folder = Path(sys.argv[1])
with distributed.group():
    rank = distributed.rank()
    state, said = tiny_state(*AUTO), []
    sizes = limited(state, 4) if rank else []
    fitting_step(state, torch.rand(4, 3, 8, 8), None, said.append, every=True)
    assert state.micro_batch == 2 and len(said) == 1, (state.micro_batch, said)
    probe(state, said.append)
    assert state.micro_batch == 2 and said[-1].startswith("micro-batch 2 of 4 images"), said
    assert not rank or max(sizes) == 8
    torch.save(held(state)[0], folder / f"{rank}.pt")

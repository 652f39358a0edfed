"""What test_context.py runs by tests/ranks.py: an own loss in two processes is as in one."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gan import distributed
from tests.training.test_context import Own
from tests.training.test_parts import assert_same, held, stepped

torch.set_num_threads(1)
with distributed.group():
    cases = ([], ["micro_batch=2"])
    rank = distributed.rank()
    found = [stepped(*more, rank=rank, world=2, loss=Own()) for more in cases]
state, terms = stepped(loss=Own())
for other, other_terms in found:
    assert_same(held(other), held(state))
    for mine, theirs in zip(terms, other_terms, strict=True):
        assert mine == pytest.approx(theirs, rel=1e-4, abs=1e-6)
print("as in one process", file=sys.stderr)

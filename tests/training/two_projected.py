"""What test_projected.py runs by tests/ranks.py: the steps of one of two processes, written to a file."""

import operator
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gan import distributed
from gan.networks.features import FEATURE_NETWORKS
from tests.gan.networks import toy_features
from tests.training.test_parts import held, stepped
from tests.training.test_projected import LABELLED

torch.set_num_threads(1)
folder = Path(sys.argv[1])
with distributed.group():
    rank = distributed.rank()
    own = folder / f"rank-{rank}"
    own.mkdir()
    settings = [f"discriminator.{x}" for x in toy_features.add(operator.setitem, FEATURE_NETWORKS, own)]
    state, _ = stepped(*settings, *LABELLED, classes=3, rank=rank, world=2, small=("batch=8",))
    torch.save(held(state), folder / f"{rank}.pt")

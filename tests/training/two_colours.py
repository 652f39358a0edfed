"""What test_conditional.py runs by tests/ranks.py: D gets every image with its own label in two processes.

And the signs of its logits are counted over both."""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gan import distributed
from tests.training.colours import BATCH, classes_of, coloured_state
from training import loop
from training.data.images import open_dataset
from training.data.sampler import batches

CASES = (
    ["loss.r1_interval=1", "loss.r2=true", "loss.r1_gamma=1"],
    ["loss.r1_gamma=0", "loss.gradient_penalty_weight=1", "micro_batch=2"],
    ["loss.name=relativistic", "loss.lecam_weight=1", "loss.r1_interval=null", "loss.r1_gamma=1"],
    ["augment.name=ada"],
)
torch.set_num_threads(1)
with distributed.group():
    rank, dataset = distributed.rank(), open_dataset(sys.argv[1])
    for case in CASES:
        state = coloured_state(*case)
        if state.augmentation:
            state.augmentation._apply = lambda images, p, draws: images
        feed = batches(dataset, batch_size=BATCH, seed=0, rank=rank, world=2)
        for _ in range(2):
            loop.stepped(state, *next(feed), lambda _: None)
            state.nimg += BATCH
        seen = [(classes_of(x), c.argmax(dim=1)) for x, c in state.discriminator.seen]
        assert len(seen) >= 4 and all(torch.equal(a, b) for a, b in seen), (rank, case, seen)
        assert max(len(torch.unique(c)) for _, c in seen) > 1, "one class alone proves nothing"
    counts = state.augmentation.signs.tolist()
    assert counts == [2 * BATCH, 2 * BATCH], (rank, counts)  # the reals of both processes, judged real
print(f"{rank}: every image with its own label", file=sys.stderr)

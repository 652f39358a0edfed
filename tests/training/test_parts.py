"""One step in parts equals the step in one piece: micro-batches, processes, both."""

import pytest
import torch

from gan.errors import UsageError
from tests.training.tiny import tiny_state
from training.parts import check
from training.step import train_step

SMALL = ("batch=8", "discriminator.mbstd_group=2", "optimizer_g.beta1=0.5", "optimizer_d.beta1=0.5")
PENALTIES = (
    "loss.r1_interval=2",
    "loss.r1_gamma=1",
    "loss.path_length_weight=2",
    "loss.path_length_interval=2",
    "loss.style_mixing=0.9",
)
CASES = {
    "penalties": PENALTIES,
    "lecam": ("loss.lecam_weight=0.3", "loss.name=hinge"),
    "relativistic": ("loss.name=relativistic", "loss.r1_interval=null", "loss.r2=true", "loss.r1_gamma=1"),
    "lazy r2": ("loss.r2=true", "loss.r1_interval=1", "loss.r1_gamma=1"),
    "slopes": ("loss.name=wasserstein", "loss.r1_gamma=0", "loss.gradient_penalty_weight=10"),
    "augmented": ("augment.name=ada", "augment.p=0.8"),
    "spectral": ("discriminator.spectral_norm=true", "generator.spectral_norm=true"),
}
TOLERANCE = 2e-5  # of a gradient's largest entry


def stepped(*assignments, classes=0, rank=0, world=1, loss=None, small=SMALL):
    """A state after two steps of SGD: its weights show the gradients, those of Adam little but signs."""
    state = tiny_state(*small, *assignments, classes=classes)
    state.loss = loss
    state.optimizer_g = torch.optim.SGD(state.generator.parameters(), lr=0.01)
    state.optimizer_d = torch.optim.SGD(state.discriminator.parameters(), lr=0.01)
    for group in (*state.optimizer_g.param_groups, *state.optimizer_d.param_groups):
        group["betas"] = None
    rng = torch.Generator().manual_seed(1)
    found = []
    for _ in range(2):
        real = torch.rand(8, 3, 8, 8, generator=rng) * 2 - 1
        c = torch.eye(classes)[torch.randint(classes, (8,), generator=rng)] if classes else None
        terms = train_step(state, real[rank::world].contiguous(), c)
        found.append({k: float(v) for k, v in terms.items() if k != "diversity"})
        state.nimg += 8
    return state, found


def held(state):
    """Everything that a step moves, by name."""
    tensors = {f"g.{k}": v for k, v in state.generator.state_dict().items()}
    tensors |= {f"d.{k}": v for k, v in state.discriminator.state_dict().items()}
    return tensors | state.memory


def assert_same(one, other):
    for (name, a), b in zip(one.items(), other.values(), strict=True):
        torch.testing.assert_close(a, b, rtol=2e-4, atol=TOLERANCE, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("case", CASES)
def test_micro_batches_make_the_step_of_the_whole_batch(case):
    whole, terms = stepped(*CASES[case])
    split, found = stepped(*CASES[case], "micro_batch=2")
    assert_same(held(whole), held(split))
    for step, other in zip(terms, found, strict=True):
        assert step == pytest.approx(other, rel=1e-3, abs=1e-4)


def test_micro_batches_with_labels():
    assert_same(
        held(stepped(*PENALTIES, classes=3)[0]), held(stepped(*PENALTIES, "micro_batch=2", classes=3)[0])
    )


class Dropping(torch.nn.Module):
    """A discriminator with dropout, which draws from torch's global generator; keeps what it let through."""

    def __init__(self, network):
        super().__init__()
        self.network, self.dropout, self.kept = network, torch.nn.Dropout(0.5), []

    def forward(self, images, c=None):
        self.kept.append(self.dropout(torch.ones(64)))
        return self.network(images, c) * self.kept[-1].mean()


def dropped(*assignments):
    """What a network of somebody else's dropped in a step, pass by pass, from the same global state."""
    state = tiny_state(*SMALL, *PENALTIES, *assignments)
    state.discriminator = Dropping(state.discriminator)
    torch.manual_seed(0)
    train_step(state, torch.rand(8, 3, 8, 8), None)
    return state.discriminator.kept


def test_foreign_draws_differ_between_parts_and_objectives_and_come_again():
    kept = dropped("micro_batch=2")
    assert len(kept) == 12  # four parts of three objectives that look at images: g, d, r1
    assert len({tuple(mask.tolist()) for mask in kept}) == 12
    assert all(map(torch.equal, kept, dropped("micro_batch=2")))


def test_a_step_draws_nothing_else(monkeypatch):
    """All that the library draws is keyed by the sample: the global generator stays where it is."""
    monkeypatch.setattr("training.step.seed_global", lambda *_: None)
    more = ("augment.name=ada", "augment.p=0.8", "augment.policy=bgc,noise,cutout", "micro_batch=4")
    state = tiny_state(*SMALL, *PENALTIES, *more, classes=3)
    before = torch.get_rng_state()
    train_step(state, torch.zeros(8, 3, 8, 8), torch.eye(3)[[0, 1, 2, 0, 1, 2, 0, 1]])
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        (["micro_batch=3"], "differ in size"),
        (["micro_batch=1"], "whole groups of discriminator.mbstd_group 2"),
        (["micro_batch=2", "loss.path_length_weight=1", "loss.path_length_shrink=4"], "has 2 samples only"),
    ],
)
def test_a_batch_that_cannot_be_split_is_refused(assignments, message):
    with pytest.raises(UsageError, match=message):
        config = tiny_state(*SMALL, *assignments).config
        check(config, config.micro_batch)


@pytest.mark.parametrize("more", ["", "micro_batch=2"], ids=["ranks", "ranks and micro-batches"])
def test_two_processes_make_the_step_of_one(more, tmp_path, ranks):
    ranks("training/two_processes.py", str(tmp_path), more)
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    assert all(torch.equal(a, second[name]) for name, a in first.items())
    assert_same(held(stepped(*PENALTIES, classes=3)[0]), first)

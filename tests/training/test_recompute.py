"""checkpoint_activations: the same bits as without, in every family and phase, and less memory."""

import pytest
import torch

from gan.config import override
from gan.networks.blocks import Block
from tests.training.test_parts import held
from tests.training.test_presets import small
from tests.training.tiny import tiny_state
from training.recipes import fit
from training.state import create
from training.step import train_step

ON = ["checkpoint_activations=true"]
HEAVY = ("loss.path_length_weight=2", "loss.r1_gamma=1", "loss.style_mixing=0.9", "batch=8")
CASES = {
    "noise": (),
    "micro-batches": ("micro_batch=4",),
    "bf16": ("precision=bf16",),
    "fp16 in parts": ("precision=fp16", "half_resolutions=1", "micro_batch=4"),
    "r2 in every step": ("loss.name=relativistic", "loss.r1_interval=null", "loss.r2=true"),
    "slopes": ("loss.r1_gamma=0", "loss.gradient_penalty_weight=10"),
    "norms": ("discriminator.spectral_norm=true", "generator.spectral_norm=true"),
    "adapters": ("generator.lora_rank=2",),
    "resnet": ("generator.architecture=resnet", "discriminator.architecture=skip"),
    "augmented": ("augment.name=ada", "augment.p=0.8"),
}


def after_two_steps(state):
    """What two steps with all phases leave."""
    torch.manual_seed(1)
    shape, device = state.discriminator.image_shape, state.device
    for _ in range(2):
        real = torch.rand(state.config.batch, *shape).to(device) * 2 - 1
        terms = train_step(state, real, None, every=True)
        state.nimg += state.config.batch
    return held(state), terms


def assert_same(one, other):
    (tensors, terms), (others, found) = one, other
    if next(iter(others.values())).is_cuda:  # sums in no fixed order
        for name, t in tensors.items():
            torch.testing.assert_close(
                t, others[name], rtol=2e-2, atol=2e-3, msg=lambda m, n=name: f"{n}: {m}"
            )
        return
    assert [name for name, t in tensors.items() if not torch.equal(t, others[name])] == []
    assert {k: float(v) for k, v in terms.items()} == {k: float(v) for k, v in found.items()}


@pytest.mark.parametrize("case", CASES)
def test_the_same_bits_in_every_phase(case, device):
    states = (tiny_state(*HEAVY, *CASES[case], *more, device=device) for more in ([], ON))
    assert_same(*map(after_two_steps, states))


@pytest.mark.parametrize("name", ["stylegan3-t", "r3gan-64", "sngan-32"])
def test_the_same_bits_in_every_family(name, device):
    """Batch statistics and their counters too."""
    fitted = fit(small(name, "x.zip", "loss.d_steps=1"), shape=(3, 16, 16), c_dim=0)
    states = [create(override(fitted, more), device) for more in ([], ON)]
    assert_same(*map(after_two_steps, states))


class Dropping(Block):
    """A block of somebody else's, with dropout."""

    def __init__(self):
        super().__init__()
        self.layer, self.dropout = torch.nn.Linear(8, 8), torch.nn.Dropout(0.5)

    def forward(self, x):
        return self.dropout(self.layer(x)).square()


def test_dropout_is_drawn_again_as_it_was(device):
    """Also where a gradient is differentiated again, as by R1."""
    block, found = Dropping().to(device), []
    for block.recompute in (False, True):
        x = torch.linspace(-1, 1, 16, device=device).view(2, 8).requires_grad_()
        torch.manual_seed(3)
        (slope,) = torch.autograd.grad(block.run(x).sum(), x, create_graph=True)
        torch.rand(5, device=device)
        found.append((slope, torch.autograd.grad(slope.square().sum(), block.layer.weight)[0]))
    for one, other in zip(*found, strict=True):
        assert one.any() and torch.equal(one, other)


def test_blocks_keep_their_inputs_only():
    """Values saved for the backward pass, by the number of their bytes."""
    sizes = []
    for more in ([], ON):
        state, saved = tiny_state(*more), []
        state.discriminator.requires_grad_(True)

        def pack(tensor, saved=saved):
            saved.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            state.discriminator(torch.rand(4, 3, 8, 8))
        sizes.append(sum(saved))
    assert sizes[1] < 0.5 * sizes[0]


def test_only_where_gradients_are_wanted(monkeypatch):
    state = tiny_state(*ON)
    assert all(m.recompute for m in state.discriminator.modules() if isinstance(m, Block))
    assert not any(m.recompute for m in state.ema.modules() if isinstance(m, Block))
    monkeypatch.setattr("gan.networks.blocks.checkpoint", None)  # not callable
    with torch.no_grad():
        state.discriminator(torch.rand(4, 3, 8, 8))

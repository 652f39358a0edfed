"""The state of a run: everything that it keeps comes back."""

import torch

from tests.training.tiny import learned, tiny_state

ADA = ("augment.name=ada", "augment.interval=100", "precision=fp16")


def test_counters_and_tensors_come_back():
    state = tiny_state(*ADA, "loss.lecam_weight=1")
    for name in ("g", "d", "r1"):
        learned(state, name, torch.rand(4, 3, 8, 8))
    state.nimg, state.tick, state.seconds, state.health, state.rollbacks = 48, 3, 7.5, "drifting", 2
    state.augmentation.p = 0.25
    state.augmentation.step(1)
    state.scaler_g.load_state_dict(state.scaler_g.state_dict() | {"scale": 64.0})
    other = tiny_state(*ADA, "loss.lecam_weight=1")
    torch.nn.init.zeros_(other.generator.mapping.fc0.weight)
    other.restore(state.tensors(), state.counters())
    assert other.counters() == state.counters()
    found = other.tensors()
    assert found.keys() == state.tensors().keys() and "memory.logit_means" in found
    assert all(torch.equal(found[name], tensor) for name, tensor in state.tensors().items())
    numbers = other.nimg, other.tick, other.seconds, other.health, other.rollbacks
    assert numbers == (48, 3, 7.5, "drifting", 2)
    assert other.augmentation.p == 0.25 and other.scaler_g.get_scale() == 64


def test_a_state_given_back_stays_as_it_was():
    """What a rollback goes back to may be needed again: training must not write into it."""
    state = tiny_state()
    learned(state, "d", torch.rand(4, 3, 8, 8))
    kept = {name: tensor.clone() for name, tensor in state.tensors().items()}
    given = {name: tensor.clone() for name, tensor in kept.items()}
    other = tiny_state()
    other.restore(given, state.counters())
    for name in ("g", "d"):
        learned(other, name, torch.rand(4, 3, 8, 8))
    assert all(torch.equal(given[name], tensor) for name, tensor in kept.items())
    assert not all(torch.equal(other.tensors()[name], tensor) for name, tensor in kept.items())

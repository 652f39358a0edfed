"""What the monitor of a run measures: of which network, and with which sign."""

from pathlib import Path

import pytest
import torch

from tests.training.observing import dataset
from tests.training.tiny import tiny_state
from training import monitor
from training.monitor import Monitor, weight_norm


def test_a_tick_is_of_the_networks_in_training(monkeypatch):
    state, drawn = tiny_state(), []

    def fakes_of(network, count):
        drawn.append(network)
        return torch.zeros(count, 3, 8, 8, dtype=torch.uint8)

    monkeypatch.setattr(monitor, "fakes_of", fakes_of)
    monkeypatch.setattr(monitor, "log", lambda *_: None)
    found = Monitor(Path("nowhere"), dataset(), state, lambda _: None).examine(
        state, {"logits/real": 3.0, "logits/fake": 1.0}
    )
    assert drawn == [state.generator]
    assert found["health/gap"] == 2 and found["health/diversity"] == pytest.approx(0, abs=1e-6)
    assert found["weight_norm/g"] == weight_norm(state.generator)
    assert found["weight_norm/d"] == weight_norm(state.discriminator) != found["weight_norm/g"]

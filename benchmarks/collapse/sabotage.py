"""Runs that are spoilt on purpose: does the monitor notice, and what does a rollback save?"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from training.config import RunConfig
from training.state import TrainState

RATE = 100.0  # by which the discriminator's learning rate is multiplied

# Shorter runs with a checkpoint every second tick, and a constant learning rate.
_SETTINGS = ["kimg=64", "tick_kimg=3.2", "snapshot_ticks=2", "health.on_collapse=rollback"]
_SETTINGS += ["optimizer_g.lr=0.001", "optimizer_d.lr=0.001"]


class Sabotage(NamedTuple):
    """What happens to a state at rest, and the settings of its run beside the recipe's."""

    act: Callable[[TrainState], None]
    settings: list[str]


def collapse_generator(state: TrainState) -> None:
    """Every z gives the same image: G's weights become 0."""
    for parameter in state.generator.parameters():
        parameter.data.zero_()


def race_discriminator(state: TrainState) -> None:
    """D's learning rate a hundred times as high, until the run goes back."""
    adam = state.config.optimizer_d
    adam = dataclasses.replace(adam, lr=adam.lr * RATE)
    state.config = dataclasses.replace(state.config, optimizer_d=adam)


SABOTAGES = {
    "generator": Sabotage(collapse_generator, _SETTINGS),
    "rate": Sabotage(race_discriminator, _SETTINGS),
}


class Saboteur:
    """Called after every tick, acts once, half way through.  sabotaged: when, in kimg; None before."""

    ticks = 1

    def __init__(self, sabotage: Sabotage, config: RunConfig):
        self.sabotage, self.half = sabotage, config.kimg / 2
        self.sabotaged: float | None = None

    def __call__(self, state: TrainState, run: Path) -> None:
        """Spoil the state when its time has come."""
        if self.sabotaged is None and state.nimg >= self.half * 1000:
            self.sabotaged = state.nimg / 1000
            self.sabotage.act(state)

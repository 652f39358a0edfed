"""How many operations of PyTorch a training step asks for, by phase and name: what a GPU would launch.

Views and empty tensors launch nothing and are left out; an operation on a list of tensors (foreach) counts
once. Nothing is timed: the same numbers on every machine.

python -m benchmarks.launches --preset stylegan2-small --resolution 64
"""

from collections import Counter
from typing import Any

import click
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from gan.config import override
from gan.images import to_float
from training.loop import advance
from training.objectives import objectives
from training.recipes import fit, load_preset
from training.reporting import Means
from training.state import TrainState, create, set_rates
from training.step import learn

NOTHING = ("empty", "new_empty", "_unsafe_view")  # how names of what launches nothing begin


class Launches(TorchDispatchMode):
    """Counts operations by name, within the block."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        name = func.__name__.split(".")[0]
        if not (func.is_view or func.namespace == "profiler" or name.startswith(NOTHING)):
            self.found[name] += 1
        return func(*args, **(kwargs or {}))


def launches(state: TrainState) -> dict[str, Counter[str]]:
    """Operations by phase of a step: its objectives by name, and "around", which every step has.

    The state has made a step before; it moves on by one.
    """
    config, found = state.config, {}
    means, all_terms = Means(), {}
    images = torch.zeros(config.batch, *state.discriminator.image_shape, dtype=torch.uint8)
    with Launches() as around:
        real = to_float(images)
        set_rates(state)
    for objective in objectives(config.loss, state.loss):
        with Launches() as phase:
            all_terms |= learn(state, objective, real, None)
        found[objective.name] = phase.found
    for _ in range(2):  # of the first one nothing is known: later ones add to it
        with Launches() as after:
            means.add(all_terms)
    with Launches() as average:
        advance(state)
    return found | {"around": around.found + after.found + average.found}


def per_step(state: TrainState, found: dict[str, Counter[str]]) -> Counter[str]:
    """The mean over steps, each phase as often as it is due."""
    steps = {objective.name: objective.steps for objective in objectives(state.config.loss, state.loss)}
    total: Counter[str] = Counter()
    for phase, counts in found.items():
        for name, count in counts.items():
            total[name] += count / steps.get(phase, 1)
    return total


def prepared(preset: str, resolution: int, settings: tuple[str, ...] = ()) -> TrainState:
    """A state of a preset after a step with every phase."""
    config = fit(override(load_preset(preset), settings), shape=(3, resolution, resolution), c_dim=0)
    state = create(config, "cpu")
    real = torch.zeros(config.batch, 3, resolution, resolution)
    for objective in objectives(config.loss, state.loss):
        learn(state, objective, real, None)
    advance(state)
    return state


@click.command(epilog="Example: python -m benchmarks.launches --names 20")
@click.option("--preset", default="stylegan2-tiny", show_default=True, help="Name of a preset.")
@click.option("--resolution", default=32, show_default=True, help="Pixels a side.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="One setting of the preset.")
@click.option("--names", default=25, show_default=True, help="Names to list, the most frequent first.")
def main(preset: str, resolution: int, settings: tuple[str, ...], names: int) -> None:
    """Print a table of operations by phase, then one of names in the mean step."""
    state = prepared(preset, resolution, settings)
    found = launches(state)
    mean = per_step(state, found)
    rows = [(phase, sum(counts.values())) for phase, counts in found.items()]
    for name, count in (*rows, ("a step", sum(mean.values()))):
        click.echo(f"{name:<28}{count:8.1f}")
    click.echo("")
    for name, count in mean.most_common(names):
        click.echo(f"{name:<28}{count:8.1f}")


if __name__ == "__main__":
    main()

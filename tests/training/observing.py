"""What a run does under its settings, seen without training: for test_settings.py."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from gan.config import override
from gan.jobs import session, training
from gan.randomness import Draws
from training import early_stop, loop, monitor, threads
from training.augment.adaptive import Augmentation
from training.data.images import ImageDataset
from training.health import judge
from training.passes import judged
from training.state import TrainState


class Numbered:
    """12 images of 8x8 in three classes."""

    fingerprint, labels = "numbered", np.arange(12) % 3

    def __len__(self):
        return 12

    def image(self, i):
        return np.full((3, 8, 8), i, np.uint8)


def _nothing(*_: object) -> dict:
    return {}


def dataset() -> ImageDataset:
    """Those images without their labels."""
    return ImageDataset(Numbered(), "numbered", condition="none")


def looped(what: str) -> Callable[[TrainState], Any]:
    """Events of the loop with steps of nothing, ticks every 4 images unless typed: `what` of them.

    steps: their number.  images: after the last.  ticks, snapshots, scores: image counts.  seconds: of
    training so far, at every tick.
    """

    def observe(state: TrainState) -> Any:
        seen: dict[str, Any] = {"steps": 0, "ticks": [], "seconds": [], "snapshots": [], "scores": []}
        if state.config.tick_kimg == 4.0:  # not typed
            state.config = override(state.config, ["tick_kimg=0.004"])

        def step(*_: object) -> dict:
            seen["steps"] += 1
            return {}

        reporter = SimpleNamespace(step=_nothing, say=_nothing, hyper_parameters=_nothing)

        def tick(state: TrainState, *_: object) -> dict:
            seen["ticks"].append(state.nimg)
            seen["seconds"].append(state.seconds)
            return {}

        reporter.tick = tick
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(loop, "stepped", step)
            patch.setattr(loop, "show", _nothing)
            loop.train(
                state,
                iter(lambda: (None, None), 0),
                run=Path(),
                reporter=reporter,
                snapshot=lambda: seen["snapshots"].append(state.nimg),
                should_stop=lambda: None,
                score=lambda: seen["scores"].append(state.nimg),
                score_ticks=state.config.metrics_ticks,
            )
        return (seen | {"images": state.nimg})[what]

    return observe


def fed(state: TrainState, start: int = 0) -> dict[str, Any]:
    """What the sampler of a session is asked for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "batches", lambda dataset, **options: options)
        patch.setattr(session, "decoders", lambda dataset, images: images)
        return session.shuffled(state.config, dataset(), start, torch.device("meta"))


def threads_used(state: TrainState) -> int:
    """PyTorch's threads in a session."""
    with threads.of(1):
        threads.settle(state, _nothing)
        return torch.get_num_threads()


def conditions(state: TrainState) -> int:
    """Values of a condition of the data set in use."""
    return training.conditioned(state.config, dataset()).c_dim


def seen_by_d(state: TrainState) -> list[float]:
    """An image as D sees it after 80 images."""
    seen, state.nimg = [], 80
    state.discriminator.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    judged(state, images, torch.eye(3)[[0, 1, 2, 0]], Draws(0, 0, range(4)))
    return seen[0].flatten().tolist()


def average(state: TrainState) -> float:
    """Share of the old average that a step at 100 images leaves."""
    state.nimg = 100
    for network, value in ((state.ema, 1.0), (state.generator, 0.0)):
        for parameter in network.parameters():
            parameter.data.fill_(value)
    loop.advance(state)
    return next(state.ema.parameters()).flatten()[0].item()


def ada(state: TrainState) -> dict[str, float]:
    """Transforms of the pipe."""
    return state.augmentation._apply.transforms


def p_after(steps: int) -> Callable[[TrainState], float]:
    """p after so many steps in which three of four reals were judged real: a mean sign of 1/2."""

    def observe(state: TrainState) -> float:
        for done in range(1, steps + 1):
            state.augmentation.observe(torch.tensor([1.0, 1.0, 1.0, -1.0]))
            state.augmentation.step(done)
        return state.augmentation.p

    return observe


def augmented(state: TrainState) -> list[float]:
    """Images of 32x32 under every transform at once."""
    config = replace(state.config.augment, name="ada", policy="bgcfnc", p=1.0)
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    seen = Augmentation(config, 4, torch.device("cpu"))(images, Draws(0, 0, range(4)))
    return seen.flatten().tolist()


def verdict(records: list[dict[str, float]]) -> Callable[[TrainState], str]:
    """The state of health after these ticks."""
    return lambda state: judge(records, state.config.health).state


def _monitor(state: TrainState) -> monitor.Monitor:
    return monitor.Monitor(Path("nowhere"), dataset(), state, lambda _: None)


def fakes_compared(state: TrainState) -> int:
    """How many fakes the monitor draws."""
    counts: list[int] = []

    def drawn(_: object, count: int) -> torch.Tensor:
        counts.append(count)
        return torch.zeros(count, 3, 8, 8, dtype=torch.uint8)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(monitor, "fakes_of", drawn)
        patch.setattr(monitor, "log", _nothing)
        _monitor(state).examine(state, {})
    return counts[0]


def ended(state: TrainState) -> str | None:
    """Which rule would end a run whose score fell by a fifth once, and whose r_v has been 0.7 for 3 ticks."""
    stop = state.config.stop
    for name, standard, few in (("stalled_scores", 5, 2), ("overfit_ticks", 20, 3)):
        if getattr(stop, name) == standard:  # not typed
            stop = replace(stop, **{name: few})
    scores = [{"value": value, "label": "x", "kimg": value} for value in (10.0, 8.0, 8.0, 8.0)]
    ticks = [{"held_out/r_v": value} for value in (0.1, 0.7, 0.7, 0.7)]
    reason = early_stop.stalled(scores, "lower", stop) or early_stop.overfit(ticks, stop)
    return reason and reason.partition(":")[0]


def examined(state: TrainState) -> bool:
    """Whether a run whose logits exploded is told to halt."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("log", "atomic_bytes", "save_png"):
            patch.setattr(monitor, name, _nothing)
        found = _monitor(state)
        found.examine(state, {"logits/real": 1e9, "logits/fake": 0.0})
    return found.halt is not None

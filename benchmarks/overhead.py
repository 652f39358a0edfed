"""What augmentation, monitor, statistics, checkpoints and scores add to training, as shares of the bare step.

All but checkpoints is timed in CPU seconds of this process, which other programs disturb less.

python -m benchmarks.overhead
"""

import os

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as the command line does, before torch starts

import contextlib
import dataclasses
import io
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import click
import torch
from torch import Tensor

from gan import ema
from gan.config import override
from gan.images import to_float
from gan.jobs.demo import Clock, prepare_data
from gan.jobs.run_scores import RunScorer
from training import loop, snapshots
from training import run as runs
from training.config import RunConfig
from training.data.images import ImageDataset, open_dataset
from training.monitor import Monitor
from training.objectives import objectives
from training.parts import Terms
from training.recipes import fit, load_preset
from training.reporting import Reporter
from training.state import TrainState, create, set_rates
from training.step import learn

METRIC = "fd-efficientnet-lite0"
FAKES = 2000  # images of a score
LONG = 0.05  # seconds that a timing takes at least, by repetition


class Part(NamedTuple):
    """Something that happens once in `steps` steps and takes so many seconds."""

    name: str
    seconds: float
    steps: float


class Trainer:
    """A fresh state on a data set, and the phases of its step as functions with the steps between two."""

    def __init__(self, config: RunConfig, dataset: ImageDataset) -> None:
        self.config = fit(config, shape=dataset.shape, c_dim=0)
        self.state = create(self.config, torch.device("cpu"))
        set_rates(self.state)
        picked = [torch.from_numpy(dataset.image(i).copy()) for i in range(self.config.batch)]
        self.real = to_float(torch.stack(picked))

    def phases(self) -> list[tuple[Callable[[], object], float]]:
        """(function, steps between two of it); only what the preset has."""
        state, loss = self.state, self.config.loss

        def generator() -> None:
            learned(state, "g", self.real)
            ema.update(state.ema, state.generator, 0.999)

        found = [(generator, float(loss.d_steps)), (lambda: learned(state, "d", self.real), 1.0)]
        if loss.lazy_d:
            found.append((lambda: learned(state, "r1", self.real), float(loss.lazy_d)))
        if loss.lazy_g:
            every = float(loss.d_steps * loss.lazy_g)
            found.append((lambda: learned(state, "path_length", self.real), every))
        return found


def learned(state: TrainState, name: str, real: Tensor) -> Terms:
    """One optimiser step on the objective of that name."""
    [objective] = [o for o in objectives(state.config.loss) if o.name == name]
    return learn(state, objective, real, None)


def timed(
    functions: Sequence[Callable[[], object]], repeats: int, clock: Callable[[], float] = time.process_time
) -> list[float]:
    """Median seconds of one call of each, in turn; of five times as many timings where all are short."""
    counts = []
    for function in functions:
        function()
        begun = time.perf_counter()
        function()
        counts.append(max(1, round(LONG / (time.perf_counter() - begun))))
    taken: list[list[float]] = [[] for _ in functions]
    for _ in range(repeats if min(counts) == 1 else 5 * repeats):
        for function, count, seconds in zip(functions, counts, taken, strict=True):
            begun = clock()
            for _ in range(count):
                function()
            seconds.append((clock() - begun) / count)
    return [statistics.median(seconds) for seconds in taken]


def augmentation(config: RunConfig, dataset: ImageDataset, p: float, repeats: int) -> tuple[float, float]:
    """Seconds of a step of the preset, and what ADA at probability p adds to it."""
    plain = Trainer(config, dataset).phases()
    with_ada = Trainer(override(config, ["augment.name=ada", f"augment.p={p}"]), dataset).phases()
    functions = [function for pair in zip(plain, with_ada, strict=True) for function, _ in pair]
    found = timed(functions, repeats)
    step, more = (
        sum(seconds / every for seconds, (_, every) in zip(found[i::2], plain, strict=True)) for i in (0, 1)
    )
    return step, more - step


def events(config: RunConfig, dataset: ImageDataset, folder: Path, fakes: int, repeats: int) -> list[Part]:
    """What happens at ticks and snapshots, and the terms of every step added up.

    Scores are timed with `fakes` / 2 and `fakes` images, and the line through both is read at FAKES.
    """
    trainer = Trainer(config, dataset)
    state, config = trainer.state, trainer.config
    tick = config.tick_kimg * 1000 / config.batch
    about = runs.describe_data(dataset)
    runs.describe(folder, config)
    terms = learned(state, "g", trainer.real) | learned(state, "d", trainer.real)
    with contextlib.redirect_stderr(io.StringIO()), Reporter(folder, state) as reporter:
        monitor = Monitor(folder, dataset, state, reporter.say)
        record = reporter.tick(state, 1.0, config.batch)

        def checkpoint() -> None:
            loop.show(state, folder, reporter)
            snapshots.take(folder, state, about).write()

        def score(count: int) -> Callable[[], object]:
            scorer = RunScorer([METRIC], count, torch.device("cpu"))

            def scored() -> None:
                scorer.keep(scorer.score(state.ema, dataset, 0), folder, 0, checkpoint)

            return scored

        functions = [
            lambda: reporter.step(terms, 0),
            lambda: reporter.tick(state, 1.0, config.batch),
            lambda: monitor.examine(state, record),
            score(fakes // 2),
            score(fakes),
        ]
        step, ticked, examined, few, more = timed(functions, repeats)
        [saved] = timed([checkpoint], repeats, time.perf_counter)  # it waits for the disk
    scored = more + (more - few) / (fakes - fakes // 2) * (FAKES - fakes)
    snapshot, scores = (
        tick * n for n in (config.snapshot_ticks, config.metrics_ticks or config.snapshot_ticks)
    )
    return [
        Part("statistics, their means", step, 1),
        Part("statistics, their line", ticked, tick),
        Part("monitor", examined, tick),
        Part("checkpoint and grid", saved, snapshot),
        Part(f"{METRIC} of {FAKES:,} images", scored, scores),
    ]


@click.command(
    epilog="Example: python -m benchmarks.overhead --data data/openmoji-32.zip --preset stylegan2-tiny"
)
@click.option(
    "--data", default="data/openmoji-32.zip", show_default=True, help="Data set, drawn if it is missing."
)
@click.option(
    "--preset", "presets", multiple=True, default=("stylegan2-tiny", "stylegan2-small"), help="Repeatable."
)
@click.option("--batch", type=int, help="Images of a timed step.  [default: the preset's]")
@click.option("--threads", default=1, show_default=True, help="Threads of PyTorch.")
@click.option(
    "--p", type=float, help="Probability of ADA.  [default: the largest that an adaptive one can reach]"
)
@click.option("--fakes", default=400, show_default=True, help=f"Images of the timed scores, for {FAKES}.")
@click.option("--repeats", default=7, show_default=True, help="Timings a median.")
def main(
    data: str,
    presets: tuple[str, ...],
    batch: int | None,
    threads: int,
    p: float | None,
    fakes: int,
    repeats: int,
) -> None:
    """Print one table per preset."""
    torch.set_num_threads(threads)
    prepare_data(Path(data), Clock())
    dataset = open_dataset(data)
    for preset in presets:
        config = load_preset(preset)
        config = dataclasses.replace(config, batch=batch or config.batch)
        config = dataclasses.replace(config, data=dataclasses.replace(config.data, path=data))
        reached = min(config.augment.max, config.kimg / config.augment.kimg) if p is None else p
        step, added = augmentation(config, dataset, reached, repeats)
        parts = [Part(f"ADA, bgc, p = {reached:g}", added, 1)]
        with tempfile.TemporaryDirectory() as folder:
            parts += events(config, dataset, Path(folder), fakes, repeats)
        head = f"| `{preset}`, a step of {step * 1e3:.1f} ms | ms | once in steps | of a step |"
        click.echo(f"\n{head}\n|---|---|---|---|")
        total = 0.0
        for part in parts:
            share = part.seconds / part.steps / step
            total += share
            click.echo(f"| {part.name} | {part.seconds * 1e3:.2f} | {part.steps:,.0f} | {share:.1%} |")
        click.echo(f"| together | | | {total:.1%} |")


if __name__ == "__main__":
    main()

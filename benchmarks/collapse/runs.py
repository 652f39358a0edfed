"""One run of the benchmark: its config, training as `gan train` does it, and the record of its score."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from benchmarks.collapse import classifier, digits, perceptron, points
from benchmarks.collapse.sabotage import SABOTAGES, Saboteur
from gan import sampling
from gan.config import override, to_dict
from gan.errors import UserError
from gan.files import atomic_bytes, atomic_write
from gan.images import grid, save_png
from gan.jobs.session import shuffled
from gan.jobs.stopping import Stop
from training import loop, phases, resuming, snapshots
from training import run as training_runs
from training.config import RunConfig
from training.monitor import Monitor
from training.recipes import load_preset
from training.reporting import Reporter
from training.state import TrainState

HERE = Path(__file__).parent
SEEDS = (0, 1, 2)
PICTURES = 64  # of a run of stacked digits
CURVE_SAMPLES = 5000  # of the scores while training

# Weight of the gradient penalties, by task. They are taken in every step.
GAMMAS = {"digits": 1.0, "grid": 0.1}
GUARDS = {
    "none": [],
    "spectral": ["discriminator.spectral_norm=true"],
    "r1": ["loss.r1_gamma={gamma}"],
    "relativistic": ["loss.name=relativistic", "loss.r1_gamma={gamma}", "loss.r2=true"],
}
SABOTAGED = "r1"  # the guard of the runs that are sabotaged


@dataclass(frozen=True)
class Job:
    """A run, written task/guard:seed.  task: digits, grid or sabotage; guard: of GUARDS or of SABOTAGES."""

    task: str
    guard: str
    seed: int

    def __str__(self) -> str:
        return f"{self.task}/{self.guard}:{self.seed}"

    def folder(self, out: Path) -> Path:
        """Where its run and its result.json are."""
        return out / f"{self.task}-{self.guard}-{self.seed}"


class Task(NamedTuple):
    """A data set and how a generator is scored on it.

    score: (generator, samples or None for the published number) -> scores.  keep: (generator, folder) ->
    None, writes what the pictures are made of.
    """

    dataset: digits.StackedDigits | points.GaussianGrid
    score: Callable[[nn.Module, int | None], dict[str, float]]
    keep: Callable[[nn.Module, Path], None]


def jobs() -> list[Job]:
    """All runs of the benchmark, in the order of the tables."""
    found = [Job(task, guard, seed) for task in GAMMAS for guard in GUARDS for seed in SEEDS]
    return found + [Job("sabotage", name, 0) for name in SABOTAGES]


def configured(job: Job, assignments: Sequence[str] = ()) -> RunConfig:
    """The config of a run. `assignments` such as loss.r1_gamma=2 come last."""
    perceptron.register()
    task, guard = ("digits", SABOTAGED) if job.task == "sabotage" else (job.task, job.guard)
    config = load_preset(str(HERE / f"{task}.yaml"))
    items = [item.format(gamma=GAMMAS[task]) for item in GUARDS[guard]]
    if job.task == "sabotage":
        items += SABOTAGES[job.guard].settings
    return override(config, [*items, f"seed={job.seed}", *assignments])


def task_of(job: Job, out: Path, device: torch.device) -> Task:
    """The task of a run; what it needs is in `out` afterwards."""
    if job.task == "grid":
        return Task(points.GaussianGrid(), points_score, keep_points)
    images, labels = digits.load_digits(out / "digits.npz")
    model = classifier.prepared(out, images, labels)[0].to(device)
    return Task(
        digits.StackedDigits(images, labels),
        lambda G, n: digits.score(G, model, n or digits.SAMPLES),
        keep_images,
    )


def points_score(generator: nn.Module, samples: int | None) -> dict[str, float]:
    """`points.score` of that many points."""
    return points.score(points.drawn(generator, samples or points.SAMPLES))


def keep_points(generator: nn.Module, folder: Path) -> None:
    """points.npy, float32 [N, 2]."""
    with atomic_write(folder / "points.npy") as temporary:
        np.save(temporary, points.drawn(generator).numpy())


def keep_images(generator: nn.Module, folder: Path) -> None:
    """samples.npy, uint8 [64, 3, 32, 32], and the same as a picture."""
    images = torch.cat([batch.cpu() for batch in sampling.images(generator, range(PICTURES))])
    with atomic_write(folder / "samples.npy") as temporary:
        np.save(temporary, images.numpy())
    save_png(folder / "samples.png", grid(images, 8))


class Curve:
    """Scores the weight average while a run trains, into modes.jsonl of the run."""

    ticks = None  # with every snapshot

    def __init__(self, task: Task):
        self.task = task

    def __call__(self, state: TrainState, run: Path) -> None:
        """One line more."""
        found = self.task.score(state.ema, CURVE_SAMPLES)
        with (run / "modes.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"kimg": state.nimg / 1000, **found}) + "\n")


def result_of(job: Job, out: Path, config: RunConfig) -> dict[str, Any] | None:
    """The result of a finished run, None if it has none; UserError if that run had other settings."""
    path = job.folder(out) / "result.json"
    if not path.is_file():
        return None
    result = json.loads(path.read_text(encoding="utf-8"))
    if result["config"] != json.loads(json.dumps(to_dict(config))):
        raise UserError(f"{path} is of other settings: choose another --out, or remove {path.parent}")
    return result


def execute(job: Job, config: RunConfig, out: Path, device: torch.device) -> dict[str, Any]:
    """Train (or go on with) a run to its end, score it, write and return its result.

    Raises UserError where it was stopped before.
    """
    folder, task = job.folder(out), task_of(job, out, device)
    dataset, about = task.dataset, training_runs.describe_data(task.dataset)
    run, state, notes = begun(folder, config, dataset, about, device)
    after = Saboteur(SABOTAGES[job.guard], config) if job.task == "sabotage" else Curve(task)
    with Stop(None) as stop:
        while halt := session(run, state, dataset, about, notes, after, stop):
            state, notes = training_runs.roll_back(run, state, halt, config, about)
    if state.nimg < config.kimg * 1000:
        raise UserError(f"{job} stopped at {state.nimg / 1000:g} kimg: run it again to go on")
    result = {
        "job": str(job),
        "kimg": state.nimg / 1000,
        "steps": state.step,
        "minutes": state.seconds / 60,
        "average": task.score(state.ema, None),
        "latest": task.score(state.generator, None),
        "health": state.health,
        "events": events(run),
        "environment": training_runs.environment(),
        "config": to_dict(config),
    }
    result |= {"sabotaged": after.sabotaged} if isinstance(after, Saboteur) else {}
    task.keep(state.ema, folder)
    atomic_bytes(folder / "result.json", json.dumps(result, indent=2).encode())
    return result


def begun(
    folder: Path, config: RunConfig, dataset: Any, about: dict[str, Any], device: torch.device
) -> tuple[Path, TrainState, list[str]]:
    """The run in `folder` as far as it is, or a new one."""
    found, notes = resuming.find(folder, None, None)
    if found is None:
        return training_runs.begin(folder, config, dataset, device=device)
    saved = resuming.read(found)
    changes = phases.changes(saved, config, about)
    phases.permit(saved.run, saved, changes, accept=False)
    run, state, more = training_runs.go_on(saved, config, changes, device=device)
    return run, state, [*notes, *more]


def session(
    run: Path,
    state: TrainState,
    dataset: digits.StackedDigits | points.GaussianGrid,
    about: dict[str, Any],
    notes: Sequence[str],
    after: Curve | Saboteur,
    stop: Stop,
) -> str | None:
    """Train until the end, a signal or a collapse; returns the reason of the last, as `gan train`'s does.

    after: called with the state and the run every `after.ticks` ticks.
    """
    with Reporter(run, state) as reporter:
        for note in notes:
            reporter.say(note)
        monitor = Monitor(run, dataset, state, reporter.say)
        if state.nimg == 0 and not state.rollbacks:
            snapshots.take(run, state, about).write()
        loop.train(
            state,
            shuffled(state.config, dataset, state.nimg, state.device),
            run=run,
            reporter=reporter,
            snapshot=lambda: snapshots.take(run, state, about).write(),
            should_stop=stop.reason,
            score=lambda: after(state, run),
            score_ticks=after.ticks,
            monitor=monitor,
        )
    return monitor.halt


def events(run: Path) -> list[dict[str, Any]]:
    """What the health monitor logged."""
    path = run / "health.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [json.loads(line) for line in lines]

"""The order of events: fetch, step, average, tick, snapshot, score."""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from gan import distributed, ema, randomness, sampling
from gan.errors import UserError
from gan.images import grid, save_png, to_float
from gan.models import checkpoint
from gan.models.runs import resume_command
from training.callbacks import Callbacks
from training.data.images import ImageDataset
from training.memory import fitting_step
from training.monitor import Monitor
from training.parts import Terms
from training.reporting import Reporter, duration
from training.schedules import value_at
from training.state import TrainState
from training.step import train_step

NONE = Callbacks(())
TIMED, LONG = 6, 60.0  # steps that are timed; seconds of a run that are worth a word
GRID = 64  # images in reals.png and fakes-*.png


def train(
    state: TrainState,
    data: Iterator[tuple[Tensor, Tensor]],
    *,
    run: Path,
    reporter: Reporter,
    snapshot: Callable[[], None],
    should_stop: Callable[[], str | None],
    callbacks: Callbacks = NONE,
    score: Callable[[], str | None] = lambda: None,
    score_ticks: int | None = None,
    monitor: Monitor | None = None,
) -> str | None:
    """Train until config.kimg, or until `should_stop` gives a reason in some process, which is returned.

    Args:
        data: this process's share of the batches, uint8 [N, C, H, W] and conditions, from state.nimg on.
        callbacks: own code, called at steps and ticks; see `training.callbacks`.
        snapshot: called with the state at rest, which it copies, every `snapshot_ticks` ticks and at the end.
        score: called after it, every `score_ticks` ticks (None: with every snapshot) and at kimg.
            What it draws is drawn from random states of its own. With a reason it ends the run, saved.
        monitor: examines every tick; with its `halt`, training ends without a snapshot, with `enough` saved.
    """
    config = state.config
    tick_images, score_ticks = round(config.tick_kimg * 1000), score_ticks or config.snapshot_ticks
    since, started, reason, pace = state.nimg, time.perf_counter(), None, Pace()
    while state.nimg < config.kimg * 1000 and reason is None:
        terms = stepped(state, *next(data), reporter.say)
        pace.step(state, reporter.say)
        reporter.step(terms, config.batch)
        advance(state)
        wish = callbacks.call("step", state, terms)
        reason = distributed.agreed(should_stop() or wish)
        done = reason is not None or state.nimg >= config.kimg * 1000
        if done or state.nimg // tick_images > state.tick:
            state.tick = state.nimg // tick_images
            seconds = time.perf_counter() - started
            state.seconds += seconds
            examine = [monitor.examine] if monitor else []
            record = reporter.tick(state, seconds, state.nimg - since, *examine)
            check_ranks(state)
            if monitor and monitor.agree():
                return monitor.halt
            for warning in warnings_of(state, record):
                reporter.say(warning)
            wish, enough = callbacks.call("tick", state, record), monitor and monitor.enough
            reason = reason or distributed.agreed(wish)
            last = done or reason is not None or enough is not None
            if due := last or state.tick % config.snapshot_ticks == 0:
                kept(state, run, reporter, snapshot)
            if reason is None and (last or state.tick % score_ticks == 0):
                with randomness.kept():
                    enough = score() or enough
                if enough and not due:
                    kept(state, run, reporter, snapshot)
                reason = None if done else enough
            if last or reason:
                reporter.hyper_parameters(state, record)
            since, started = state.nimg, time.perf_counter()
    return reason


def kept(state: TrainState, run: Path, reporter: Reporter, snapshot: Callable[[], None]) -> None:
    """A snapshot of this moment, and its images."""
    snapshot()
    show(state, run, reporter)


class Pace:
    """Says once, after a few steps of a session, how long the rest of the run will take."""

    def __init__(self) -> None:
        self._times: list[float] = []

    def step(self, state: TrainState, say: Callable[[str], None]) -> None:
        """After a step: the first is left out, which builds and allocates."""
        if len(self._times) == TIMED:
            return
        self._times.append(time.perf_counter())
        if len(self._times) == TIMED:
            seconds, config = (self._times[-1] - self._times[0]) / (TIMED - 1), state.config
            left = (config.kimg * 1000 - state.nimg) / config.batch * seconds
            if left > LONG:
                more = "; --max-minutes stops it earlier, --resume goes on" if left > 24 * 3600 else ""
                say(f"a step takes {seconds:.2g} s: about {duration(left)} to {config.kimg:g} kimg{more}")


def advance(state: TrainState) -> None:
    """After a step: the weight average follows the generator, and the batch counts as seen."""
    config = state.config
    half_life = value_at(config.ema.kimg, state.nimg)
    beta = ema.ema_beta(config.batch, state.nimg, half_life, config.ema.rampup)
    ema.update(state.ema, state.generator, beta)
    state.nimg += config.batch


def score_due(state: TrainState, score_ticks: int | None) -> bool:
    """Whether `train` has a score after this image count, which a run killed after its snapshot lacks."""
    config, tick_images = state.config, round(state.config.tick_kimg * 1000)
    tick, before = state.nimg // tick_images, (state.nimg - config.batch) // tick_images
    due = tick > before and tick % (score_ticks or config.snapshot_ticks) == 0
    return due or state.nimg >= config.kimg * 1000


def stepped(state: TrainState, images: Tensor, labels: Tensor, say: Callable[[str], None]) -> Terms:
    """One step on this process's uint8 [N, C, H, W] and conditions; `say` gets what had to be done for it."""
    config, device = state.config, state.device
    c_dim = config.generator.c_dim
    c = sampling.as_conditions(distributed.gathered(labels), c_dim) if c_dim else None
    c = None if c is None else c.to(device, non_blocking=True)
    real = to_float(images.to(device, non_blocking=True))
    return fitting_step(state, real, c, say) if config.micro_batch == "auto" else train_step(state, real, c)


def check_ranks(state: TrainState) -> None:
    """UserError, in every process, naming those whose weights are not those of the first one."""
    if odd := distributed.odd_ranks(state.checksum()):
        raise UserError(
            f"at {state.nimg / 1000:g} kimg the weights of rank {', '.join(map(str, odd))} differ from those"
            " of rank 0: they trained apart. Find the GPU that computes wrongly, and go on from a checkpoint"
            f" before that: {resume_command(state.run)}"
        )


def warnings_of(state: TrainState, record: Mapping[str, float | str | None]) -> list[str]:
    """Lines on what a tick shows that somebody should look at."""
    found = [skipped_steps(record), state.augmentation.warning() if state.augmentation else None]
    return [line for line in found if line]


def skipped_steps(record: Mapping[str, float | str | None]) -> str:
    """One line where a tick left steps out for loss scaling, "" for none: the share of each phase."""
    found = {key: value for key, value in record.items() if key.startswith("skipped/") and value}
    shares = (f"{value:.1%} of {key.removeprefix('skipped/')}" for key, value in found.items())
    return f"loss scaling left out steps with infinite gradients: {', '.join(shares)}" if found else ""


def show(state: TrainState, run: Path, reporter: Reporter) -> None:
    """Write fakes-<kimg>.png: the weight average's images of seeds 0, 1, ... at psi 1, 8 in a row; report.

    Here and below, only the first process writes.
    """
    if distributed.rank():
        return
    pictures = torch.cat(list(sampling.images(state.ema, range(GRID))))
    picture = grid(pictures, 8)
    save_png(run / f"fakes-{checkpoint.folder_name(state.nimg)}.png", picture)
    reporter.images("fakes", picture, state.nimg)
    reporter.weights(state)


def show_reals(dataset: ImageDataset, run: Path) -> None:
    """Write reals.png: the first images of the set, evenly spaced."""
    if distributed.rank():
        return
    count = min(GRID, len(dataset))
    pictures = [torch.from_numpy(dataset.image(i * len(dataset) // count).copy()) for i in range(count)]
    save_png(run / "reals.png", grid(torch.stack(pictures), 8))

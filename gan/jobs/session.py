"""One session of a run: training, scores and checkpoints, until its end, a signal or a collapse."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from gan import distributed, sampling
from gan.jobs.run_scores import NoMemory, RunScorer
from gan.jobs.scoring import digits
from gan.jobs.stopping import Stop
from gan.models import seen
from gan.models.runs import resume_command
from training import loop, sinks, threads
from training import run as runs
from training.augment import leak
from training.callbacks import Callbacks
from training.config import RunConfig
from training.data.ahead import Batch, decoders
from training.data.images import ImageDataset
from training.data.sampler import batches, workers_watched
from training.memory import probe
from training.monitor import Monitor
from training.reporting import Reporter, Silent
from training.snapshots import Writer, pausing, update_card
from training.state import TrainState


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What stays the same in all sessions of a run.

    held_out: images that no step sees.  about: what checkpoints keep of the data.  stop: says when to stop.
    threads: of PyTorch, for scores: a run may train with fewer.  wandb: off, offline or online.
    """

    dataset: ImageDataset
    held_out: ImageDataset | None = None
    about: Mapping[str, Any]
    scorer: RunScorer
    callbacks: Callbacks
    stop: Stop
    threads: int
    wandb: sinks.WandB = "off"


def session(run: Path, state: TrainState, notes: Sequence[str], around: Surroundings) -> str | None:
    """Train until the end, a signal or a collapse; returns the reason of the last, None for the others."""
    config, dataset, call = state.config, around.dataset, around.callbacks.call
    state.run = run
    distributed.alike(state.weights())
    sampling.remember_classes(state.ema, around.about.get("seen"))
    with (
        workers_watched(),
        pausing(state),
        sinks.one_report(),
        reporter_of(run, state, around) as reporter,
        Writer(run, around.about, reporter.say) as writer,
    ):
        begins = f"{run}: {len(dataset)} images, {runs.summary(state)}, from {state.nimg / 1000:g} kimg"
        for note in (*notes, begins):
            reporter.say(note)
        monitor = Monitor(run, dataset, state, reporter.say, around.held_out)
        score = partial(scored_and_kept, state, around, reporter, writer)
        awaited = distributed.agreed(around.callbacks.hears("snapshot"))

        def settle() -> None:
            distributed.by_first(writer.settle)

        def snapshot() -> None:
            folder = Path(distributed.from_first(lambda: str(writer.begin(state))))
            if awaited:
                settle()
                call("snapshot", state, folder)

        call("start", state)
        if state.nimg == 0 and not state.rollbacks:
            loop.show_reals(dataset, run)
            loop.show(state, run, reporter)
            snapshot()
        watches = rehearse(run, state, around, reporter.say)
        late = loop.score_due(state, config.metrics_ticks) and around.scorer.missing(run, state.nimg)
        enough = score() if late else None
        settle()  # processes that decode are forked without a thread that writes
        feed = shuffled(config, dataset, state.nimg, state.device)
        events: dict[str, Any] = {"snapshot": snapshot, "score": score, "score_ticks": config.metrics_ticks}
        events |= {"monitor": monitor, "callbacks": Callbacks([*around.callbacks.given, *watches])}
        events["should_stop"] = lambda: writer.failure() or around.stop.reason()
        reason = enough or loop.train(state, feed, run=run, reporter=reporter, **events)
        settle()
        if reason and not monitor.halt:
            more = " --set 'stop.when=[]'" if reason.startswith(config.stop.when) else ""
            go_on = resume_command(run) + more
            reporter.say(f"{reason} at {state.nimg / 1000:g} kimg; saved. Go on with {go_on}")
        call("end", state, reason)
    return monitor.halt


def rehearse(run: Path, state: TrainState, around: Surroundings, say: Callable[[str], None]) -> list[object]:
    """Find the micro-batch and the number of threads, where the run leaves them open; record the latter.

    Returns callbacks that look at them again.
    """
    if state.config.micro_batch == "auto":
        probe(state, say, lambda: around.scorer.rehearse(state.ema, around.dataset, say))
    watch = threads.settle(state, say)
    runs.describe_surroundings(run)
    return [watch] if watch else []


def reporter_of(run: Path, state: TrainState, around: Surroundings) -> Reporter:
    """That of the first process; the others say nothing."""
    if distributed.rank():
        return Silent()
    return Reporter(run, state, around.wandb, around.stop.left)


def shuffled(config: RunConfig, dataset: ImageDataset, start: int, device: torch.device) -> Iterator[Batch]:
    """This process's share of the run's batches, from image `start` on, its images on `device`."""
    world, workers = distributed.world(), config.data.workers
    return batches(
        dataset,
        batch_size=config.batch,
        seed=config.seed,
        start=start,
        xflip=config.data.xflip,
        workers=decoders(dataset, config.batch // world) if workers == "auto" else workers,
        rank=distributed.rank(),
        world=world,
        device=device,
    )


def scored_and_kept(
    state: TrainState, around: Surroundings, reporter: Reporter, writer: Writer
) -> str | None:
    """Score the weight average, keep and tell the records; why to stop after them, if at all."""
    scorer, dataset = around.scorer, around.dataset
    with threads.of(around.threads):
        records = scored(scorer, state, dataset, reporter)
    if records is None:
        return None
    if scorer.metrics:
        distributed.from_first(lambda: kept(scorer, records, state, writer))
        tell(records, state, reporter)
    around.callbacks.call("score", state, records)
    if distributed.rank() == 0 and (note := leak.notice(state, dataset)):
        reporter.say(note)
    return distributed.agreed(scorer.stalled(writer.run, records, state.config.stop) if records else None)


def scored(
    scorer: RunScorer, state: TrainState, dataset: ImageDataset, reporter: Reporter
) -> list[dict] | None:
    """Records of the weight average; None where memory was lacking.

    One process then goes on without the score. Several raise NoMemory: the others wait within it.
    """
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            records = scorer.score(state.ema, dataset, state.nimg)
    except NoMemory as error:
        if distributed.world() > 1:
            raise NoMemory(f"{error}; then go on with {resume_command(state.run)}") from error
        reporter.say(f"warning: {error}; training goes on")
        return None
    for text in {str(warning.message): None for warning in caught}:
        reporter.say(f"warning: {text}")
    return records


def kept(scorer: RunScorer, records: list[dict], state: TrainState, writer: Writer) -> str:
    """Keep the records, and what they say of the checkpoints, once a snapshot in writing is whole."""

    def save() -> None:
        writer.begin(state)
        writer.settle()

    writer.settle()
    scorer.keep(records, writer.run, state.nimg, save)
    return str(update_card(writer.run, state, writer.data))


def tell(records: list[dict], state: TrainState, reporter: Reporter) -> None:
    """The scores, in TensorBoard and on the console too."""
    finite = {f"metrics/{r['metric']}": r["value"] for r in records if r["value"] is not None}
    reporter.scalars(finite, state.nimg)
    for record in records:
        mark = f" ({seen.MARK})" if record.get("seen_by_d") else ""
        reporter.say(f"{record['label']} {digits(record['value'], '.4g')}{mark}")

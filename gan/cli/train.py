"""`gan train`: preset + overrides -> resolved config -> run directory -> loop."""

import contextlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import click

from gan.cli.common import (
    CountOrAuto,
    Finite,
    debug_option,
    device_option,
    plugin_option,
    runs_option,
)
from gan.cli.settings import seed_setting, set_option, to_setting, typed, typed_settings
from gan.errors import UsageError

EXAMPLES = """\b
Examples:
  gan train --data data/openmoji-32.zip --preset demo --set data.conditional=true
  gan train --data faces.zip --preset stylegan2 --batch 64 --set loss.r1_gamma=2 --dry-run
  gan train --resume runs/00003-stylegan2-faces --kimg 50000
  gan train --data cats.zip --preset stylegan2 --init-from runs/00003-stylegan2-faces --freeze-d 4
"""


@click.command("train", epilog=EXAMPLES)
@click.option(
    "--data",
    help="Images of one size: zip, folder, tars, LMDB, parquet, .npy, .npz, or hf://datasets/USER/NAME."
    "  [default: the resumed run's]",
)
@click.option(
    "--preset",
    help="Recipe: a shipped name, or a path to a .yaml file, such as a run's config.yaml."
    "  [default: stylegan2-tiny on a CPU, stylegan2-small on a GPU]",
)
@runs_option
@click.option(
    "--kimg",
    **to_setting("kimg"),
    type=float,
    help="Length in thousands of images.  [default: from the preset]",
)
@click.option("--batch", **to_setting("batch"), type=int, help="Images per step.  [default: from the preset]")
@click.option(
    "--micro-batch",
    **to_setting("micro_batch"),
    type=CountOrAuto(),
    metavar="N|auto",
    help="Images at once in each process: less memory, the same step. auto: as many as fit, found before"
    " training, and halved whenever memory runs out.  [default: its share of the batch]",
)
@click.option(
    "--precision",
    **to_setting("precision"),
    type=click.Choice(["float32", "bf16", "fp16"]),
    help="Of the networks' activations; weights, optimisers and losses stay float32. fp16 scales the loss."
    " half_resolutions limits it to the highest ones.  [default: from the preset: float32]",
)
@set_option
@click.option(
    "--resume",
    metavar="auto|PATH",
    help="Go on with a run or checkpoint directory, or (auto) with the newest run of this preset and data."
    " Its settings hold; what is typed beside it is a difference.",
)
@click.option(
    "--accept-change",
    is_flag=True,
    help="With --resume: go on although settings or data differ, as a new phase that is recorded.",
)
@click.option(
    "--init-from",
    **to_setting("init_from"),
    metavar="MODEL",
    help="Start a new run from the weights of a run or checkpoint directory, as far as they fit.",
)
@click.option(
    "--freeze-d",
    **to_setting("discriminator.freeze_layers"),
    type=click.IntRange(min=0),
    metavar="N",
    help="With --init-from: do not train the first N convolutions of the discriminator (Freeze-D).",
)
@click.option(
    "--metrics",
    default="",
    metavar="NAME[,NAME]",
    help="Score the weight average during training; the first decides which checkpoint is the best.",
)
@click.option(
    "--metrics-ticks",
    **to_setting("metrics_ticks"),
    type=click.IntRange(min=1),
    help="Ticks between two scores.  [default: from the preset: with every snapshot]",
)
@click.option(
    "--metrics-fakes", type=click.IntRange(min=2), help="Images to score.  [default: the metric's own number]"
)
@click.option(
    "--max-minutes",
    type=Finite(min=0, min_open=True),
    help="Save and stop after this time; resume later.",
)
@click.option(
    "--held-out",
    **to_setting("data.held_out"),
    metavar="SET",
    help="Images that no step sees, as gan data prepare --val makes them: ticks say how far the discriminator"
    " tells them from its own, and scores how much further the samples are from them.",
)
@click.option(
    "--stop-when",
    **to_setting("stop.when"),
    type=click.Choice(["stalled", "overfit"]),
    multiple=True,
    help="Save and stop: stalled, where the first of --metrics is no better for stop.stalled_scores scores;"
    " overfit, where the discriminator has known its images by heart for stop.overfit_ticks ticks (needs"
    " --held-out). Repeatable.  [default: from the preset: neither]",
)
@click.option(
    "--on-collapse",
    **to_setting("health.on_collapse"),
    type=click.Choice(["ignore", "stop", "rollback"]),
    help="When fakes become one or numbers explode: warn and go on, stop, or return to the last healthy"
    " checkpoint with stronger R1 and a slower discriminator, or with what --set health.remedies names, of"
    " [gamma,d_lr,spectral_norm].  [default: from the preset: ignore]",
)
@click.option(
    "--wandb",
    type=click.Choice(["off", "offline", "online"]),
    default="off",
    show_default=True,
    help="Weights & Biases as well: offline needs no account (later: wandb sync RUN/wandb/*).",
)
@click.option(
    "--report",
    type=click.Choice(["off", "live"]),
    default="off",
    show_default=True,
    help="live: serve the page of gan report on 127.0.0.1 while the run trains; its address is on stderr.",
)
@device_option
@click.option("--dry-run", is_flag=True, help="Check what the run needs, print its config and stop.")
@seed_setting
@plugin_option
@debug_option
@click.pass_context
def command(
    context: click.Context,
    data: str | None,
    preset: str | None,
    out: Path,
    resume: str | None,
    accept_change: bool,
    metrics: str,
    metrics_fakes: int | None,
    max_minutes: float | None,
    wandb: str,
    report: str,
    device: str,
    dry_run: bool,
) -> None:
    """Train a GAN. Ctrl-C saves a checkpoint and stops; --resume goes on.

    Under torchrun the processes share each batch; the step stays the same.

    With --metrics, RUN/checkpoints/best stands for the best checkpoint, for example in gan sample.
    """
    from gan import distributed
    from gan.devices import pick
    from gan.jobs import training
    from gan.jobs.scoring import metric_names

    overrides = typed_settings(context)
    if accept_change and not resume:
        raise UsageError("--accept-change is for a run that goes on: name it with --resume")
    needs = {"--metrics-ticks": typed(context, "metrics_ticks"), "--metrics-fakes": metrics_fakes}
    what = {"out": out, "overrides": overrides, "resume": resume, "metrics": metric_names(metrics, needs)}
    what |= {"metrics_fakes": metrics_fakes, "wandb": wandb, "device": device}
    if dry_run:
        click.echo(training.dry_run(training.prepare(preset, data, **what), accept_change), nl=False)
        return
    until = {"accept_change": accept_change, "max_minutes": max_minutes}
    with distributed.group(pick(device)), _shown(report) as callbacks:
        run = training.train(preset, data, callbacks=callbacks, **until, **what)
        if distributed.rank() == 0:
            click.echo(run.path)


@contextlib.contextmanager
def _shown(report: str) -> Iterator[list[object]]:
    """The callbacks of a run that is shown while it trains, by the first process."""
    from gan import distributed

    if report != "live" or distributed.rank():
        yield []
        return
    from gan.web.report.live import Live

    with Live(partial(click.echo, err=True)) as live:
        yield [live]

"""`gan train`: preset + overrides -> resolved config -> run directory -> loop."""

from pathlib import Path

import click

from gan.cli.common import CountOrAuto, Finite, debug_option, device_option, runs_option, seed_option
from gan.errors import UsageError

EXAMPLES = """\b
Examples:
  gan train --data data/openmoji-32.zip --preset demo
  gan train --data faces.zip --preset stylegan2 --batch 64 --set loss.r1_gamma=2 --dry-run
  gan train --data faces.zip --preset stylegan2 --resume auto
  gan train --data cats.zip --preset stylegan2 --init-from runs/00003-stylegan2-faces --freeze-d 4
"""


@click.command("train", epilog=EXAMPLES)
@click.option("--data", required=True, help="Data set: a zip or folder of images of one size.")
@click.option(
    "--preset",
    default="stylegan2-small",
    show_default=True,
    help="Recipe: a shipped name, or a path to a .yaml file.",
)
@runs_option
@click.option("--kimg", type=float, help="Length in thousands of images.  [default: from the preset]")
@click.option("--batch", type=int, help="Images per step.  [default: from the preset]")
@click.option(
    "--micro-batch",
    type=CountOrAuto(),
    metavar="N|auto",
    help="Images at once in each process: less memory, the same step. auto: as many as fit, found before"
    " training, and halved whenever memory runs out.  [default: its share of the batch]",
)
@click.option(
    "--precision",
    type=click.Choice(["float32", "bf16", "fp16"]),
    help="Of the networks' activations; weights, optimisers and losses stay float32. fp16 scales the loss."
    " half_resolutions limits it to the highest ones.  [default: from the preset: float32]",
)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override one setting, such as optimizer_g.lr=0.001; repeatable.",
)
@click.option(
    "--resume",
    metavar="auto|PATH",
    help="Go on with the newest run of this preset and data, or with a run or checkpoint.",
)
@click.option(
    "--accept-change",
    is_flag=True,
    help="With --resume: go on although settings or data differ, as a new phase that is recorded.",
)
@click.option(
    "--init-from",
    metavar="MODEL",
    help="Start a new run from the weights of a run or checkpoint directory, as far as they fit.",
)
@click.option(
    "--freeze-d",
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
    "--on-collapse",
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
@device_option
@click.option("--dry-run", is_flag=True, help="Check what the run needs, print its config and stop.")
@seed_option
@debug_option
def command(
    data: str,
    preset: str,
    out: Path,
    kimg: float | None,
    batch: int | None,
    micro_batch: int | str | None,
    precision: str | None,
    assignments: tuple[str, ...],
    resume: str | None,
    accept_change: bool,
    init_from: str | None,
    freeze_d: int | None,
    metrics: str,
    metrics_ticks: int | None,
    metrics_fakes: int | None,
    max_minutes: float | None,
    on_collapse: str | None,
    wandb: str,
    device: str,
    dry_run: bool,
    seed: int,
) -> None:
    """Train a GAN. Ctrl-C saves a checkpoint and stops; --resume auto goes on.

    Under torchrun the processes share each batch; the step stays the same.

    With --metrics, RUN/checkpoints/best stands for the best checkpoint, for example in gan sample.
    """
    from gan import distributed
    from gan.jobs.scoring import metric_names
    from gan.jobs.training import dry_run as described
    from gan.jobs.training import run_training, typed

    if freeze_d and not init_from:
        raise UsageError(
            "--freeze-d keeps layers of a trained discriminator: name its model with --init-from"
        )
    if accept_change and not resume:
        raise UsageError("--accept-change is for a run that goes on: name it with --resume")
    names = metric_names(metrics, {"--metrics-ticks": metrics_ticks, "--metrics-fakes": metrics_fakes})
    flags = {"kimg": kimg, "batch": batch, "seed": seed, "discriminator.freeze_layers": freeze_d}
    flags |= {"health.on_collapse": on_collapse, "micro_batch": micro_batch, "precision": precision}
    flags["metrics_ticks"] = metrics_ticks
    config = typed(preset, data, init_from, flags, assignments)
    needs = {"metrics": names, "metrics_fakes": metrics_fakes, "wandb": wandb, "device": device}
    if dry_run:
        click.echo(described(config, new=not resume, **needs), nl=False)
        return
    with distributed.group():
        run = run_training(
            config,
            out=out,
            resume=resume,
            accept_change=accept_change,
            max_minutes=max_minutes,
            **needs,
        )
        if distributed.rank() == 0:
            click.echo(run)

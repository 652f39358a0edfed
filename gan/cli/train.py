"""`gan train`: preset + overrides -> resolved config -> run directory -> loop."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gan.cli.common import (
    CountOrAuto,
    Finite,
    debug_option,
    device_option,
    pick_device,
    runs_option,
    seed_option,
)
from gan.cli.scoring import metric_names
from gan.cli.stopping import Stop
from gan.errors import UsageError

if TYPE_CHECKING:
    import torch

    from gan.cli.scoring import RunScorer
    from training.config import RunConfig
    from training.data.archive import ImageDataset

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
        show(config, new=not resume, **needs)
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


def typed(
    preset: str, data: str, init_from: str | None, flags: Mapping[str, Any], assignments: Sequence[str]
) -> "RunConfig":
    """The preset with what was typed: `flags` by setting, None where one was left out, then assignments.

    UsageError where an assignment contradicts --data or --init-from, whose values are not read as YAML.
    """
    from gan.config import override
    from training.config import load_preset

    given = [f"{key}={value}" for key, value in flags.items() if value is not None]
    base = load_preset(preset)
    config = override(base, [*given, *assignments])
    init_from = init_from or config.init_from
    for option, value, key, before, after in (
        ("--data", data, "data.path", base.data.path, config.data.path),
        ("--init-from", init_from, "init_from", base.init_from, config.init_from),
    ):
        if after not in (before, value):
            raise UsageError(f"{option} {value} and --set {key}={after} differ: leave out --set {key}")
    data_config = dataclasses.replace(config.data, path=data)
    return dataclasses.replace(config, data=data_config, init_from=init_from)


def show(
    config: "RunConfig",
    *,
    new: bool,
    metrics: Sequence[str],
    metrics_fakes: int | None,
    wandb: str,
    device: str,
) -> None:
    """Print the config as it fits the data set, and for a new run what it takes from the model init_from.

    Raises what `run_training` would before its first step.
    """
    import torch

    from gan.config import dumps_yaml
    from training.initial import start_from
    from training.state import create

    _, resolved, dataset, _ = ready(config, metrics, metrics_fakes, wandb, device)
    click.echo(f"# {len(dataset)} images; loss.r1_gamma defaults to 0.0002 * pixels / batch")
    if new and resolved.init_from:
        state = create(resolved, torch.device("cpu"))
        _, notes = start_from(state, resolved.init_from, class_names(resolved, dataset))
        click.echo("".join(f"# {note}\n" for note in notes), nl=False)
    click.echo(dumps_yaml(resolved), nl=False)


def run_training(
    config: "RunConfig",
    *,
    out: Path,
    resume: str | None = None,
    accept_change: bool = False,
    max_minutes: float | None = None,
    metrics: Sequence[str] = (),
    metrics_fakes: int | None = None,
    wandb: str = "off",
    device: str = "auto",
) -> Path:
    """Train as configured and return the run directory. Raises UserError for what the user can mend.

    All processes of `gan.distributed.group` must call this; the first one writes.
    """
    from gan.cli.session import session
    from training import run as runs

    place, config, dataset, scorer = ready(config, metrics, metrics_fakes, wandb, device)
    about = runs.describe_data(dataset, class_names(config, dataset))
    run, state, notes = runs.begin(
        config, dataset, about, out=out, resume=resume, device=place, accept_change=accept_change
    )
    with Stop(max_minutes) as stop:
        while halt := session(run, state, dataset, about, notes, scorer, wandb, stop):
            state, notes = runs.roll_back_together(run, state, halt, config, about)
    return run


def ready(
    config: "RunConfig", metrics: Sequence[str], metrics_fakes: int | None, wandb: str, device: str
) -> tuple["torch.device", "RunConfig", "ImageDataset", "RunScorer"]:
    """The device, the config fitted to the data set, the set, the scorer. UserError for what a run lacks."""
    from gan import distributed
    from gan.cli.scoring import RunScorer
    from training import parts, sinks
    from training.rollback import check_remedies

    place = pick_device(device, distributed.local_rank())
    scorer = RunScorer(metrics, metrics_fakes, place)
    if wandb != "off":
        sinks.library()
    config, dataset = shaped(config)
    parts.check(config, parts.fixed(config))
    check_remedies(config)
    return place, config, dataset, scorer


def class_names(config: "RunConfig", dataset: "ImageDataset") -> list[str]:
    """Names of the classes that the run knows, [] for one without labels."""
    return dataset.classes if config.data.conditional else []


def shaped(config: "RunConfig") -> tuple["RunConfig", "ImageDataset"]:
    """The config fitted to its data set, and the opened set. UsageError where they cannot go together."""
    from training.config import fit
    from training.data.archive import open_dataset

    dataset = open_dataset(config.data.path, use_labels=config.data.conditional)
    if config.data.conditional and dataset.labels is None:
        raise UsageError(f"{config.data.path} has no class labels: leave out data.conditional")
    classes = len(dataset.classes)
    try:
        fitted = fit(config, shape=dataset.shape, classes=classes)
    except UsageError as error:
        raise UsageError(f"{config.data.path}: {error}") from error
    if config.batch > len(dataset):
        raise UsageError(f"batch {config.batch} exceeds the {len(dataset)} images: lower --batch")
    return fitted, dataset

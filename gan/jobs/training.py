"""Train: a config and a data set -> a run directory."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from gan.config import dumps_yaml, override
from gan.devices import pick
from gan.errors import UsageError
from gan.jobs.run_scores import RunScorer
from gan.jobs.session import session
from gan.jobs.stopping import Stop
from training import parts, sinks
from training import run as runs
from training.config import RunConfig, fit, load_preset
from training.data.archive import ImageDataset, open_dataset
from training.initial import start_from
from training.rollback import check_remedies
from training.state import create


def typed(
    preset: str, data: str, init_from: str | None, flags: Mapping[str, Any], assignments: Sequence[str]
) -> RunConfig:
    """The preset with what was typed: `flags` by setting, None where one was left out, then assignments.

    UsageError where an assignment contradicts --data or --init-from, whose values are not read as YAML.
    """
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


def dry_run(
    config: RunConfig,
    *,
    new: bool,
    metrics: Sequence[str],
    metrics_fakes: int | None,
    wandb: str,
    device: str,
) -> str:
    """The config as YAML as it fits the data set, and for a new run what it takes from the model init_from.

    Raises what `run_training` would before its first step.
    """
    _, resolved, dataset, _ = ready(config, metrics, metrics_fakes, wandb, device)
    notes = [f"{len(dataset)} images; loss.r1_gamma defaults to 0.0002 * pixels / batch"]
    if new and resolved.init_from:
        state = create(resolved, torch.device("cpu"))
        notes += start_from(state, resolved.init_from, class_names(resolved, dataset))[1]
    return "".join(f"# {note}\n" for note in notes) + dumps_yaml(resolved)


def run_training(
    config: RunConfig,
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
    config: RunConfig, metrics: Sequence[str], metrics_fakes: int | None, wandb: str, device: str
) -> tuple[torch.device, RunConfig, ImageDataset, RunScorer]:
    """The device, the config fitted to the data set, the set, the scorer. UserError for what a run lacks."""
    place = pick(device)
    scorer = RunScorer(metrics, metrics_fakes, place)
    if wandb != "off":
        sinks.library()
    config, dataset = shaped(config)
    parts.check(config, parts.fixed(config))
    check_remedies(config)
    return place, config, dataset, scorer


def class_names(config: RunConfig, dataset: ImageDataset) -> list[str]:
    """Names of the classes that the run knows, [] for one without labels."""
    return dataset.classes if config.data.conditional else []


def shaped(config: RunConfig) -> tuple[RunConfig, ImageDataset]:
    """The config fitted to its data set, and the opened set. UsageError where they cannot go together."""
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

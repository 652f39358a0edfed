"""Train: settings and a data set -> a run directory."""

import contextlib
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from gan import distributed, hub, plugins
from gan.config import dumps_yaml, override, to_dict
from gan.devices import pick
from gan.errors import UsageError, UserError
from gan.jobs.pinning import pinned
from gan.jobs.run_scores import RunScorer, features_seen, kept_apart
from gan.jobs.session import Surroundings, session
from gan.jobs.stopping import Stop
from gan.models import checkpoint
from gan.models.runs import Run, resume_command
from training import lock, parts, phases, resuming, sinks
from training import run as runs
from training.backends import backends
from training.callbacks import Callbacks
from training.config import GIVEN, RunConfig
from training.data import uniform
from training.data.images import ImageDataset, open_together, share_fingerprint
from training.data.places import is_there, lasting
from training.initial import OF_DATA, start_from
from training.losses.base import Loss
from training.phases import Change
from training.preparation import verify
from training.preparation.datasheet import answered
from training.recipes import fit, load_preset
from training.rollback import check_remedies
from training.state import check_loss, create

Config = str | Path | RunConfig | None


def train(
    config: Config,
    data: Any = None,
    *,
    out: str | Path = "runs",
    overrides: Sequence[str] = (),
    resume: str | Path | None = None,
    accept_change: bool = False,
    metrics: Sequence[str] = (),
    metrics_fakes: int | None = None,
    loss: Loss | None = None,
    callbacks: Sequence[object] = (),
    max_minutes: float | None = None,
    wandb: str = "off",
    device: str = "auto",
) -> Run:
    """Train a GAN, or go on with a run. All that `gan train` does goes through here, under torchrun too.

    Args:
        config: a preset's name, the path of a YAML file such as a run's config.yaml, or a RunConfig; None:
            the settings of the run that goes on, or the preset `default_preset` for a new one.
        data: a path, or an object, see `training.data.images.open_dataset`; None: what the settings name.
        out: folder of run directories.
        overrides: settings such as "optimizer_g.lr=0.001", the right side in YAML.
        resume: None starts a new run. A run or checkpoint directory goes on with it, under its own settings:
            `overrides` are differences. "auto" goes on with the newest run below `out` of the named preset
            and data, if there is one.
        accept_change: go on although settings or data change what is computed, as a new phase.
        metrics, metrics_fakes: scores of the weight average while training, and of how many images.
        loss: an object instead of the loss that the settings name; see `training.losses.base.Loss`.
        callbacks: objects with methods of `training.callbacks.Callback`, or loggers.
        max_minutes: save and stop after this time.  wandb: off, offline or online.
        device: auto, cpu, cuda, cuda:1, ...

    Raises UserError for what the user can mend. With a RunConfig and `resume`, every setting of it counts as
    given. A signal such as Ctrl-C ends it after the step, saved, and is told by `Run.interrupted`: who trains
    several runs in turn asks for it.
    """
    scored: dict[str, Any] = {"metrics": metrics, "metrics_fakes": metrics_fakes}
    where: dict[str, Any] = {"out": out, "wandb": wandb, "device": device}
    place = pick(device)
    with distributed.group(place), Stop(max_minutes) as stop, contextlib.ExitStack() as held:
        plan = prepare(config, data, overrides=overrides, resume=resume, loss=loss, **scored, **where)
        about = runs.describe_data(plan.dataset)
        if plan.dataset.path is not None and (sheet := answered(plan.dataset.path)):
            about["sheet"] = sheet
        beside: dict[str, Any] = {
            "scorer": plan.scorer,
            "callbacks": Callbacks(callbacks),
            "stop": stop,
            "wandb": wandb,
        }
        beside["threads"] = torch.get_num_threads()
        around = Surroundings(dataset=plan.dataset, held_out=plan.held_out, about=about, **beside)
        held.enter_context(backends(plan.config))
        run, state, notes = begin(plan, Path(out), accept_change, held)
        while halt := session(run, state, [*plan.notes, *notes], around):
            state, notes = runs.roll_back(run, state, halt, plan.config, about)
    return Run(run, interrupted=stop.signalled)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run will be.

    config: as typed, fitted to the data set.  held_out: images that no step sees.  saved: the checkpoint that
    a run goes on from, None for a new run, with what changes there.  notes: lines for its log.
    """

    config: RunConfig
    dataset: ImageDataset
    held_out: ImageDataset | None
    device: torch.device
    scorer: RunScorer
    loss: Loss | None
    saved: checkpoint.Checkpoint | None
    changes: Sequence[Change]
    notes: list[str]


def prepare(
    config: Config,
    data: Any,
    *,
    out: str | Path = "runs",
    overrides: Sequence[str] = (),
    resume: str | Path | None = None,
    metrics: Sequence[str] = (),
    metrics_fakes: int | None = None,
    loss: Loss | None = None,
    wandb: str = "off",
    device: str = "auto",
) -> Plan:
    """Everything that can be found wrong before a run directory is made or touched. Arguments as `train`."""
    place = pick(device)
    plugins.load_installed()
    scorer = RunScorer(metrics, metrics_fakes, place)
    if wandb != "off":
        sinks.library()
    if data is None and isinstance(config, RunConfig):
        data = config.data.path
    given = None if data is None else open_together(data, condition="none")
    base, saved, notes = starting_point(config, given, Path(out), resume, place)
    typed = pinned(with_parts(override(base, overrides), base, given, loss))
    opened = given or _recorded(typed, saved)
    share_fingerprint(opened)
    distributed.by_first(lambda: uniform.check(opened))
    if (path := opened.path) is not None:
        distributed.by_first(lambda: verify.check(path))
    fitted, dataset = shaped(typed, opened)
    refuse_settings_of_data(overrides, fitted, dataset)
    notes += filter(None, (opened.left_out, dataset.unseen))
    parts.check(fitted, parts.fixed(fitted))
    check_remedies(fitted)
    check_loss(fitted, loss)
    notes += scorer.beware(features_seen(fitted, saved))
    if held_out := kept_apart(fitted, dataset, scorer):
        notes.append(f"{held_out.place}: {len(held_out)} images are held out")
    changes: list[Change] = []
    if saved:
        changes = phases.changes(saved, fitted, runs.describe_data(dataset))
        if not isinstance(config, RunConfig):
            notes += _told(base, fitted, changes)
        if saved.kimg >= fitted.kimg:
            more = f"{resume_command(saved.run)} --kimg {2 * saved.kimg:g}"
            notes.append(f"the run has had its {fitted.kimg:g} kimg; to go on: {more}")
    return Plan(
        config=fitted,
        dataset=dataset,
        held_out=held_out,
        device=place,
        scorer=scorer,
        loss=loss,
        saved=saved,
        changes=changes,
        notes=notes,
    )


def dry_run(plan: Plan, accept_change: bool) -> str:
    """What a plan would do, as YAML with comments. UserError for changes that are not accepted."""
    notes = [f"{len(plan.dataset)} images; loss.r1_gamma defaults to 0.0002 * pixels / batch", *plan.notes]
    if plan.saved:
        run = plan.saved.run
        phases.permit(run, plan.saved, plan.changes, accept_change)
        notes.insert(0, f"goes on from {plan.saved.path}")
    elif plan.config.init_from:
        state = create(plan.config, torch.device("cpu"), loss=plan.loss)
        notes += start_from(state, plan.config.init_from, plan.dataset.classes)[1]
    return "".join(f"# {note}\n" for note in notes) + dumps_yaml(plan.config)


def begin(
    plan: Plan, out: Path, accept_change: bool, held: contextlib.ExitStack
) -> tuple[Path, Any, list[str]]:
    """The run directory, locked as long as `held` is open, its state, and lines for its log."""
    make: dict[str, Any] = {"device": plan.device, "loss": plan.loss}
    if plan.saved is None:
        run, state, notes = runs.begin(out, plan.config, plan.dataset, **make)
        _lock(run, held)
        return run, state, notes
    saved, run = plan.saved, plan.saved.run
    distributed.by_first(lambda: phases.permit(run, saved, plan.changes, accept_change))
    _lock(run, held)
    return runs.go_on(saved, plan.config, plan.changes, **make)


def starting_point(
    config: Config, given: ImageDataset | None, out: Path, resume: str | Path | None, device: torch.device
) -> tuple[RunConfig, checkpoint.Checkpoint | None, list[str]]:
    """Settings before what is typed, the checkpoint to go on from (None: a new run), and lines for the log.

    Raises UsageError for another preset than that of the run that goes on.
    """
    notes: list[str] = []
    found = distributed.from_first(lambda: _checkpoint(config, given, out, resume, notes))
    saved = resuming.read(found) if found else None
    if isinstance(config, RunConfig):
        return config, saved, notes
    if saved is None:
        if config is None:
            config = default_preset(device)
            notes.append(f"no preset was named: {config}, made for {device.type}; --preset takes another")
        return load_preset(str(config)), None, notes
    base = resuming.settings(saved)
    if config is not None and (named := load_preset(str(config)).preset) != base.preset:
        raise UsageError(
            f"{saved.path} is of preset {base.preset}, not {named}: leave out --preset, for a run keeps its"
            " settings; single ones change by --set KEY=VALUE"
        )
    return base, saved, notes


def default_preset(device: torch.device) -> str:
    """The preset of a run without one: as large as its device can train in reasonable time."""
    return "stylegan2-tiny" if device.type == "cpu" else "stylegan2-small"


def with_parts(
    config: RunConfig, base: RunConfig, given: ImageDataset | None, loss: Loss | None
) -> RunConfig:
    """The config with what is given beside it: the data set, a loss, and the plug-ins that are loaded.

    UsageError where a setting contradicts the data.
    """
    config = dataclasses.replace(config, plugins=plugins.loaded())
    if loss is not None:
        named = dataclasses.replace(config.loss, name=f"{GIVEN}{type(loss).__name__}")
        config = dataclasses.replace(config, loss=named)
    if given is None:
        return config
    path = "" if given.path is None else lasting(given.path)
    if not path.isascii() and path != path.encode(errors="replace").decode():
        raise UsageError(f"{given.place} is no text in UTF-8, as the settings of a run are: rename it")
    if config.data.path not in (base.data.path, path):
        raise UsageError(
            f"--data {given.place} and --set data.path={config.data.path} differ: leave out --set data.path"
        )
    return dataclasses.replace(config, data=dataclasses.replace(config.data, path=path))


def shaped(config: RunConfig, opened: ImageDataset) -> tuple[RunConfig, ImageDataset]:
    """The config fitted to its data set, and the set with the conditions that the config asks for.

    UsageError where they cannot go together.
    """
    dataset, place = conditioned(config, opened), opened.place
    try:
        fitted = fit(config, shape=dataset.shape, c_dim=dataset.c_dim)
    except UsageError as error:
        raise UsageError(f"{place}: {error}") from error
    if config.batch > len(dataset):
        raise UsageError(f"batch {config.batch} exceeds the {len(dataset)} images: lower --batch")
    return fitted, dataset


def refuse_settings_of_data(overrides: Sequence[str], fitted: RunConfig, dataset: ImageDataset) -> None:
    """UsageError for a typed size, number of channels or of conditions other than that of the data."""
    plain = to_dict(fitted)
    for item in overrides:
        key, _, text = item.partition("=")
        section, _, field = key.strip().partition(".")
        if section in ("generator", "discriminator") and field in OF_DATA and field in plain[section]:
            value = plain[section][field]
            if yaml.safe_load(text) != value:
                raise UsageError(
                    f"{item} contradicts {dataset.place}, whose images make it {value}: leave it out, or"
                    " convert the images"
                )


def conditioned(config: RunConfig, opened: ImageDataset) -> ImageDataset:
    """The data set with its labels or vectors, as data.conditional says, or with neither."""
    wanted, place = config.data.conditional, opened.place
    if not wanted:
        return opened.conditioned("none")
    labels, vectors = (opened.conditioned(kind) for kind in ("labels", "vectors"))
    has = {"labels": labels.labels is not None, "vectors": vectors.vectors is not None}
    if wanted is True and all(has.values()):
        raise UsageError(f"{place} has labels and vectors: set data.conditional to one of these words")
    if not any(has[kind] for kind in ((wanted,) if isinstance(wanted, str) else has)):
        what = wanted if isinstance(wanted, str) else "class labels or vectors"
        raise UsageError(f"{place} has no {what}: {opened.index_remedy or 'leave out data.conditional'}")
    return labels if has["labels"] and wanted != "vectors" else vectors


def _checkpoint(
    config: Config, given: ImageDataset | None, out: Path, resume: str | Path | None, notes: list[str]
) -> str:
    """The checkpoint that `resume` asks for, "" for a new run; what was passed over is added to `notes`."""
    if resume is None:
        return ""
    if hub.is_name(resume):
        raise UsageError(f"{resume} has not what training goes on from: start from it, --init-from {resume}")
    if str(resume) != "auto":
        return str(checkpoint.resolve(resume))
    preset = None
    if config is not None:
        preset = config.preset if isinstance(config, RunConfig) else load_preset(str(config)).preset
    folder, passed = resuming.find(out, preset, given.sha256 if given else None)
    notes += passed
    if folder is None:
        notes.append(f"no run in {out} goes on: a new one begins")
    return str(folder or "")


def _recorded(config: RunConfig, saved: checkpoint.Checkpoint | None) -> ImageDataset:
    """The data set that the settings name. UserError where they name none, or it is not there any more."""
    path = config.data.path
    if path and (saved is None or is_there(path)):
        return open_together(path, condition="none")
    if saved is None:
        raise UsageError("no data set: name a zip or folder of images with --data")
    name = path or f"an object, {saved.config['data'].get('name')}"
    how = "name the data set with --data" if path else "give it again, as data of gan.train"
    raise UserError(f"{saved.path} was trained on {name}, which is not here: {how}")


def _told(base: RunConfig, config: RunConfig, changes: Sequence[Change]) -> list[str]:
    """A line for each setting that was typed beside a run and needs no permission."""
    refused = {change.field for change in changes} | {"plugins"}
    return [f"setting {c}" for c in phases.settings_changed(base, config) if c.field not in refused]


def _lock(run: Path, held: contextlib.ExitStack) -> None:
    """Let the first process hold the run directory; all raise what it is refused with."""
    distributed.by_first(lambda: held.enter_context(lock.held(run)))

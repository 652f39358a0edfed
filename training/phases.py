"""Phases of a run: with which settings and data it may go on, and the record of what was changed on the way.

A checkpoint keeps the phases that led to it. phases.json in the run directory is the same list, with the
phase that has begun since the newest checkpoint.
"""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gan import plugins
from gan.config import assignment, flat, from_dict, override, to_dict
from gan.errors import UserError
from gan.files import atomic_bytes
from gan.models.checkpoint import Checkpoint
from training.config import RunConfig
from training.early_stop import StopConfig
from training.health import HealthConfig
from training.rollback import hardened, saved_rollbacks
from training.state import TrainState

FILE = "phases.json"
FREE_TO_CHANGE = frozenset(
    {"preset", "plugins", "kimg", "snapshot_ticks", "metrics_ticks", "tick_kimg", "data.path", "data.workers"}
    | {"keep_last", "keep_light", "keep_every_kimg", "max_disk_gib", "micro_batch", "checkpoint_activations"}
    | {"cuda_graphs", "cudnn_benchmark", "threads", "discriminator.weights"}
    | {f"health.{field.name}" for field in dataclasses.fields(HealthConfig)}
    | {"data.held_out"}
    | {f"stop.{field.name}" for field in dataclasses.fields(StopConfig)}
)  # without effect on a step, or on its rounding only
DATA = ("sha256", "images", "name", "classes")  # what is told of another data set
WIDEST = 24  # characters of a value in a message


@dataclasses.dataclass(frozen=True)
class Change:
    """One setting, by its dotted name, or one property of the data, as data.NAME; values as in JSON."""

    field: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.field} {_short(self.old)} -> {_short(self.new)}"


def with_settings(config: RunConfig, other: RunConfig, keys: Iterable[str]) -> RunConfig:
    """`config` with the settings of those dotted names as `other` has them, where both have them."""
    plain = to_dict(other)
    values = {}
    for key in keys:
        value = plain
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        values[key] = value
    known = flat(to_dict(config)).keys() & flat(plain).keys()
    values = {key: value for key, value in values.items() if key in known}
    return override(config, [assignment(key, value) for key, value in values.items()])


def changes(saved: Checkpoint, config: RunConfig, data: Mapping[str, Any]) -> list[Change]:
    """In what `config` and `data` differ from those of the checkpoint, the free settings apart.

    health.remedies are free until the first rollback, which they decide.
    config: as typed, before what rollbacks make of it.
    """
    rollbacks = saved_rollbacks(saved.state())
    free = FREE_TO_CHANGE - {"health.remedies"} if rollbacks else FREE_TO_CHANGE
    old = flat(to_dict(from_dict(RunConfig, saved.config["run"])))
    new = flat(to_dict(hardened(config, rollbacks)))
    found = [
        Change(key, old.get(key), new.get(key))
        for key in old | new
        if old.get(key) != new.get(key) and key not in free
    ]
    found = [*_changed_plugins(saved), *found]
    theirs = saved.config["data"]
    if theirs["sha256"] == data["sha256"]:
        return found
    names = [key for key in DATA if theirs.get(key) != data[key]]
    return [Change(f"data.{key}", theirs.get(key), data[key]) for key in names] + found


def _changed_plugins(saved: Checkpoint) -> list[Change]:
    """The plug-ins of the checkpoint whose text is another now."""
    now = {plugin.name: plugin.sha256 for plugin in plugins.loaded()}
    return [
        Change(f"plug-in {old['name']}", old["sha256"][:12], now[old["name"]][:12])
        for old in saved.config["run"].get("plugins") or ()
        if old["name"] in now and old["sha256"] != now[old["name"]]
    ]


def settings_changed(old: RunConfig, new: RunConfig) -> list[Change]:
    """Every setting in which two configs differ."""
    before, after = flat(to_dict(old)), flat(to_dict(new))
    return [
        Change(key, before.get(key), after.get(key))
        for key in before | after
        if before.get(key) != after.get(key)
    ]


def permit(run: Path, saved: Checkpoint, found: Sequence[Change], accept: bool) -> None:
    """UserError with the differences, one a line, unless they are none, accepted now, or accepted before."""
    last = recorded(run)[-1:]
    if not found or accept or last == [_entry(saved, found)]:
        return
    width = max(len(change.field) for change in found)
    rows = [f"  {c.field:<{width}}  {_short(c.old)} -> {_short(c.new)}" for c in found]
    networks = any(c.field.startswith(("generator.", "discriminator.")) for c in found)
    shapes = "; weights of other shapes need a new run, with --init-from" if networks else ""
    raise UserError(
        "\n".join(
            [
                f"cannot go on from {saved.path} with other settings or data: restore what differs,"
                f" or begin a new phase of the run with --accept-change{shapes}",
                *rows,
            ]
        )
    )


def check_fit(saved: Checkpoint, state: TrainState, found: Sequence[Change]) -> None:
    """UserError if the networks of `state` have other weights than those in the checkpoint."""
    for role, network in (("generator", state.ema), ("discriminator", state.discriminator)):
        if saved.shapes(role) != _shapes(network.state_dict()):
            listed = "; ".join(str(change) for change in found)
            raise UserError(
                f"cannot go on from {saved.path}: the {role} would have other weights ({listed}); restore"
                f" what differs, or start a new run with --init-from {saved.path}"
            )


def enter(run: Path, saved: Checkpoint, found: Sequence[Change]) -> list[str]:
    """Make phases.json that of a run that goes on from the checkpoint with the changes; lines for the log."""
    phases = list(saved.config.get("phases", []))
    notes = []
    if found:
        phases.append(_entry(saved, found))
        listed = "; ".join(str(change) for change in found)
        notes.append(f"phase {len(phases) + 1} from {saved.kimg:g} kimg on: {listed}")
    if phases != recorded(run):
        atomic_bytes(run / FILE, (json.dumps(phases, indent=2, ensure_ascii=False) + "\n").encode())
    return notes


def recorded(run: Path) -> list[dict[str, Any]]:
    """Phases after the first one: [{kimg, changes: [{field, old, new}]}], [] where nothing was changed."""
    path = run / FILE
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    except ValueError as error:
        raise UserError(f"{path} is not JSON ({error}): remove it") from error


def _entry(saved: Checkpoint, found: Sequence[Change]) -> dict[str, Any]:
    return {"kimg": saved.kimg, "changes": [dataclasses.asdict(change) for change in found]}


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 3]}..."


def _shapes(tensors: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}

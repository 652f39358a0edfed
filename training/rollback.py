"""After a collapse: back to the last healthy checkpoint, and on from there more cautiously.

The ladder is one function of the config as typed and the number of rollbacks, so a checkpoint keeps only that
number, and `--resume` with the same command goes on as the run was. Spectral normalisation is no rung: it
changes the discriminator's parameters, so that neither weights nor optimiser would carry over.
"""

import dataclasses
import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gan import checkpoint
from gan.errors import UserError
from training.config import RunConfig
from training.schedules import Schedule

GAMMA = 2.0  # each rollback multiplies r1_gamma by this
RATE = 0.5  # and the discriminator's learning rate by this


def hardened(config: RunConfig, rollbacks: int) -> RunConfig:
    """The config after so many rollbacks: r1_gamma doubled and D's learning rate halved by each of them.

    A run without R1 (r1_gamma 0) keeps it off.
    """
    if not rollbacks:
        return config
    loss, adam = config.loss, config.optimizer_d
    loss = dataclasses.replace(loss, r1_gamma=_scaled(loss.r1_gamma, GAMMA**rollbacks))
    adam = dataclasses.replace(adam, lr=_scaled(adam.lr, RATE**rollbacks))
    return dataclasses.replace(config, loss=loss, optimizer_d=adam)


def last_healthy(run: Path, before: float = math.inf) -> Path | None:
    """The newest undamaged checkpoint of fewer than `before` images that was saved in health, or None."""
    for folder in checkpoint.folders(run):
        try:
            saved = checkpoint.read(folder)
            state = _counters(folder)
        except (UserError, OSError, ValueError):
            continue
        if saved.kimg * 1000 < before and state.get("health", "healthy") == "healthy":
            return folder
    return None


def set_aside(run: Path, after: Path) -> list[Path]:
    """Move the checkpoints newer than `after` to evidence/checkpoints, where no resume finds them."""
    moved = []
    for folder in checkpoint.folders(run):
        if float(folder.name) > float(after.name):
            target = run / "evidence" / "checkpoints" / folder.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(target, ignore_errors=True)
            moved.append(folder.rename(target))
    best = checkpoint.best(run)
    if best and not best[0].is_dir():
        (run / "checkpoints" / checkpoint.BEST).rename(run / "evidence" / "checkpoints" / checkpoint.BEST)
    return moved


def check(config: RunConfig, run: Path, halt: str, nimg: int, rollbacks: int) -> Path:
    """The checkpoint to go back to from a run that halted at `nimg`. UserError where the policy says stop."""
    evidence = f"evidence in {run / 'evidence' / checkpoint.folder_name(nimg)}"
    folder = last_healthy(run, nimg)
    where = f"the last healthy checkpoint is {folder}" if folder else "no healthy checkpoint was left"
    if config.health.on_collapse == "stop":
        raise UserError(f"stopped at {nimg / 1000:g} kimg, {halt}; {evidence}; {where}")
    if rollbacks >= config.health.max_rollbacks:
        raise UserError(f"gave up at {nimg / 1000:g} kimg after {rollbacks} rollbacks, {halt}; {evidence}")
    if folder is None:
        raise UserError(f"cannot roll back from {nimg / 1000:g} kimg, {halt}: {where}; {evidence}")
    return folder


def described(before: RunConfig, after: RunConfig) -> str:
    """What a rollback changed, in words."""
    changes = [
        ("loss.r1_gamma", before.loss.r1_gamma, after.loss.r1_gamma),
        ("optimizer_d.lr", before.optimizer_d.lr, after.optimizer_d.lr),
    ]
    return ", ".join(f"{name} {_short(old)} -> {_short(new)}" for name, old, new in changes if old != new)


def saved_rollbacks(counters: Mapping[str, Any]) -> int:
    """How often the run of these counters had gone back."""
    return int(counters.get("rollbacks", 0))


def _counters(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "training.json").read_text(encoding="utf-8"))


def _scaled(value: float | Schedule | None, factor: float) -> float | Schedule | None:
    if isinstance(value, Schedule):
        return dataclasses.replace(value, start=value.start * factor, end=value.end * factor)
    return value if value is None else value * factor


def _short(value: float | Schedule | None) -> str:
    return f"{value.start:g}..{value.end:g}" if isinstance(value, Schedule) else f"{value:g}"

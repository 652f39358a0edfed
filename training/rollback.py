"""After a collapse: back to the last healthy checkpoint, and on from there more cautiously.

How much more cautiously is one function of the config as typed and the number of rollbacks, so a checkpoint
keeps only that number, and `--resume` with the same command goes on as the run was. Spectral normalisation is
put on a discriminator that has trained without it: its weights, biases and Adam's moments stay, its logits do
not, see `harden`.
"""

import dataclasses
import json
import math
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from gan.errors import UsageError, UserError
from gan.models import checkpoint
from gan.networks.reparametrize import add_spectral_norm
from training.config import RunConfig
from training.schedules import Schedule
from training.state import TrainState


class Remedy(NamedTuple):
    """A setting, section.field of RunConfig, and its value from the one typed and the number of rollbacks."""

    section: str
    field: str
    after: Callable[[Any, int], Any]

    @property
    def name(self) -> str:
        """As in `--set`."""
        return f"{self.section}.{self.field}"

    def value(self, config: RunConfig) -> Any:
        """Of the setting in `config`; None where that network has no such setting."""
        return getattr(getattr(config, self.section), self.field, None)


REMEDIES = {
    "gamma": Remedy("loss", "r1_gamma", lambda gamma, rollbacks: _scaled(gamma, 2.0**rollbacks)),
    "d_lr": Remedy("optimizer_d", "lr", lambda rate, rollbacks: _scaled(rate, 0.5**rollbacks)),
    "spectral_norm": Remedy("discriminator", "spectral_norm", lambda *_: True),
}  # the names that health.remedies may have


def hardened(config: RunConfig, rollbacks: int) -> RunConfig:
    """The config after so many rollbacks: its health.remedies, each applied to what was typed.

    gamma: r1_gamma doubled by every rollback; a run without R1 (0) keeps it off.  d_lr: D's learning rate
    halved by every rollback.  spectral_norm: of D, from the first rollback on, where D has that setting.
    """
    for remedy in (REMEDIES[name] for name in config.health.remedies if rollbacks):
        if (typed := remedy.value(config)) is not None:
            part = getattr(config, remedy.section)
            part = dataclasses.replace(part, **{remedy.field: remedy.after(typed, rollbacks)})
            config = dataclasses.replace(config, **{remedy.section: part})
    return config


def softened(config: RunConfig, rollbacks: int) -> RunConfig:
    """What was typed, from the config after so many rollbacks: `hardened` of it gives that config again.

    spectral_norm stays as it is: hardened or not, D has it.
    """
    for name, factor in (("gamma", 0.5**rollbacks), ("d_lr", 2.0**rollbacks)):
        remedy = REMEDIES[name]
        if name in config.health.remedies and (value := remedy.value(config)) is not None:
            part = dataclasses.replace(
                getattr(config, remedy.section), **{remedy.field: _scaled(value, factor)}
            )
            config = dataclasses.replace(config, **{remedy.section: part})
    return config


def check_remedies(config: RunConfig) -> None:
    """UsageError for a config as typed whose first rollback would change nothing, see `check`."""
    if config.health.on_collapse == "rollback" and hardened(config, 1) == config:
        raise UsageError(
            f"health.remedies have nothing to change ({described(config, config)}), so that after a rollback"
            " the run would repeat itself: add d_lr to them"
        )


def harden(state: TrainState, config: RunConfig) -> str:
    """Let a state go on under `config`, as typed, hardened by state.rollbacks; what that changed, in words.

    Spectral norms are put on the discriminator in place. Its parameters are the same tensors as before, under
    the names of a discriminator that was built with the norms, so Adam's moments are theirs; the vectors of
    the power iteration are drawn from the seed and settle on these weights. What D computes does change at
    once: each normalised weight in effect is divided by its largest singular value, and biases are not.
    """
    before, state.config = state.config, hardened(config, state.rollbacks)
    norm = REMEDIES["spectral_norm"]
    if norm.value(state.config) and not norm.value(before):
        torch.manual_seed(state.config.seed)
        add_spectral_norm(state.discriminator)
        state.discriminator.config = state.config.discriminator
    return described(before, state.config)


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
    now, then = hardened(config, rollbacks), hardened(config, rollbacks + 1)
    if now == then:
        same = f"health.remedies have nothing left to change ({described(now, then)}), add to them"
        raise UserError(
            f"gave up at {nimg / 1000:g} kimg after {rollbacks} rollbacks, {halt}: {same}; {evidence}"
        )
    if folder is None:
        raise UserError(f"cannot roll back from {nimg / 1000:g} kimg, {halt}: {where}; {evidence}")
    return folder


def described(before: RunConfig, after: RunConfig) -> str:
    """What became of the settings of the remedies, in words."""
    told = []
    for remedy in (REMEDIES[name] for name in after.health.remedies):
        old, new = remedy.value(before), remedy.value(after)
        same = "does not exist" if new is None else f"stays {_short(new)}"
        told.append(f"{remedy.name} " + (same if old == new else f"{_short(old)} -> {_short(new)}"))
    return ", ".join(told)


def saved_rollbacks(counters: Mapping[str, Any]) -> int:
    """How often the run of these counters had gone back."""
    return int(counters.get("rollbacks", 0))


def _counters(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "training.json").read_text(encoding="utf-8"))


def _scaled(value: float | Schedule, factor: float) -> float | Schedule:
    if isinstance(value, Schedule):
        return dataclasses.replace(value, start=value.start * factor, end=value.end * factor)
    return value * factor


def _short(value: float | Schedule | bool) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value.start:g}..{value.end:g}" if isinstance(value, Schedule) else f"{value:g}"

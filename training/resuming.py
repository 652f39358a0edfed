"""Which run goes on, from which of its checkpoints, and with which settings."""

import re
from pathlib import Path

from gan import plugins
from gan.config import from_dict, load_yaml
from gan.errors import UserError
from gan.models import checkpoint
from gan.models.checkpoint import Checkpoint
from training.config import RunConfig
from training.phases import FREE_TO_CHANGE, with_settings
from training.rollback import hardened, saved_rollbacks, softened


def find(out: Path, preset: str | None, data_sha256: str | None) -> tuple[Path | None, list[str]]:
    """The newest run below `out` with a good checkpoint: the checkpoint, and what was passed over in it.

    preset, data_sha256: only runs of these; None: of any. A checkpoint says itself of what it is.
    """
    for run in sorted(out.glob("[0-9]*-*"), key=_number, reverse=True):
        folder, damaged = checkpoint.newest_good(run)
        if folder is None:
            continue
        config = checkpoint.read(folder).config
        same_preset = preset is None or config.get("run", {}).get("preset") == preset
        same_data = data_sha256 is None or config.get("data", {}).get("sha256") == data_sha256
        if same_preset and same_data:
            return folder, [f"passed over a damaged checkpoint: {reason}" for _, reason in damaged]
    return None, []


def read(folder: str | Path) -> Checkpoint:
    """A checkpoint that can go on. UserError for a model that was not trained here."""
    saved = checkpoint.read(folder)
    if not (saved.path / "training.json").is_file():
        raise UserError(
            f"{saved.path} is for sampling only, such as an imported model: it has nothing to go on from;"
            f" start a new run with --init-from {saved.path}"
        )
    return saved


def settings(saved: Checkpoint) -> RunConfig:
    """The settings of a run as they were typed, before what rollbacks made of them.

    They are those of its config.yaml, which may have been written since the checkpoint; a lone checkpoint has
    them itself. UserError for plug-ins that are not loaded.
    """
    run = saved.config["run"]
    plugins.require(run.get("plugins") or (), str(saved.path))
    rollbacks = saved_rollbacks(saved.state())
    typed = softened(from_dict(RunConfig, run), rollbacks)
    path = saved.run / "config.yaml"
    if not path.is_file():
        return typed
    written = from_dict(RunConfig, load_yaml(path))
    free = {key for key in FREE_TO_CHANGE if key != "health.remedies" or not rollbacks}
    for count in range(rollbacks + 1):
        if with_settings(hardened(typed, count), written, free) == written:
            return with_settings(typed, written, free)
    return written  # other settings since: a phase that has just begun, or changes by hand


def _number(run: Path) -> int:
    digits = re.match(r"\d+", run.name)
    return int(digits[0]) if digits else -1

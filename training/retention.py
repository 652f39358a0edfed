"""Which checkpoints of a run are kept, whole or light, and how much room they may take."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from gan.errors import UserError
from gan.models import checkpoint
from gan.models.light import lighten
from training.config import RunConfig
from training.rollback import last_healthy


def superseded(kimg: Sequence[float], keep_last: int | None, keep_every_kimg: float | None) -> list[float]:
    """Those of the checkpoints' `kimg` that need not be kept; keep_last None keeps all.

    Kept are the newest `keep_last`, and the first at or after every multiple of `keep_every_kimg`.
    """
    if keep_last is None:
        return []
    kimg = sorted(kimg)
    old = kimg[: max(len(kimg) - keep_last, 0)]
    if keep_every_kimg is None:
        return old
    slots = [value // keep_every_kimg for value in kimg]
    first = {value for value, slot, before in zip(kimg, slots, [-1, *slots], strict=False) if slot != before}
    return [value for value in old if value not in first]


def prune(run: Path, config: RunConfig) -> list[Path]:
    """Lighten or remove what the config does not keep whole, and return it; once the newest is complete.

    The best checkpoint and the newest healthy one always stay whole.
    """
    folders = {float(folder.name): folder for folder in checkpoint.folders(run)}
    old = superseded(list(folders), config.keep_last, config.keep_every_kimg)
    if not old:
        return []
    best = checkpoint.best(run)
    spared = {best[0].name if best else None, getattr(last_healthy(run), "name", None)}
    chosen = [folders[kimg] for kimg in old if folders[kimg].name not in spared]
    if config.keep_light:
        return [folder for folder in chosen if lighten(folder)]
    for folder in chosen:
        (folder / "manifest.json").unlink(missing_ok=True)  # first: half a folder must not look like a whole
        shutil.rmtree(folder, ignore_errors=True)
    return chosen


def check_room(run: Path, limit_gib: float | None) -> None:
    """UserError if one more checkpoint like the newest would take those of `run` beyond `limit_gib`."""
    folders = checkpoint.folders(run)
    if limit_gib is None or not folders:
        return
    sizes = [sum(path.stat().st_size for path in folder.iterdir()) for folder in folders]
    needed = (sum(sizes) + sizes[0]) / 2**30
    if needed > limit_gib:
        raise UserError(
            f"checkpoints of {run} would take {needed:.3g} GiB, more than max_disk_gib {limit_gib:g}"
        )

"""Training for so many seconds of processor time, so that what else runs on the machine changes little."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gan
from gan.images import save_png
from gan.jobs.demo import sample_grid
from training.state import TrainState

FAKES = 2000


class Budget:
    """Ends training when this process has used so many seconds of processor time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._begun = 0.0

    def start(self, state: TrainState) -> None:
        """The clock begins."""
        self._begun = time.process_time()

    def step(self, state: TrainState, terms: Mapping[str, Any]) -> str | None:
        """Whether the time is over."""
        return "time is over" if time.process_time() - self._begun > self.seconds else None


def trained(
    preset: str, data: Path, folder: Path, seconds: float, overrides: Sequence[str], metrics: Sequence[str]
) -> tuple[Path, dict[str, float]]:
    """Train a preset on `data` in `folder` and score it -> (run, its kimg, seconds, and values by label).

    A grid of samples is left in `folder`, beside the run. KeyboardInterrupt where somebody stops it.
    """
    settings = ["kimg=10000", "data.workers=0", "snapshot_ticks=1000", *overrides]
    done = gan.train(preset, data, out=folder, overrides=settings, callbacks=[Budget(seconds)], device="cpu")
    if done.interrupted:
        raise KeyboardInterrupt
    run = done.path
    records = gan.evaluate(run, data, metrics, num_fakes=FAKES, device="cpu")
    save_png(folder / "grid.png", sample_grid(run))
    return run, {
        "kimg": done.kimg,
        "seconds": seconds,
        **{record["label"]: record["value"] for record in records},
    }


def table(label: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Records of the same figures as lines of Markdown, the column `label` first."""
    names = [key for key in rows[0] if key != label]
    lines = [f"| {label} | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    lines += [f"| {row[label]} | {' | '.join(f'{row[name]:.4g}' for name in names)} |" for row in rows]
    return "\n".join(lines)

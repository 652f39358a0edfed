"""A run directory as what training leaves behind: its model, its scores, its statistics."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gan.files import json_lines
from gan.models import checkpoint


@dataclass(frozen=True)
class Run:
    """path: the run directory.  interrupted: whether a signal (Ctrl-C, SIGTERM) asked the session to end."""

    path: Path
    interrupted: bool = False

    @property
    def checkpoint(self) -> Path:
        """The newest checkpoint. UserError if there is none."""
        return checkpoint.resolve(self.path)

    @property
    def kimg(self) -> float:
        """Thousands of real images shown, up to the newest checkpoint."""
        return checkpoint.read(self.checkpoint).kimg

    @property
    def records(self) -> list[dict[str, Any]]:
        """Scores with their provenance, oldest first: metrics.jsonl."""
        return json_lines(self.path / "metrics.jsonl")[0]

    @property
    def stats(self) -> list[dict[str, Any]]:
        """Statistics of the ticks, oldest first: stats.jsonl."""
        return json_lines(self.path / "stats.jsonl")[0]

    def generator(self, device: str | torch.device = "cpu") -> nn.Module:
        """EMA generator of the newest checkpoint, as `gan.load` gives it."""
        return checkpoint.read(self.checkpoint).generator(device)


def resume_command(run: Path | None) -> str:
    """What to type to go on with a run."""
    return f"gan train --resume {shlex.quote(str(run or 'auto'))}"

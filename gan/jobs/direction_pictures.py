"""The contact sheet of directions: one row each."""

from pathlib import Path

import torch
from torch import nn

from gan.console import progress
from gan.errors import UsageError
from gan.files import atomic_bytes
from gan.images import FORMATS, encode, labelled_grid
from gan.jobs.sampling.along import Walk
from gan.jobs.sampling.labels import resolved_labels
from gan.latents.directions import Directions

SHEET = (-3.0, -1.5, 0.0, 1.5, 3.0)  # standard deviations of a row
MOST_ROWS = 100


def check_sheet(path: str | Path) -> None:
    """UsageError for a sheet in a format that holds no picture."""
    if Path(path).suffix.lower() not in FORMATS:
        raise UsageError(f"--sheet {path}: use one of {', '.join(FORMATS)}")


def write_sheet(generator: nn.Module, directions: Directions, path: str | Path, seed: int = 0) -> None:
    """One row for each direction, the first 100 at most: the image of `seed` at five steps, labelled."""
    labels = resolved_labels(None, [], generator, [seed], seed)
    walk = Walk(generator, directions, [seed], labels)
    rows, captions = [], []
    for index in progress(range(min(len(directions), MOST_ROWS)), "sheet", unit="row"):
        rows.append(walk.at(index, 0, SHEET))
        name = directions.names[index]
        captions += [f"{name} {step:+g}" if i == 0 else f"{step:+g}" for i, step in enumerate(SHEET)]
    sheet = labelled_grid(torch.cat(rows), captions, columns=len(SHEET))
    atomic_bytes(Path(path), encode(sheet, Path(path).suffix))

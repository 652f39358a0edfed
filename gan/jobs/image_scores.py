"""What images, or a table, say of samples: the scores that supervised directions are found from.

Letters: N samples.
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from gan import plugins
from gan.console import progress
from gan.errors import UsageError, UserError, unknown
from gan.files import MAX_JSON
from gan.latents.attributes import ATTRIBUTES
from gan.sampling import BATCH

Score = Callable[[Tensor], Tensor]  # images [n, C, H, W], about [-1, 1] -> [n]
MOST_WORDS = 100  # different words in a column of labels


def score(text: str) -> tuple[str, Score]:
    """Name and function of an attribute of ATTRIBUTES, or of one's own, module:function or FILE.py:function.

    Raises UsageError where there is none, UserError with the reason where the module fails.
    """
    if text in ATTRIBUTES:
        return text, ATTRIBUTES[text]
    place, _, name = text.rpartition(":")
    if not place or not name:
        own = "; or of your own, module:function or FILE.py:function"
        raise UsageError(f"--score {text}: {unknown('attribute', text, ATTRIBUTES)}{own}")
    found = getattr(plugins.module_asked(place, f"--score {text}", "function"), name, None)
    if not callable(found):
        raise UsageError(f"--score {text}: {place} has no function '{name}'")
    return name, found


@torch.no_grad()
def measured(
    generator: nn.Module, z: Tensor, c: Tensor | None, scores: Mapping[str, Score]
) -> dict[str, Tensor]:
    """The scores of the images of z [N, z_dim], c [N, c_dim], without truncation: name -> [N], on the CPU.

    Raises UserError, naming the score, where its function fails or gives another number of values.
    """
    found: dict[str, list[Tensor]] = {name: [] for name in scores}
    with progress(len(z), "scoring images", unit="img") as bar:
        for first in range(0, len(z), BATCH):
            part = slice(first, first + BATCH)
            images = generator(z[part], None if c is None else c[part])
            for name, function in scores.items():
                found[name].append(_values(name, function, images))
            bar.update(len(images))
    return {name: torch.cat(parts) for name, parts in found.items()}


def _values(name: str, function: Score, images: Tensor) -> Tensor:
    try:
        values = torch.as_tensor(function(images)).detach().double().cpu()
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"the score '{name}' fails: {type(error).__name__}: {error}") from error
    if values.numel() != len(images):
        raise UserError(
            f"the score '{name}' gives {list(values.shape)} for {len(images)} images; give one number each"
        )
    return values.reshape(-1)


def read_labels(path: str | Path) -> tuple[list[int], dict[str, Tensor]]:
    """A table with the columns seed, label, ... and a line for each seed -> seeds, and name -> [N].

    A column of numbers is an attribute of its name; one of words is an attribute for each word: 1 where it
    stands, else 0. Raises UserError, naming file and line, for anything else.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_JSON:
            raise UserError(f"{path} has more than {MAX_JSON:,} bytes: label fewer seeds")
        with path.open(encoding="utf-8-sig", newline="") as file:
            head, *rows = [row for row in csv.reader(file) if row] or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read {path}: {error}; give a CSV file of seed,label") from error
    if len(head) < 2 or head[0].strip() != "seed" or not rows:
        raise UserError(f"{path}: the first line should be seed,label (or more labels), and seeds follow")
    for number, row in enumerate(rows, 2):
        if len(row) != len(head) or not (row[0].isascii() and row[0].strip().isdigit()):
            raise UserError(f"{path} line {number}: expected a seed and {len(head) - 1} labels, got {row}")
    seeds = [int(row[0]) for row in rows]
    labels: dict[str, Tensor] = {}
    for index, name in enumerate(head[1:], 1):
        labels |= _column(path, name.strip(), [row[index].strip() for row in rows])
    return seeds, labels


def _column(path: Path, name: str, texts: Sequence[str]) -> dict[str, Tensor]:
    try:
        return {name: torch.tensor([float(text) for text in texts], dtype=torch.float64)}
    except ValueError:
        words = sorted(set(texts))
    if len(words) > MOST_WORDS:
        raise UserError(f"{path}: the column {name} has {len(words)} different words; {MOST_WORDS} at most")
    return {
        word: torch.tensor([float(text == word) for text in texts], dtype=torch.float64) for word in words
    }

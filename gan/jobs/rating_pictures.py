"""The pictures of a study, drawn from models or read from files, and spoiled ones for catch trials.

All are written anew as PNG without metadata, so that no file tells its source.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan import hub, sampling
from gan.devices import pick
from gan.errors import UserError
from gan.images import view
from gan.jobs.evaluation import is_model, loaded
from gan.models import checkpoint
from training.data import places
from training.data.images import called, open_dataset

TILES = 8  # a side, that a spoiled picture is cut into
NOISE = 0.5  # share of noise in it


@dataclass(frozen=True)
class Source:
    """Where pictures come from.

    place: a model, a folder or a zip.  size: how many there are, None for a model, which has no end.
    checkpoint: of a model, the folder that is judged.
    """

    place: Path
    size: int | None
    checkpoint: Path | None

    def described(self) -> dict[str, str | None]:
        """For study.json."""
        return {"place": str(self.place), "checkpoint": str(self.checkpoint) if self.checkpoint else None}

    def read(self, numbers: Sequence[int], device: str) -> Iterator[tuple[str, Tensor]]:
        """(name, uint8 [1 or 3, H, W]) of each; a model draws them from these seeds."""
        if self.checkpoint is not None:
            generator, _ = loaded(self.checkpoint, pick(device))
            names = iter(f"seed {number}" for number in numbers)
            for batch in sampling.images(generator, numbers):
                for image in batch.cpu():
                    yield next(names), view(image)
            return
        dataset = open_dataset(self.place, condition="none")
        for number in numbers:
            image = torch.from_numpy(np.array(dataset.raw(number)))  # what is cached is read-only
            yield called(dataset.source, number), view(image)
        dataset.close()


def opened(place: Path) -> Source:
    """The source at a path. Raises UserError where there is neither a model nor an image."""
    if hub.is_name(place):  # what is rated stays the same while people rate
        place = places.local(place) if hub.is_data_set(place) else checkpoint.resolve(place)
    if is_model(place):
        return Source(place.absolute(), None, checkpoint.resolve(place).resolve())
    dataset = open_dataset(place, condition="none")
    size = len(dataset)
    dataset.close()
    return Source(place.absolute(), size, None)


def spoiled(image: Tensor, seed: int) -> Tensor:
    """uint8 [C, H, W] -> the same in tiles out of order, half of it noise: worse than whatever it was."""
    rng = np.random.default_rng(seed)
    pixels = image.numpy()
    rows, columns = (np.array_split(np.arange(side), min(TILES, side)) for side in pixels.shape[1:])
    mixed = pixels[:, np.concatenate([rows[i] for i in rng.permutation(len(rows))])]
    for band in rows:  # each row of tiles has an order of its own
        order = np.concatenate([columns[i] for i in rng.permutation(len(columns))])
        mixed[:, band] = mixed[:, band][:, :, order]
    noise = rng.integers(0, 256, pixels.shape)
    return torch.from_numpy(((1 - NOISE) * mixed + NOISE * noise).astype(np.uint8))


def labels(places: Sequence[Path]) -> list[str]:
    """A name for each source in results: the last part of its path, or more where that is another's too."""
    depth = 1
    while True:
        found = ["/".join(place.absolute().parts[-depth:]) for place in places]
        if len(set(found)) == len(found):
            return found
        if depth > max(len(place.absolute().parts) for place in places):
            raise UserError(f"{found[0]} is given twice: name each source once")
        depth += 1


def told_sizes(shapes: dict[str, set[Any]], say: Callable[[str], object]) -> None:
    """A warning where the sizes of pictures tell their sources apart. shapes: by source."""
    if len({frozenset(found) for found in shapes.values()}) > 1:
        text = ", ".join(f"{name} {_shape(found)}" for name, found in shapes.items())
        say(f"warning: the sources differ in size or colours, which alone can tell them apart: {text}")


def _shape(found: set[Any]) -> str:
    if len(found) > 1:
        return "of several sizes"
    ((channels, height, width),) = found
    return f"{width}x{height}{' grey' if channels == 1 else ''}"

"""Features of pictures by a network that is handed in: of each content once, and what is unlike all others.

They lie in a file of the working folder by the sha256 of the pixels, so that a later preparation has them.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training.preparation import quality, workers
from training.preparation.catalogue import Catalogue, Store
from training.preparation.examine import pressed
from training.preparation.scan import item, unchanged

FILE = "features.sqlite"
BATCH = 64  # pictures of a call of the network, and of a transaction
_MAPPED = "features.bin"

Network = Callable[[np.ndarray], np.ndarray]  # uint8 [n, 3, 128, 128] -> float [n, D]


def missing(catalogue: Catalogue, store: Store) -> list[tuple[int, str]]:
    """(number, sha256 of the pixels) of the pictures without features."""
    keys = ((number, record["pixels_sha256"]) for number, _, _, record in catalogue.records())
    return [(number, key) for number, key in keys if key is not None and not store.has(key)]


def describe(
    catalogue: Catalogue,
    store: Store,
    places: Sequence[Path],
    network: Network,
    background: tuple[int, int, int],
    *,
    wanted: Sequence[tuple[int, str]],
    run: workers.Runner,
) -> Iterator[int]:
    """Features of the pictures that `missing` names; yields how many were done since.

    Files are decoded in processes. Raises UserError for one that has changed since the scan.
    """
    batch: list[tuple[str, np.ndarray]] = []
    items = [item(catalogue, number, places) for number, _ in wanted]
    work = functools.partial(pressed, background=background)
    for made in unchanged(items, wanted, run(work, items)):
        batch.append(made)
        if len(batch) == BATCH:
            _store(batch, store, network)
            batch = []
        yield 1
    if batch:
        _store(batch, store, network)


def _store(batch: Sequence[tuple[str, np.ndarray]], store: Store, network: Network) -> None:
    rows = network(np.stack([pixels for _, pixels in batch]).transpose(0, 3, 1, 2))
    store.put((key, row.tobytes()) for (key, _), row in zip(batch, rows.astype(np.float32), strict=True))


def rate(catalogue: Catalogue, store: Store) -> None:
    """Take down how far each picture is from all others, `outlier` of its record: see `quality.outliers`."""
    numbers, path = [], catalogue.folder / _MAPPED
    with path.open("wb") as file:
        for number, _, _, record in catalogue.records():
            if record["pixels_sha256"] is not None:
                numbers.append(number)
                file.write(store.get(record["pixels_sha256"]))
    if numbers:
        scores, _ = quality.outliers(np.memmap(path, np.float32, "r").reshape(len(numbers), -1))
        catalogue.rate(zip(numbers, np.round(scores, 4).tolist(), strict=True))
    path.unlink()


def of_records(store: Store, records: Sequence[Mapping[str, Any]]) -> Network:
    """Places of records, int64 [n] -> their features [n, D], for `duplicates`."""

    def features(places: np.ndarray) -> np.ndarray:
        return np.stack([np.frombuffer(store.get(records[n]["pixels"]), np.float32) for n in places])

    return features

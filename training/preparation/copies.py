"""Which copies are dropped: the records that are kept so far, compared by pixels and by thumbnails."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from training.preparation import duplicates, hashes
from training.preparation.catalogue import Catalogue
from training.preparation.decide import Verdicts, drop_copies

HOW = ("near", "exact", "keep")
_SHAPE = (hashes.SIDE, hashes.SIDE, 3)
_FILE = "thumbnails.bin"


def drop(catalogue: Catalogue, found: Verdicts, how: str) -> None:
    """Keep one file of each cluster of copies. how: of HOW; keep leaves all."""
    if how == "keep":
        return
    numbers, records = _candidates(catalogue, found)
    path = catalogue.folder / _FILE
    thumbnails = _mapped(catalogue, numbers, path) if how == "near" and numbers else None
    clusters = duplicates.clusters(records, thumbnails)
    path.unlink(missing_ok=True)
    paths = {number: record["path"] for number, record in zip(numbers, records, strict=True)}
    told = ([numbers[member] for member in cluster.members] for cluster in clusters)
    drop_copies(found, ((members, members[0]) for members in told), paths)


def _candidates(catalogue: Catalogue, found: Verdicts) -> tuple[list[int], list[dict[str, Any]]]:
    """(numbers, records with what `duplicates` asks for) of the files that are kept so far, by path."""
    numbers, records = [], []
    for number, _, _, record in catalogue.records():
        if found.is_kept(number):
            numbers.append(number)
            shown = {name: record[name] for name in ("path", "width", "height", "sharpness")}
            records.append({**shown, "pixels": record["pixels_sha256"]})
    return numbers, records


def _mapped(catalogue: Catalogue, numbers: list[int], path: Path) -> np.ndarray:
    """uint8 [N, 32, 32, 3]: thumbnails in the order of `numbers`, in a file."""
    wanted = iter(numbers)
    with path.open("wb") as file:
        file.writelines(_chosen(catalogue.thumbnails(), wanted))
    return np.memmap(path, np.uint8, "r", shape=(len(numbers), *_SHAPE))


def _chosen(thumbnails: Iterator[tuple[int, bytes]], wanted: Iterator[int]) -> Iterator[bytes]:
    """Those of the numbers wanted, which come in the same order."""
    number = next(wanted, None)
    for found, thumbnail in thumbnails:
        if found == number:
            yield thumbnail
            number = next(wanted, None)

"""Which copies are dropped: the files that are kept so far, compared by pixels and by thumbnails.

They are compared with each other, and with a second set, such as one for validation, of which nothing may be
among them.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from training.preparation import duplicates, hashes
from training.preparation.catalogue import Catalogue
from training.preparation.decide import Cluster, Verdicts, drop_copies

HOW = ("near", "exact", "keep")
_SHAPE = (hashes.SIDE, hashes.SIDE, 3)
_FILE = "thumbnails.bin"


def drop(catalogue: Catalogue, found: Verdicts, how: str, against: Catalogue | None = None) -> None:
    """Keep one file of each cluster of copies, and none that is in a second set.

    how: of HOW; exact: those of equal pixels; keep: none is dropped but for the second set, and copies go to
    one side of a split. against: the second set, scanned.
    """
    numbers, records = _shown(catalogue, found)
    count = len(numbers)
    other_numbers, other_records = ([], []) if against is None else _shown(against, None)
    path = catalogue.folder / _FILE
    thumbnails = None
    if how != "exact" and records:
        parts = [_chosen(catalogue, numbers)]
        parts += [] if against is None else [_chosen(against, other_numbers)]
        thumbnails = _mapped(itertools.chain(*parts), count + len(other_numbers), path)
    clusters = duplicates.clusters([*records, *other_records], thumbnails)
    del thumbnails
    path.unlink(missing_ok=True)
    told = (_told(cluster.members, numbers, [*records, *other_records], how) for cluster in clusters)
    drop_copies(found, (cluster for cluster in told if cluster is not None))


def _told(
    members: tuple[int, ...], numbers: list[int], records: list[dict[str, Any]], how: str
) -> Cluster | None:
    """A cluster of our files; None where it has one alone, or none."""
    own = [member for member in members if member < len(numbers)]
    others = [member for member in members if member >= len(numbers)]
    if not own or (len(own) == 1 and not others):
        return None
    best = records[own[0]]
    return Cluster(
        members=tuple(numbers[member] for member in own),
        path=best["path"],
        pixels_sha256=best["pixels"],
        drops=how != "keep" or bool(others),
        against=f"against {records[others[0]]['path']}" if others else None,
    )


def _shown(catalogue: Catalogue, found: Verdicts | None) -> tuple[list[int], list[dict[str, Any]]]:
    """(numbers, records with what `duplicates` asks for) of the files that are kept so far, by path.

    found: None for all that have pixels.
    """
    numbers, records = [], []
    for number, _, _, record in catalogue.records():
        if record["pixels_sha256"] is not None and (found is None or found.is_kept(number)):
            numbers.append(number)
            shown = {name: record[name] for name in ("path", "width", "height", "sharpness")}
            records.append({**shown, "pixels": record["pixels_sha256"]})
    return numbers, records


def _mapped(thumbnails: Iterator[bytes], count: int, path: Path) -> np.ndarray:
    """uint8 [N, 32, 32, 3]: thumbnails in a file, so that millions need no memory."""
    with path.open("wb") as file:
        file.writelines(thumbnails)
    return np.memmap(path, np.uint8, "r", shape=(count, *_SHAPE))


def _chosen(catalogue: Catalogue, numbers: list[int]) -> Iterator[bytes]:
    """Thumbnails of these files, which come in the order of the catalogue."""
    wanted = iter(numbers)
    number = next(wanted, None)
    for found, thumbnail in catalogue.thumbnails():
        if found == number:
            yield thumbnail
            number = next(wanted, None)

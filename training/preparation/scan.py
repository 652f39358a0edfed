"""The stages that need pixels: list the sources, examine each file once, make the images that are missing.

Each is a generator of what it has done so far, for whoever shows progress, and goes on where it ended.
"""

import functools
import shutil
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from gan.errors import UserError
from training.preparation import workers
from training.preparation.archives import open_source
from training.preparation.catalogue import Catalogue, Store, display
from training.preparation.convert import Form
from training.preparation.examine import Found, Item, Task, convert_again, examine, failed
from training.preparation.sources import Member, Source

BATCH = 256  # files of a transaction
BATCH_BYTES = 2**26  # of their images


def listing(sources: Sequence[Source], *, hidden: bool) -> Iterator[tuple[int, Member]]:
    """(source, member) of everything that lies in the sources."""
    for number, source in enumerate(sources):
        for member in source.members(hidden=hidden):
            yield number, member


def scan(
    catalogue: Catalogue,
    images: Store | None,
    places: Sequence[Path],
    task: Task,
    *,
    numbers: Sequence[int],
    run: workers.Runner,
) -> Iterator[int]:
    """Examine the files of these numbers and take down what was found; yields how many were done since."""

    def items() -> Iterator[Item]:
        for number in numbers:
            waiting.append(item(catalogue, number, places))
            yield waiting[-1]

    waiting: deque[Item] = deque()
    batch: list[Found] = []
    size = 0
    work = functools.partial(examine, task=task)
    try:
        for found in run(work, items()):
            examined = waiting.popleft()
            found = failed(examined, found) if isinstance(found, workers.Failure) else found
            batch.append(found)
            size += len(found.image[1]) if found.image else 0
            if len(batch) == BATCH or size > BATCH_BYTES:
                _store(batch, catalogue, images)
                batch, size = [], 0
            yield 1
    finally:  # an interrupt keeps what is done
        _store(batch, catalogue, images)


def _store(batch: Sequence[Found], catalogue: Catalogue, images: Store | None) -> None:
    if images is not None:
        images.put(found.image for found in batch if found.image)
    catalogue.keep((found.number, found.record, found.thumbnail) for found in batch)


def convert(
    catalogue: Catalogue,
    images: Store,
    places: Sequence[Path],
    form: Form,
    *,
    missing: Sequence[tuple[int, str]],
    run: workers.Runner,
) -> Iterator[int]:
    """Make the images that the scan did not; yields how many were done since.

    missing: (number of a file, key of its image). Raises UserError for a file that has changed since.
    """
    items = [item(catalogue, number, places) for number, _ in missing]
    batch: list[tuple[str, bytes]] = []
    work = functools.partial(convert_again, form=form)
    for made in unchanged(items, missing, run(work, items)):
        batch.append(made)
        if sum(len(data) for _, data in batch) > BATCH_BYTES or len(batch) == BATCH:
            images.put(batch)
            batch = []
        yield 1
    images.put(batch)


def unchanged(
    items: Sequence[Item], wanted: Sequence[tuple[int, str]], results: Iterable[Any]
) -> Iterator[tuple[str, Any]]:
    """(key, what was made) of each file that was read again; wanted: (number, key that the scan gave it).

    Raises UserError for a file that has changed since, or is gone.
    """
    for asked, (_, key), made in zip(items, wanted, results, strict=True):
        if made is None or isinstance(made, workers.Failure) or made[0] != key:
            path = display(asked.member.path)
            raise UserError(f"{path} in {asked.source} has changed during the preparation: start it again")
        yield made


def item(catalogue: Catalogue, number: int, places: Sequence[Path]) -> Item:
    """The file of that number, as processes take it."""
    source, member = catalogue.member(number)
    return Item(number=number, source=places[source], member=member)


def quarantine(catalogue: Catalogue, places: Sequence[Path], numbers: Iterable[int], folder: Path) -> int:
    """Copy files to `folder`/NUMBER OF SOURCE/PATH, replacing what is there; how many could be read."""
    shutil.rmtree(folder, ignore_errors=True)
    count = 0
    for number in numbers:
        source, member = catalogue.member(number)
        if member.closed:
            continue
        try:
            data = open_source(places[source]).read(member.path, member.place)
        except (OSError, ValueError):
            continue
        parts = [part for part in PurePosixPath(display(member.path)).parts if part not in ("/", "..")]
        target = folder.joinpath(str(source), *(part.replace("\\", "_") for part in parts))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        count += 1
    return count

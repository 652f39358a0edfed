"""Data sets that are made: what they are, whether they are whole, parts and unions of them."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gan.console import progress
from gan.errors import UserError
from training.data.places import local
from training.preparation import sets, where, writer
from training.preparation.overview import overview
from training.preparation.verify import Verification


def info(path: str | Path) -> dict[str, Any]:
    """What lies at a path, in about a second; see `training.preparation.overview`."""
    started = time.monotonic()
    return {**overview(local(path)), "seconds": round(time.monotonic() - started, 2)}


def verify(path: str | Path, *, full: bool = False) -> dict[str, Any]:
    """Whether a set is what its manifest says: path, images, full, problems (one line each).

    full: read and decode every image, and compare its sha256. Raises UserError where nothing can be read.
    """
    found = Verification(local(path))
    problems = list(found.outline())
    if full:
        with progress(found.contents(), "verifying", unit="img") as bar:
            bar.total = found.images
            for of_one in bar:
                problems += of_one
    return {"path": str(path), "images": found.images, "full": full, "problems": problems}


def merge(paths: Sequence[str | Path], out: str | Path, *, force: bool = False) -> dict[str, Any]:
    """Write the images of several sets of one shape as one, equal files once: path, images, classes.

    Images are copied as they are. Raises UserError for sets of different shapes, of which some have classes
    and others none, and as `write_dataset` does.
    """
    writer.refuse_existing(out, force)
    made = [sets.MadeSet(local(path)) for path in paths]
    classes = sets.union_classes(made)
    about = made[0].about(classes, sets.licences(made))
    with progress(sets.union(made, classes), "merging", unit="img") as bar:
        bar.total = sum(map(len, made))
        count = writer.write_dataset(out, bar, about, force=force)
    return {"path": str(out), "images": count, "classes": classes}


def subset(
    path: str | Path,
    out: str | Path,
    *,
    classes: Sequence[str] = (),
    count: int | None = None,
    condition: str | None = None,
    seed: int = 0,
    force: bool = False,
) -> dict[str, Any]:
    """Write a part of a set: path, images, classes.

    classes: names; none for all. count: how many, drawn by `seed`; None for all. condition: on what is known
    of an image, such as "licence == 'CC0' and width >= 64". Raises UserError where nothing is left.
    """
    writer.refuse_existing(out, force)
    made = sets.MadeSet(local(path))
    known = {name for i in range(len(made)) for name in made.record(i)} if condition else set()
    test = where.parse(condition, known) if condition else None
    numbers = sets.chosen(made, classes=classes, where=test, count=count, seed=seed)
    if not numbers:
        raise UserError(f"{path}: no image is left: ask for less by --classes and --where")
    names = [name for name in made.data.classes if not classes or name in classes]
    about = made.about(names, sets.licences([made]))
    with progress(sets.part(made, numbers, names), "copying", unit="img") as bar:
        bar.total = len(numbers)
        written = writer.write_dataset(out, bar, about, force=force)
    return {"path": str(out), "images": written, "classes": names}

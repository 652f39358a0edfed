"""Data sets from any images, and from nothing but installed packages, with a bar where somebody watches.

`prepare` runs the stages in turn, and goes on where an earlier call was killed:

    scan      list the sources, decode each file once, measure it, make its image of the set
    decide    labels, conditions, decisions of a person, copies: a verdict on each file
    convert   images that the scan did not make
    write     the set, the part that is held back, the data sheet
"""

import contextlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from gan.console import progress
from gan.errors import UserError
from gan.files import atomic_bytes, sha256
from training.preparation import assemble, openmoji, scan, sources, state, writer
from training.preparation.archives import open_source
from training.preparation.catalogue import Catalogue, Converted
from training.preparation.datasheet import datasheet
from training.preparation.examine import Task
from training.preparation.plan import Plan, check, decided, kept, remarks
from training.preparation.request import Request


def prepare(
    places: Sequence[str | Path],
    out: str | Path,
    request: Request,
    *,
    workers: int | None = None,
    work: str | Path | None = None,
    force: bool = False,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Prepare the sources at `places` as a data set at `out`: the summary with path, sha256 and seconds.

    workers: processes, None one a core; their number changes nothing in the result. work: the working folder,
    None for `out`.prepare. force: replace what is at `out`. dry_run: scan and decide only.
    Raises UserError for a source that cannot be read, an `out` that is there already, a file whose policy is
    to stop, and where nothing is kept; UsageError for options that mean nothing.
    """
    started = time.monotonic()
    out, policies = Path(out), request.rules().policies
    found = sources.expanded([Path(place) for place in places])
    folder = Path(work) if work else state.working_folder(out)
    if not dry_run and not state.is_ours(folder, out):
        _refuse_existing(out, request, force)
    sources.refuse_within(found, out)
    processes = workers or os.cpu_count() or 1
    with contextlib.closing(Catalogue(folder)) as catalogue, contextlib.closing(Converted(folder)) as images:
        reached = state.State(folder, found, request.told())
        reached.reached("scan")
        task = Task(form=request.form, policies=policies, content=request.content_filter)
        _scan(catalogue, images, found, task, processes)
        reached.reached("decide")
        with _second_set(folder, request, task, processes) as second:
            plan = decided(catalogue, folder, found, request, second)
        result = {"path": str(out), "work": str(folder), **plan.summary.told()}
        result["remarks"] = remarks(plan, request)
        if not dry_run:
            check(plan, folder, request)
            result["unchanged"] = reached.is_written(plan.digest, out)
            if not result["unchanged"]:
                _refuse_existing(out, request, force or reached.was_writing(out))
                reached.reached("convert")
                _convert(catalogue, images, found, folder, request, plan, processes)
                reached.reached("write", out)
                _write(out, folder, images, request, plan)
            reached.done(plan.digest, out)
            images.remove()
            result["sha256"] = _sha256(out)
    return {**result, "seconds": round(time.monotonic() - started, 1)}


def _scan(
    catalogue: Catalogue,
    images: Converted | None,
    places: Sequence[Path],
    task: Task,
    processes: int,
) -> None:
    """List the sources, and examine what is new."""
    hidden = task.policies["hidden"] == "fix"
    depends = [state.VERSION, hidden, list(map(str, places)), task.form.background, task.content]
    catalogue.begin(json.dumps(depends))
    opened = [open_source(place) for place in places]
    with progress(scan.listing(opened, hidden=hidden), "listing", unit="file") as members:
        count = catalogue.enlist(members)
    if not count:
        raise UserError(f"there is no file in {', '.join(map(str, places))}: mend the path")
    if numbers := catalogue.unscanned():
        work = {"numbers": numbers, "processes": min(processes, len(numbers))}
        _watched(scan.scan(catalogue, images, places, task, **work), len(numbers), "scanning")


@contextlib.contextmanager
def _second_set(folder: Path, request: Request, task: Task, processes: int) -> Iterator[Catalogue | None]:
    """The set that nothing may be in as well, scanned; None where there is none."""
    if request.against is None:
        yield None
        return
    places = sources.expanded([request.against])
    with contextlib.closing(Catalogue(folder / "against")) as catalogue:
        _scan(catalogue, None, places, replace(task, images=False, content=False), processes)
        yield catalogue


def _convert(
    catalogue: Catalogue,
    images: Converted,
    places: Sequence[Path],
    folder: Path,
    request: Request,
    plan: Plan,
    processes: int,
) -> None:
    """Make the images that the scan did not, for its options were others."""
    keys = (request.form.key(record["pixels_sha256"]) for record in kept(folder))
    missing = [(number, key) for number, key in zip(plan.kept, keys, strict=True) if not images.has(key)]
    if missing:
        work = {"missing": missing, "processes": min(processes, len(missing))}
        done = scan.convert(catalogue, images, places, request.form, **work)
        _watched(done, len(missing), "converting")


def _refuse_existing(out: Path, request: Request, force: bool) -> None:
    """Raises UserError if there is something at one of the places of the set, and not `force`."""
    writer.refuse_existing(out, force)
    if request.val:
        writer.refuse_existing(state.val_path(out), force)


def _watched(done: Iterator[int], total: int, text: str) -> None:
    with contextlib.closing(done), progress(total, text, unit="file") as bar:
        for step in done:
            bar.update(step)


def _write(out: Path, folder: Path, images: Converted, request: Request, plan: Plan) -> None:
    """The set, the part that is held back if there is one, and the data sheet."""
    told = plan.summary.told()
    classes = assemble.classes_of(told["classes"], plan.notes.classes)
    licence = assemble.licence_of(plan.summary.fields["licence"])
    for split, count in sorted(told["splits"].items(), reverse=True):  # val first: the set itself comes last
        path = out if split == "train" else state.val_path(out)
        about = assemble.about(request.form, licence, classes, split, request.vectors)
        entries = assemble.entries(kept(folder, split), images, request.form, classes, request.vectors)
        with progress(entries, f"writing {path.name}", unit="img") as bar:
            bar.total = count
            writer.write_dataset(path, bar, about, force=True)
    place = writer.place_of(out)
    measures = {name: (low, total / told["kept"], high) for name, (low, total, high) in plan.measures.items()}
    sheet = datasheet(place.stem, asdict(request.form), told, plan.summary.fields, measures)
    atomic_bytes(place.with_name(f"{place.stem}.DATASHEET.md"), sheet.encode())


def _sha256(out: Path) -> str | None:
    """Digest of the file; None for a folder."""
    return sha256(out) if out.is_file() else None


def draw_openmoji(
    out: str | Path | None = None,
    *,
    resolution: int = 32,
    workers: int | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """Draw the glyphs of OpenMoji as a data set -> path, images (their number), classes and seconds.

    out: a .zip, else a folder; None is data/openmoji-RESOLUTION.zip. resolution: pixels a side. workers:
    processes that draw, None one per core. force: replace what is at `out`.
    Raises UserError if something is there already, `out` cannot be written or a package is missing.
    """
    started = time.monotonic()
    out = Path(out or Path("data", f"openmoji-{resolution}.zip"))
    writer.refuse_existing(out, force)
    about = openmoji.about(resolution)
    entries = progress(openmoji.render(resolution, workers=workers), "drawing", unit="glyph")
    entries.total = len(openmoji.glyph_codes())
    with entries:
        count = writer.write_dataset(out, entries, about, force=force)
    seconds = round(time.monotonic() - started, 1)
    return {"path": str(out), "images": count, "classes": list(about.classes), "seconds": seconds}

"""Data sets from any images, and from nothing but installed packages, with a bar where somebody watches.

`prepare` runs the stages in turn, and goes on where an earlier call was killed:

    scan      list the sources, decode each file once, measure it, make its image of the set
    describe  features of the pictures, where they are asked for
    decide    labels, conditions, decisions of a person, copies: a verdict on each file
    convert   images that the scan did not make
    write     the set, the part that is held back, the data sheet
"""

import contextlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from gan import processors
from gan.console import progress
from gan.errors import UserError
from gan.files import atomic_bytes, sha256
from gan.jobs.pixel_features import lite0
from training.data.places import local
from training.preparation import assemble, features, openmoji, ray_workers, scan, sources, state, writer
from training.preparation import workers as pool
from training.preparation.archives import open_source
from training.preparation.catalogue import Catalogue, Store
from training.preparation.datasheet import datasheet, sheet_of
from training.preparation.examine import Task
from training.preparation.features import Network
from training.preparation.plan import Plan, check, decided, kept, remarks
from training.preparation.request import Request

_Scanned = tuple[Catalogue, Sequence[Path]]  # and where its sources lie


def prepare(
    places: Sequence[str | Path],
    out: str | Path,
    request: Request,
    *,
    workers: int | None = None,
    work: str | Path | None = None,
    force: bool = False,
    dry_run: bool = False,
    ray: str | None = None,
) -> dict[str, Any]:
    """Prepare the sources at `places` as a data set at `out`: the summary with path, sha256 and seconds.

    workers: processes, None one a core; their number changes nothing in the result. work: the working folder,
    None for `out`.prepare. force: replace what is at `out`. dry_run: scan and decide only. ray: the
    address of a Ray cluster whose machines do the work, or "local".
    Raises UserError for a source that cannot be read, an `out` that is there already, a file whose policy is
    to stop, and where nothing is kept; UsageError for options that mean nothing.
    """
    started = time.monotonic()
    out, policies = Path(out), request.rules().policies
    found = sources.expanded([local(place) for place in places])
    folder = Path(work) if work else state.working_folder(out)
    if not dry_run and not state.is_ours(folder, out):
        _refuse_existing(out, request, force)
    sources.refuse_within(found, out)
    run = _runner(ray, workers)
    network = lite0() if request.features else None  # now: a package that is missing is told before the work
    with (
        contextlib.closing(Catalogue(folder)) as catalogue,
        contextlib.closing(Store(folder, "converted.sqlite")) as images,
    ):
        reached = state.State(folder, found, request.told())
        reached.reached("scan")
        task = _task(request, policies)
        _scan(catalogue, images, found, task, run)
        reached.reached("decide")
        with (
            _second_set(folder, request, task, run) as second,
            _described(folder, ((catalogue, found), second), request, run, network) as described,
        ):
            plan = decided(catalogue, folder, found, request, second and second[0], described)
        result = {"path": str(out), "work": str(folder), **plan.summary.told()}
        result["remarks"] = remarks(plan, request)
        if not dry_run:
            check(plan, folder, request)
            result["unchanged"] = reached.is_written(plan.digest, out)
            if not result["unchanged"]:
                _refuse_existing(out, request, force or reached.was_writing(out))
                reached.reached("convert")
                _convert(catalogue, images, found, folder, request, plan, run)
                reached.reached("write", out)
                _write(out, folder, images, request, plan)
            reached.done(plan.digest, out)
            images.remove()
            result["sha256"] = _sha256(out)
    return {**result, "seconds": round(time.monotonic() - started, 1)}


def _task(request: Request, policies: Mapping[str, str]) -> Task:
    """What is done with each file."""
    return Task(
        form=request.form,
        policies=policies,
        content=request.content_filter,
        features=request.features,
        faces=request.faces,
    )


def _runner(ray: str | None, workers: int | None) -> pool.Runner:
    """Processes here, or on the machines of a Ray cluster."""
    if ray:
        return ray_workers.runner(ray, workers)
    return partial(pool.run, processes=workers or processors.count())


def _scan(
    catalogue: Catalogue,
    images: Store | None,
    places: Sequence[Path],
    task: Task,
    run: pool.Runner,
) -> None:
    """List the sources, and examine what is new."""
    hidden = task.policies["hidden"] == "fix"
    depends = [state.VERSION, hidden, list(map(str, places)), task.form.background, task.content]
    catalogue.begin(json.dumps([*depends, task.features, task.faces and task.form.crop]))
    opened = [open_source(place) for place in places]
    with progress(scan.listing(opened, hidden=hidden), "listing", unit="file") as members:
        count = catalogue.enlist(members)
    if not count:
        raise UserError(f"there is no file in {', '.join(map(str, places))}: mend the path")
    if numbers := catalogue.unscanned():
        done = scan.scan(catalogue, images, places, task, numbers=numbers, run=run)
        _watched(done, len(numbers), "scanning")


@contextlib.contextmanager
def _second_set(folder: Path, request: Request, task: Task, run: pool.Runner) -> Iterator[_Scanned | None]:
    """The set that nothing may be in as well, scanned, and its places; None where there is none."""
    if request.against is None:
        yield None
        return
    places = sources.expanded([request.against])
    with contextlib.closing(Catalogue(folder / "against")) as catalogue:
        _scan(catalogue, None, places, replace(task, images=False, content=False, faces=False), run)
        yield catalogue, places


@contextlib.contextmanager
def _described(
    folder: Path,
    sets: Sequence[_Scanned | None],
    request: Request,
    run: pool.Runner,
    network: Network | None,
) -> Iterator[Store | None]:
    """Features of the pictures of all sets; None without a network. Outliers are told of the first set."""
    if network is None:
        yield None
        return
    with contextlib.closing(Store(folder, features.FILE)) as store:
        for catalogue, places in filter(None, sets):
            if wanted := features.missing(catalogue, store):
                done = features.describe(
                    catalogue, store, places, network, request.form.background, wanted=wanted, run=run
                )
                _watched(done, len(wanted), "describing")
        if sets[0]:
            features.rate(sets[0][0], store)
        yield store


def _convert(
    catalogue: Catalogue,
    images: Store,
    places: Sequence[Path],
    folder: Path,
    request: Request,
    plan: Plan,
    run: pool.Runner,
) -> None:
    """Make the images that the scan did not, for its options were others."""
    keys = (request.form.key(record["pixels_sha256"]) for record in kept(folder))
    missing = [(number, key) for number, key in zip(plan.kept, keys, strict=True) if not images.has(key)]
    if missing:
        done = scan.convert(catalogue, images, places, request.form, missing=missing, run=run)
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


def _write(out: Path, folder: Path, images: Store, request: Request, plan: Plan) -> None:
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
    measures = {name: (low, total / told["kept"], high) for name, (low, total, high) in plan.measures.items()}
    sheet = datasheet(writer.place_of(out).stem, asdict(request.form), told, plan.summary.fields, measures)
    atomic_bytes(sheet_of(out), sheet.encode())


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

"""One self-contained HTML page about a data set: what was left out and why, duplicates, extremes, statistics.

It needs no script and no other file. The number of pictures is bounded, whatever the size of the set.
"""

import base64
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from gan import hub
from gan.files import atomic_bytes
from gan.jobs import data_selection as selection
from gan.jobs import data_subject
from gan.jobs.data_subject import Subject
from gan.jobs.report_sheet import sheet, text
from gan.jobs.still_charts import Still, histogram
from gan.jobs.thumbnails import placeholder
from gan.jobs.work_folder import Seen
from training.data.faults import DataError, Refused
from training.data.places import local

SIDE = 144  # pixels of a picture
CLASSES = 60  # that are shown
EXAMPLES = 3  # paths of a fault
CHARTS = {
    "Shorter side (pixels)": lambda seen: seen.size and min(seen.size),
    "Width over height": lambda seen: seen.size and seen.size[0] / seen.size[1],
    "Sharpness": lambda seen: seen.sharpness,
    "Brightness": lambda seen: seen.brightness,
    "Contrast": lambda seen: seen.contrast,
    "Colourfulness": lambda seen: seen.colourfulness,
}


def report(place: str | Path, out: str | Path | None = None, say: Callable[[str], object] = print) -> Path:
    """Write `page` of a data set, or its work folder, to `out`, by default beside it -> its path.

    UserError if there is none, `out` cannot be written, or the extra `report` is missing.
    """
    named, place = hub.is_name(place), local(place)
    name = place.resolve().name.removesuffix(".prepare").removesuffix(".zip")
    beside = Path() if named else place.parent  # what is fetched lies in the cache
    path = beside / f"{name}.report.html" if out is None else Path(out)
    subject = data_subject.of(place)
    if not subject.prepared:
        say(f"{place} has no work folder of gan data prepare: the page has images and statistics alone")
    atomic_bytes(path, page(subject).encode())
    return path


def page(subject: Subject) -> str:
    """The HTML of a data set."""
    show = _pictures(subject)
    files = subject.files
    context = {
        "title": subject.name,
        "prepared": subject.prepared,
        "facts": _facts(subject),
        "causes": _causes(files, show),
        "clusters": _clusters(files, show),
        "extremes": [(title, [show(*pair) for pair in pairs]) for title, pairs in selection.extremes(files)],
        "outliers": [show(seen, note) for seen, note in selection.outliers(files)],
        "some": [] if subject.prepared else [show(seen, seen.label or "") for seen in _spread(files, 24)],
        "classes": subject.classes[:CLASSES],
        "more_classes": len(subject.classes) - CLASSES,
        "most": max((count for _, _, count in subject.classes), default=0),
        "charts": [c for title, of in CHARTS.items() if (c := _chart(title, of, files))],
        "tables": _tables(files),
        "faults": _faults(subject.faults),
        "about": {name.replace("_", " "): words for name, of in subject.about.items() if (words := text(of))},
    }
    return sheet("data_report.html", "gan data report", context)


def _pictures(subject: Subject) -> Callable[[Seen, str], dict[str, Any]]:
    """show(file, note): what the template needs of a picture; each file is decoded once."""

    @cache
    def source(number: int) -> str:
        try:
            kind, data = "webp", subject.thumbnail(by_number[number], SIDE)
        except (Refused, DataError) as error:
            kind, data = "svg+xml", placeholder(str(error))
        return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"

    by_number = {seen.number: seen for seen in subject.files}

    def show(seen: Seen, note: str) -> dict[str, Any]:
        return {
            "source": source(seen.number),
            "path": seen.path,
            "note": note,
            "size": f"{seen.width} × {seen.height}" if seen.size else "",
            "keeper": seen.keeper,
            "verdict": seen.verdict,
        }

    return show


def _facts(subject: Subject) -> list[tuple[str, str, str]]:
    """(name, value, remark) of the head of the page."""
    files, verdicts = subject.files, Counter(seen.verdict for seen in subject.files)
    made = ("Report made", f"{datetime.now().astimezone():%Y-%m-%d %H:%M %Z}", "")
    classes = ("Classes", f"{len(subject.classes):,}", "") if subject.classes else None
    if not subject.prepared:
        measured = f"{len(files):,} of them measured" if len(files) < subject.total else ""
        found = [("Images", f"{subject.total:,}", measured), classes, _size(files), made]
        return [fact for fact in found if fact]
    splits = Counter(seen.split for seen in files if seen.verdict == "keep" and seen.split)
    groups = selection.by_cluster(files)
    found = [
        ("Files seen", f"{subject.total:,}", ""),
        ("Kept", f"{verdicts['keep']:,}", _share(verdicts["keep"], subject.total)),
        ("Dropped", f"{verdicts['drop']:,}", _share(verdicts["drop"], subject.total)),
        ("In quarantine", f"{verdicts['quarantine']:,}", _share(verdicts["quarantine"], subject.total)),
        ("Groups of duplicates", f"{len(groups):,}", f"{sum(len(g) for _, g in groups):,} files"),
        classes,
        ("Splits", ", ".join(f"{name} {count:,}" for name, count in splits.most_common()), "")
        if len(splits) > 1
        else None,
        _size([seen for seen in files if seen.verdict == "keep"]),
        made,
    ]
    return [fact for fact in found if fact]


def _size(files: Sequence[Seen]) -> tuple[str, str, str] | None:
    """The most frequent size."""
    sizes = Counter(seen.size for seen in files if seen.size)
    if not sizes:
        return None
    (width, height), count = sizes.most_common(1)[0]
    others = f"{count:,}, and {len(sizes) - 1:,} other size{'s' * (len(sizes) > 2)}"
    return ("Size", f"{width} × {height}", "all" if len(sizes) == 1 else others)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else ""


def _spread(files: Sequence[Seen], count: int) -> list[Seen]:
    """So many files from first to last."""
    step = max(1, len(files) // count)
    return list(files[::step][:count])


def _causes(files: Iterable[Seen], show: Callable[[Seen, str], Any]) -> list[dict[str, Any]]:
    rows = selection.by_cause(files)
    left = sum(len(group) for _, group in rows)
    return [
        {
            "name": cause,
            "count": len(group),
            "share": 100 * len(group) / left,
            "quarantine": sum(seen.verdict == "quarantine" for seen in group),
            "shown": [show(seen, _why(seen)) for seen in _spread(group, selection.SHOWN)]
            if place < selection.CAUSES
            else [],
        }
        for place, (cause, group) in enumerate(rows)
    ]


def _why(seen: Seen) -> str:
    """What the cause does not say: of which file it is a copy, or what was found wrong."""
    return (seen.reason if seen.reason != seen.cause else seen.detail) or ""


def _clusters(files: Iterable[Seen], show: Callable[[Seen, str], Any]) -> dict[str, Any]:
    groups = selection.by_cluster(files)
    rows = [
        (number, len(group), [show(seen, "") for seen in group[: selection.SHOWN]])
        for number, group in groups[: selection.CLUSTERS]
    ]
    return {"rows": rows, "more": len(groups) - len(rows)}


def _chart(title: str, of: Callable[[Seen], float | None], files: Iterable[Seen]) -> Still | None:
    groups: tuple[list[float], list[float]] = ([], [])
    for seen in files:
        if (value := of(seen)) is not None:
            groups[seen.verdict != "keep"].append(value)
    return histogram(title, *groups)


def _tables(files: Sequence[Seen]) -> list[tuple[str, list[tuple[str, int]]]]:
    """(title, rows of name and count) of formats, colours, licences and sizes, where they are known."""
    columns = {
        "Format": Counter(seen.format for seen in files if seen.format),
        "Colours": Counter(seen.mode for seen in files if seen.mode),
        "Licence": Counter(seen.licence or "none told" for seen in files),
        "Size": Counter(f"{seen.width} × {seen.height}" for seen in files if seen.size),
    }
    if set(columns["Licence"]) == {"none told"}:
        del columns["Licence"]
    return [(title, counts.most_common(10)) for title, counts in columns.items() if counts]


def _faults(records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row a kind and policy: how many, and the first paths."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for record in records:
        key = str(record.get("kind")), str(record.get("policy"))
        row = rows.setdefault(key, {"kind": key[0], "policy": key[1], "count": 0, "examples": []})
        row["count"] += 1
        if len(row["examples"]) < EXAMPLES:
            row["examples"].append(str(record.get("path")))
    return sorted(rows.values(), key=lambda row: (-row["count"], row["kind"]))

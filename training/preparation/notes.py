"""What is said of images beside their pixels: classes, captions, licences, authors, any columns.

Read, the later winning where several speak of one image:

    the source itself         classes of CIFAR and MNIST, columns of Parquet
    folders                   the first folder of a path, if asked for
    dataset.json              at the top of a source: labels, classes, captions, licences of its manifest
    metadata.jsonl, .csv, .parquet   of an ImageFolder: a row an image, names relative to their folder
    x.txt, .caption, .cls, .json   beside x.png, as captions lie in folders and everything in WebDataset
    tables given by option    CSV, JSON or JSON lines, also for provenance
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from gan.errors import UserError, install
from gan.files import refusal
from training.data.faults import line
from training.data.hub_sets import UNKNOWN
from training.data.names import plain

COLUMNS = {
    "label": ("label", "class", "category", "cls"),
    "caption": ("caption", "text", "txt", "description", "prompt"),
    "licence": ("licence", "license"),
    "author": ("author", "creator", "photographer", "artist"),
    "source_url": ("source_url", "source", "url"),
}  # field of a record -> names of columns
NAMES = ("file_name", "filename", "file", "path", "name", "image")  # columns that name the image
MOST_TEXT = 2**20  # bytes of a file beside an image
MOST_TABLE = 2**30  # bytes of a table
SIDES = {".txt": "caption", ".caption": "caption", ".cls": "label", ".json": None}
TABLES = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
_TABULAR = (".jsonl", ".csv", ".parquet")

_NUMBER = re.compile(r"[+-]?(0|[1-9]\d{0,17})(\.\d+)?([eE][+-]?\d{1,2})?")

Key = tuple[int, str]  # number of a source, plain path within


@dataclass
class Notes:
    """What is known by (source, path), each a dict of the fields of COLUMNS and `custom`.

    used: side files that spoke, by (source, path): no images, and no faults.
    classes: names in the order of a `dataset.json`.  unmatched: names in tables that no file has, a few.
    licence: of files of which nothing says one.
    """

    by_file: dict[Key, dict[str, Any]] = field(default_factory=dict)
    by_sha256: dict[str, dict[str, Any]] = field(default_factory=dict)
    used: set[Key] = field(default_factory=set)
    classes: list[str] = field(default_factory=list)
    unmatched: list[str] = field(default_factory=list)
    licence: str | None = None

    def of(self, source: int, path: bytes, sha256: str | None) -> dict[str, Any]:
        """What is known of a file; {} of most."""
        found = dict(self.by_file.get((source, named(path)), {}))
        more = self.by_sha256.get(sha256 or "", {})
        custom = {**found.get("custom", {}), **more.get("custom", {})}
        told = {"licence": self.licence} if self.licence else {}
        return {**told, **found, **more, **({"custom": custom} if custom else {})}

    def columns(self) -> set[str]:
        """Names of all custom fields."""
        said = (*self.by_file.values(), *self.by_sha256.values())
        return {name for one in said for name in one.get("custom", {})}

    def add(self, key: Key, said: Mapping[str, Any]) -> None:
        """Add to what is known of a file."""
        found = self.by_file.setdefault(key, {})
        custom = {**found.get("custom", {}), **said.get("custom", {})}
        found.update({name: value for name, value in said.items() if name != "custom"})
        if custom:
            found["custom"] = custom


def named(path: bytes) -> str:
    """A path as notes are filed by it."""
    return plain(path.decode("utf-8", "surrogateescape"))


def gather(
    files: Iterable[tuple[int, bytes]],
    read: Callable[[int, bytes], bytes],
    known: Iterable[Mapping[bytes, Mapping[str, Any]]],
    *,
    labels: str,
    tables: Iterable[Path],
) -> Notes:
    """Everything said of the files.

    files: (source, path) of all, by path. read: the bytes of one. known: of each source, what it says itself.
    labels: auto, folders, none or the path of a table. tables: more tables. Raises UserError for a table
    that cannot be used.
    """
    notes = Notes()
    names = [(source, named(path), path) for source, path in files]
    for source, told in enumerate(known):
        for path, said in told.items():
            notes.add((source, named(path)), said)
    if labels == "folders":
        for source, name, _ in names:
            if "/" in name:
                notes.add((source, name), {"label": name.split("/")[0]})
    _beside(notes, names, read)
    present = {(source, name) for source, name, _ in names}
    own = [Path(labels)] if labels not in ("auto", "folders", "none") else []
    for table in (*own, *tables):
        _given(notes, table, present)
    if labels == "none":
        for said in notes.by_file.values():
            said.pop("label", None)
        notes.classes = []
    return notes


def _beside(notes: Notes, names: list[tuple[int, str, bytes]], read: Callable[[int, bytes], bytes]) -> None:
    """What files among the images say."""
    sides = [n for n in names if PurePosixPath(n[1]).suffix.lower() in (*SIDES, *_TABULAR)]
    if not sides:
        return
    images: dict[Key, list[str]] = {}
    for source, name, _ in names:
        if PurePosixPath(name).suffix.lower() not in (*SIDES, *_TABULAR):
            for stem in _stems(name):
                images.setdefault((source, stem), []).append(name)
    order = {"dataset.json": 0, **dict.fromkeys(TABLES, 1)}
    for source, name, path in sorted(sides, key=lambda side: order.get(PurePosixPath(side[1]).name, 2)):
        last = PurePosixPath(name).name
        if name == "dataset.json":
            _index(notes, source, _json(read(source, path), name))
        elif last in TABLES:
            folder = name.removesuffix(last)
            for row_name, said in rows(read(source, path), name):
                notes.add((source, plain(f"{folder}{row_name}")), said)
        elif meant := {image for stem in _stems(name) for image in images.get((source, stem), [])}:
            said = _side(read(source, path), name)
            for image in meant:
                notes.add((source, image), said)
        else:
            continue
        notes.used.add((source, name))


def _stems(name: str) -> set[str]:
    """A path without its last suffix, and without all, as WebDataset has it."""
    folder, slash, last = name.rpartition("/")
    return {f"{folder}{slash}{last.rpartition('.')[0]}", f"{folder}{slash}{last.partition('.')[0]}"}


def _side(data: bytes, name: str) -> dict[str, Any]:
    """What a file beside an image says."""
    text = data[:MOST_TEXT].decode("utf-8", "replace").removeprefix("\ufeff").strip()
    suffix = PurePosixPath(name).suffix.lower()
    if SIDES[suffix]:
        return {SIDES[suffix]: text} if text else {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return row_of(found)[1] if isinstance(found, dict) else {}


def _index(notes: Notes, source: int, index: Any) -> None:
    """What a `dataset.json` says."""
    if not isinstance(index, dict):
        return
    classes = [str(name) for name in index.get("classes") or []]
    manifest = index.get("manifest") if isinstance(index.get("manifest"), dict) else {}
    for name, label in index.get("labels") or []:
        known = isinstance(label, int) and 0 <= label < len(classes)
        if isinstance(label, int | str):
            notes.add((source, plain(name)), {"label": classes[label] if known else str(label)})
    for name, caption in (index.get("captions") or {}).items():
        notes.add((source, plain(name)), {"caption": str(caption)})
    for name, said in (manifest.get("files") or {}).items():
        _, found = row_of(said if isinstance(said, dict) else {})
        custom = said.get("custom") if isinstance(said.get("custom"), dict) else {}
        kept = {key: value for key, value in found.items() if key in ("licence", "author", "source_url")}
        if kept.get("licence") == UNKNOWN:  # the writer's word for none
            del kept["licence"]
        notes.add((source, plain(name)), {**kept, "custom": custom})
    notes.classes += [name for name in classes if name not in notes.classes]


def _given(notes: Notes, table: Path, present: set[Key]) -> None:
    """What a table given by option says; names are relative to any source."""
    try:
        with table.open("rb") as file:
            data = file.read(MOST_TABLE + 1)
    except OSError as error:
        raise UserError(refusal("read", table, error)) from error
    sources = {source for source, _ in present}
    for name, said in rows(data, str(table)):
        if sha256 := said.pop("sha256", None):
            notes.by_sha256[sha256] = said
            continue
        meant = [(source, plain(name)) for source in sources if (source, plain(name)) in present]
        for key in meant:
            notes.add(key, said)
        if not meant:
            notes.unmatched.append(name)


def rows(data: bytes, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name of an image, what is said of it) of a table: CSV with a header, JSON, JSON lines or Parquet.

    JSON: {"labels": [[name, label], ...]}, {name: label}, or a list of objects. A row may have a column
    sha256, of the file, in place of a name. Raises UserError, naming `place`, where it is none of these.
    """
    if len(data) > MOST_TABLE:
        raise UserError(f"{place} has more than {MOST_TABLE:,} bytes: split it")
    suffix = PurePosixPath(place).suffix.lower()
    if suffix == ".json":
        yield from _json_rows(_json(data, place), place)
        return
    text = "" if suffix == ".parquet" else data.decode("utf-8-sig", "replace")
    found: Iterable[Any]
    if suffix == ".parquet":
        found = _parquet(data, place)
    elif suffix == ".jsonl":
        found = (_json(part.encode(), place) for part in text.splitlines() if part.strip())
    else:
        found = csv.DictReader(io.StringIO(text, newline=""))
    for number, row in enumerate(found, 1):
        name, said = row_of(row if isinstance(row, dict) else {})
        if not name and "sha256" not in said:
            columns = ", ".join(map(str, row)) if isinstance(row, dict) else "no columns"
            raise UserError(
                f"{place}: row {number} names no image ({columns}): give a column {NAMES[0]} or sha256"
            )
        yield name, said


def _parquet(data: bytes, place: str) -> Iterator[dict[str, Any]]:
    """Rows of plain values. UserError without pyarrow, and for what is no Parquet."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise UserError(f"{place} is Parquet, which needs pyarrow: {install('data')}") from error
    try:
        for batch in parquet.ParquetFile(io.BytesIO(data)).iter_batches():
            for row in batch.to_pylist():
                yield {name: value for name, value in row.items() if is_plain(value)}
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"{place} cannot be read ({line(error)}): copy or make it again") from error


def is_plain(value: Any) -> bool:
    """Whether a cell can be a note: text, number, truth or nothing."""
    return isinstance(value, str | int | float | bool) or value is None


def _json_rows(found: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(found, dict) and isinstance(found.get("labels"), list):
        found = {pair[0]: pair[1] for pair in found["labels"] if isinstance(pair, list) and len(pair) == 2}
    if isinstance(found, dict):
        for name, said in found.items():
            yield name, row_of(said)[1] if isinstance(said, dict) else {"label": str(said)}
        return
    if not isinstance(found, list):
        raise UserError(f"{place} is no list and no object: write [[name, label], ...] or {{name: label}}")
    for entry in found:
        if isinstance(entry, dict) and (row := row_of(entry))[0]:
            yield row
        elif isinstance(entry, list) and len(entry) == 2:
            yield str(entry[0]), {"label": str(entry[1])}
        else:
            raise UserError(f"{place}: {json.dumps(entry)[:80]} names no image: give it a {NAMES[0]}")


def row_of(row: Mapping[Any, Any]) -> tuple[str, dict[str, Any]]:
    """(name, fields) of a row; empty cells say nothing."""
    cells = {str(key).strip(): value for key, value in row.items() if key and value not in (None, "")}
    lower = {key.lower(): key for key in cells}
    name_column = next((lower[name] for name in NAMES if name in lower), None)
    said: dict[str, Any] = {}
    taken = {name_column}
    for field_name, columns in COLUMNS.items():
        column = next((lower[name] for name in columns if name in lower), None)
        if column is not None and column not in taken:
            said[field_name] = str(cells[column]).strip()
            taken.add(column)
    if "sha256" in lower and name_column is None:
        said["sha256"] = str(cells[lower["sha256"]]).strip().lower()
        taken.add(lower["sha256"])
    custom = {key: _typed(value) for key, value in cells.items() if key not in taken}
    if custom:
        said["custom"] = custom
    return (str(cells[name_column]) if name_column else ""), said


def _typed(value: Any) -> Any:
    """A number for a text that is one, as in cells of CSV; 007 is none."""
    if not isinstance(value, str) or not _NUMBER.fullmatch(value.strip()):
        return value
    return float(value) if any(sign in value for sign in ".eE") else int(value)


def _json(data: bytes, place: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{place} is not JSON ({line(error)}): mend or remove it") from error

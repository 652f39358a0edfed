"""Labels from the `metadata.jsonl`, `.csv` or `.parquet` of a Hugging Face ImageFolder.

A row has `file_name`, relative to the folder of the file of metadata, and its class as a number or a name.
"""

import csv
import io
import json
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gan.errors import install
from training.data.faults import Refused, line

NAMES = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
LABELS = ("label", "labels", "class", "category")  # columns, the first that is there


def is_metadata(name: str) -> bool:
    """Whether a file, by its path, holds metadata."""
    return posixpath.basename(name) in NAMES


def labels(found: Mapping[str, bytes]) -> dict[str, Any]:
    """`labels` and `classes` as in `dataset.json`, of the files of metadata by their paths; {} without any.

    Refused, with the file's name in front, for a file that cannot be read, and for names beside numbers.
    """
    given: dict[str, Any] = {}
    for name, data in found.items():
        folder = posixpath.dirname(name)
        for row in _rows(name, data):
            key = next((key for key in LABELS if row.get(key) not in (None, "")), None)
            if key is not None and row.get("file_name"):
                given[posixpath.normpath(posixpath.join(folder, str(row["file_name"])))] = row[key]
    numbers = {file: _number(label) for file, label in given.items()}
    if None not in numbers.values():
        return {"labels": list(numbers.items())} if numbers else {}
    if any(number is not None for number in numbers.values()):
        raise Refused(f"{next(iter(found))} has classes as numbers and as names: write all as one of them")
    classes = sorted({str(label) for label in given.values()})
    places = {name: number for number, name in enumerate(classes)}
    return {"labels": [(file, places[str(label)]) for file, label in given.items()], "classes": classes}


def _number(label: Any) -> int | None:
    if isinstance(label, str):
        return int(label) if label.isdecimal() else None
    return int(label) if isinstance(label, int) and not isinstance(label, bool) else None


def _rows(name: str, data: bytes) -> Iterator[dict[str, Any]]:
    try:
        for row in _table(data) if name.endswith(".parquet") else _text(name, data.decode("utf-8-sig")):
            if not isinstance(row, dict):
                raise ValueError("a line is no object")
            yield row
    except (ValueError, csv.Error, RecursionError) as error:
        raise Refused(f"{name} is damaged ({line(error)}): mend or remove it") from error


def _text(name: str, text: str) -> Iterable[Any]:
    if name.endswith(".csv"):
        return csv.DictReader(io.StringIO(text, newline=""))
    return (json.loads(row) for row in text.splitlines() if row.strip())


def _table(data: bytes) -> Iterable[Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise Refused(f"metadata.parquet needs pyarrow: {install('data')}") from error
    try:
        file = parquet.ParquetFile(io.BytesIO(data))
        columns = [column for column in ("file_name", *LABELS) if column in file.schema_arrow.names]
        return file.read(columns).to_pylist()
    except pyarrow.ArrowException as error:
        raise ValueError(line(error)) from error

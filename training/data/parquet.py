"""Parquet tables with a column of image files, as the Hugging Face Hub keeps data sets.

A row of such a table cannot be read without hundreds of others, so its images are copied once into one file
in $GAN_CACHE/tables, which takes their size on the disk, and are read from there in any order.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gan.errors import UserError, install
from gan.files import PREFIX, atomic_folder, cache_folder, read_json, write_json
from training.data import listing
from training.data.faults import DataError, Refused, line
from training.data.listing import IMAGE, KIND, Listing, listed
from training.data.metadata import LABELS

IMAGES = ("image", "img", "jpg", "png", "pixels")  # columns, the first that is there
ENDING = ".parquet"
_OFFSET, _SIZE, _LABEL = range(3, 6)  # columns of the listing's table
_NONE = -1  # the label of a row without one
_ROWS = 256  # that are in memory at once


class ParquetFiles:
    """The images in the rows of parquet files, in the order of the files' names, named by their numbers.

    index: labels and classes, as in `dataset.json`.
    """

    def __init__(self, place: Path, tables: Sequence[Path]) -> None:
        self._place, self._tables = place, list(tables)
        copies = cache_folder() / "tables" / hashlib.sha256(os.fsencode(place.resolve())).hexdigest()[:32]
        self._copy = copies / self._settled()[:32]
        if not self._copy.is_dir():
            self._make()
            for old in copies.iterdir():  # of what these tables held before
                if old != self._copy and not old.name.startswith(PREFIX):
                    shutil.rmtree(old, ignore_errors=True)
        rows = np.load(self._copy / "rows.npy", "r", allow_pickle=False)
        names = [f"{number:09d}" for number in range(len(rows))]
        self.listing: Listing = listed(names, rows)
        self.listing.table[:, KIND] = IMAGE
        self.index: dict[str, Any] = {}
        if (rows[:, 2] != _NONE).any():
            labelled = zip(names, rows[:, 2].tolist(), strict=True)
            self.index["labels"] = [(name, label) for name, label in labelled if label != _NONE]
            self.index |= read_json(self._copy / "classes.json", dict)

    def read(self, number: int) -> bytes:
        return self.head(number, int(self.listing.table[number, _SIZE]))

    def head(self, number: int, size: int) -> bytes:
        """The first `size` bytes of an image, or all where it is shorter."""
        offset, whole = self.listing.table[number, [_OFFSET, _SIZE]].tolist()
        try:
            with (self._copy / "images").open("rb", buffering=0) as file:
                file.seek(offset)
                return file.read(min(size, whole))
        except OSError as error:
            raise Refused(f"cannot be read ({error.strerror}): remove {self._copy} to mend it") from error

    def fingerprint(self, number: int) -> str:
        content, label = self.read(number), self.listing.table[number, _LABEL]
        return f"{len(content)} {label} {hashlib.sha256(content).hexdigest()}"

    def state(self, numbers: Sequence[int]) -> str:
        """That of the copy."""
        return self._copy.name

    def close(self) -> None:
        """Nothing is held open."""

    def _settled(self) -> str:
        """Digest of the tables' places, sizes and times, once these are sure to tell of changes."""
        while None in (states := [listing.state_of(table) for table in self._tables]):
            time.sleep(0.1)
        return hashlib.sha256("".join(states).encode()).hexdigest()

    def _make(self) -> None:
        labels, rows, offset = [], [], 0
        with atomic_folder(self._copy) as temporary, (temporary / "images").open("wb") as file:
            for table in self._tables:
                for number, (data, label) in enumerate(_rows(table)):
                    if not data:
                        raise DataError(f"{table}: row {number} has no image: leave it out")
                    file.write(data)
                    rows.append((offset, len(data)))
                    labels.append(label)
                    offset += len(data)
            numbers, classes = _numbered(labels, self._place)
            write_json(temporary / "classes.json", {"classes": classes or _class_names(self._tables[0])})
            table = np.array(rows, np.int64).reshape(-1, 2)
            np.save(temporary / "rows.npy", np.column_stack([table, numbers]).astype(np.int64))


def _numbered(labels: list[Any], place: Path) -> tuple[list[int], list[str]]:
    """Class numbers, and names where the labels are names."""
    if all(label is None or isinstance(label, int) for label in labels):
        return [_NONE if label is None else int(label) for label in labels], []
    if not all(label is None or isinstance(label, str) for label in labels):
        raise DataError(f"{place}: labels are of several kinds: make all numbers, or all names")
    classes = sorted({label for label in labels if label is not None})
    numbers = {name: number for number, name in enumerate(classes)}
    return [numbers.get(label, _NONE) for label in labels], classes


def _rows(path: Path) -> Iterator[tuple[bytes | None, Any]]:
    """Bytes of the image and label of each row. DataError for what holds no images."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise UserError(f"{path} needs pyarrow: {install('data')}") from error
    try:
        with parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            image = next((name for name in IMAGES if name in names), None)
            if image is None:
                raise DataError(f"{path} has the columns {', '.join(names)}: call that of the images image")
            label = next((name for name in LABELS if name in names), None)
            for batch in file.iter_batches(_ROWS, columns=[image, *([label] if label else [])]):
                values = batch.column(image).to_pylist()
                labels = batch.column(label).to_pylist() if label else [None] * len(values)
                yield from zip(map(_bytes, values), labels, strict=True)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(
            f"{path} is not a readable parquet file ({line(error)}): copy or make it again"
        ) from error


def _bytes(value: Any) -> bytes | None:
    """Of an image as `datasets` stores it, {"bytes": ..., "path": ...}, or as plain bytes."""
    value = value.get("bytes") if isinstance(value, dict) else value
    return value if isinstance(value, bytes) else None


def _class_names(path: Path) -> list[str]:
    """Names of the classes as `datasets` writes them into the schema; [] where it has none."""
    from pyarrow import parquet

    text = (parquet.read_schema(path).metadata or {}).get(b"huggingface", b"{}")
    features = json.loads(text).get("info", {}).get("features", {})
    return next((features[name]["names"] for name in LABELS if "names" in features.get(name, {})), [])

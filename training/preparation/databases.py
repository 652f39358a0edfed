"""Sources that packages of the extra `data` read: LMDB, and Parquet as `datasets` and others write it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gan.errors import UserError, install
from training.data.faults import line
from training.preparation.notes import row_of
from training.preparation.sources import Member, seen_from_outside

_IMAGES = ("image", "img", "jpg", "png", "webp", "pixels")  # names of columns of images


def is_lmdb(place: Path) -> bool:
    """Whether a folder holds an LMDB, or a file is called one."""
    return (place / "data.mdb").is_file() if place.is_dir() else place.suffix.lower() in (".lmdb", ".mdb")


class LmdbSource:
    """The values of an LMDB, named by their keys. UserError without the package lmdb."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._opened: Any = None

    def _environment(self) -> Any:
        if self._opened is None:
            try:
                import lmdb
            except ImportError as error:
                raise UserError(
                    f"{self.place} is an LMDB, which needs the package lmdb: {install('data')}"
                ) from error
            try:
                folder = self.place.is_dir()
                self._opened = lmdb.open(
                    str(self.place), subdir=folder, readonly=True, lock=False, max_spare_txns=1
                )
            except lmdb.Error as error:
                raise UserError(
                    f"{self.place} cannot be read ({line(error)}): copy or make it again"
                ) from error
        return self._opened

    def members(self, *, hidden: bool) -> Iterator[Member]:
        """As `Source` has it."""
        data = self.place / "data.mdb" if self.place.is_dir() else self.place
        stamp = f"{data.stat().st_size} {data.stat().st_mtime_ns}"
        with self._environment().begin(buffers=True) as transaction:
            for key, value in transaction.cursor():
                faults, closed = seen_from_outside(bytes(key).decode("utf-8", "replace"), hidden=hidden)
                yield Member(path=bytes(key), size=len(value), stamp=stamp, faults=faults, closed=closed)

    def read(self, path: bytes, place: tuple[int, ...]) -> bytes:
        """As `Source` has it."""
        with self._environment().begin() as transaction:
            value = transaction.get(path)
        if value is None:
            raise ValueError("it is not in the LMDB any more")
        return value

    def notes(self) -> dict[bytes, dict[str, Any]]:
        """Nothing."""
        return {}


class ParquetSource:
    """The rows of a Parquet file with a column of images: bytes, or bytes and path as `datasets` has them.

    Other columns are notes; numbers of classes become the names that `datasets` keeps with them. UserError
    without the package pyarrow, and without such a column.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self._opened: Any = None
        self._group: tuple[int, Any] = (-1, None)  # the last row group that was read

    def _file(self) -> Any:
        if self._opened is None:
            try:
                import pyarrow
                from pyarrow import parquet
            except ImportError as error:
                raise UserError(f"{self.place} is Parquet, which needs pyarrow: {install('data')}") from error
            try:
                self._opened = parquet.ParquetFile(self.place)
            except (pyarrow.ArrowException, OSError) as error:
                raise UserError(
                    f"{self.place} cannot be read ({line(error)}): copy or make it again"
                ) from error
        return self._opened

    def _column(self) -> tuple[str, bool]:
        """(name of the column of images, whether it holds path and bytes)."""
        import pyarrow

        schema = self._file().schema_arrow
        for name in sorted(schema.names, key=lambda name: (name not in _IMAGES, schema.names.index(name))):
            kind = schema.field(name).type
            if pyarrow.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
                return name, True
            if pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind):
                return name, False
        raise UserError(
            f"{self.place} has no column of images, only {', '.join(schema.names)}: give another file"
        )

    def members(self, *, hidden: bool) -> Iterator[Member]:
        """As `Source` has it: named by their number, and by their file where it is known."""
        file, stat = self._file(), self.place.stat()
        column, nested = self._column()
        number = 0
        for group in range(file.num_row_groups):
            names = [None] * file.metadata.row_group(group).num_rows
            if nested and file.schema_arrow.field(column).type.get_field_index("path") >= 0:
                table = file.read_row_group(group, columns=[f"{column}.path"])
                names = [row and row.get("path") for row in table.column(0).to_pylist()]
            for row, name in enumerate(names):
                last = (name or "").replace("\\", "/").rpartition("/")[2]
                yield Member(
                    path=f"{number:08d}{'-' if last else ''}{last}".encode("utf-8", "surrogateescape"),
                    stamp=f"{stat.st_size} {stat.st_mtime_ns}",
                    place=(group, row),
                )
                number += 1

    def read(self, path: bytes, place: tuple[int, ...]) -> bytes:
        """As `Source` has it; the row group is kept for the next one."""
        column, nested = self._column()
        group, row = place
        if self._group[0] != group:
            self._group = group, self._file().read_row_group(group, columns=[column]).column(0)
        value = self._group[1][row].as_py()
        data = value.get("bytes") if nested and value else value
        if not isinstance(data, bytes):
            raise ValueError("the row has no image")
        return data

    def notes(self) -> dict[bytes, dict[str, Any]]:
        """The other columns, by member."""
        file, (column, _) = self._file(), self._column()
        others = [name for name in file.schema_arrow.names if name != column]
        classes = self._classes()
        found = {}
        members = self.members(hidden=False)
        for group in range(file.num_row_groups if others else 0):
            for row in file.read_row_group(group, columns=others).to_pylist():
                named = {
                    name: classes[name][value]
                    if name in classes and value in range(len(classes[name]))
                    else value
                    for name, value in row.items()
                }
                found[next(members).path] = row_of({k: v for k, v in named.items() if _is_plain(v)})[1]
        return found

    def _classes(self) -> dict[str, list[str]]:
        """Names of classes by column, as `datasets` writes them into the schema."""
        kept = (self._file().schema_arrow.metadata or {}).get(b"huggingface", b"{}")
        try:
            features = json.loads(kept)["info"]["features"]
            return {name: said["names"] for name, said in features.items() if "names" in said}
        except (ValueError, KeyError, TypeError):
            return {}


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float | bool) or value is None

"""The working folder of a data set in the making: what is known of each file, to go on after a kill.

    prepare.json     sources, options and the stage that was reached
    files.jsonl      one object a file, by path: what it is, its verdict and why
    faults.jsonl     one object a fault
    summary.json     counts
    decisions.jsonl  what a person decided, the last word on each file counting
    state.sqlite     listing and scan, file by file, as they are found
    converted.sqlite images of the set, until it is written

Files of text appear whole. Databases are of the standard library's SQLite: what a transaction held is there
after a kill, and nothing else.
"""

import contextlib
import json
import os
import sqlite3
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from gan.errors import UserError
from gan.files import atomic_write
from training.data.faults import escaped
from training.preparation.sources import Member, Source

_TABLES = """
CREATE TABLE IF NOT EXISTS files (
    number INTEGER PRIMARY KEY, source INTEGER, path BLOB, folded TEXT, size INTEGER, stamp TEXT,
    place TEXT, faults TEXT, closed INTEGER, listed INTEGER, record TEXT, thumbnail BLOB,
    UNIQUE (source, path));
CREATE INDEX IF NOT EXISTS by_folded ON files (folded);
CREATE TABLE IF NOT EXISTS settings (key TEXT PRIMARY KEY, value TEXT);
"""
_LIST = """
INSERT INTO files (source, path, folded, size, stamp, place, faults, closed, listed)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (source, path) DO UPDATE SET
    record = CASE WHEN stamp = excluded.stamp AND faults = excluded.faults THEN record END,
    size = excluded.size, stamp = excluded.stamp, place = excluded.place, faults = excluded.faults,
    closed = excluded.closed, listed = excluded.listed
"""


class Catalogue:
    """Listing and scan of the files. Used by one process at a time, which holds it until `close`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._state = _database(folder / "state.sqlite", _TABLES)

    def close(self) -> None:
        """Give the databases free."""
        self._state.close()

    def begin(self, key: str) -> None:
        """Forget the scan if it was made in another way. key: what it depends on."""
        found = self._state.execute("SELECT value FROM settings WHERE key = 'scan'").fetchone()
        with self._state:
            if found != (key,):
                self._state.execute("UPDATE files SET record = NULL, thumbnail = NULL")
                self._state.execute("INSERT OR REPLACE INTO settings VALUES ('scan', ?)", (key,))

    def enlist(self, members: Iterable[tuple[int, Member]]) -> int:
        """Take down what lies in the sources now, (source, member); the number of files.

        What was known of a file stays as long as its stamp does; what is gone is forgotten.
        """
        turn = 1 + (self._state.execute("SELECT max(listed) FROM files").fetchone()[0] or 0)
        with self._state:
            self._state.executemany(_LIST, (_row(source, member, turn) for source, member in members))
            self._state.execute("DELETE FROM files WHERE listed != ?", (turn,))
        return self._state.execute("SELECT count(*) FROM files").fetchone()[0]

    def read(self, source: int, path: bytes, opened: Source) -> bytes:
        """Bytes of a file of an open source."""
        query = "SELECT place FROM files WHERE source = ? AND path = ?"
        (place,) = self._state.execute(query, (source, path)).fetchone()
        return opened.read(path, tuple(json.loads(place)))

    def unscanned(self) -> list[int]:
        """Numbers of the files without a record, in the order in which they lie."""
        rows = self._state.execute("SELECT number FROM files WHERE record IS NULL ORDER BY source, number")
        return [number for (number,) in rows]

    def member(self, number: int) -> tuple[int, Member]:
        """(source, member) of a file."""
        columns = "source, path, size, stamp, place, faults, closed"
        row = self._state.execute(f"SELECT {columns} FROM files WHERE number = ?", (number,)).fetchone()
        source, path, size, stamp, place, faults, closed = row
        found = tuple((kind, detail) for kind, detail in json.loads(faults))
        return source, Member(
            path=bytes(path),
            size=size,
            stamp=stamp,
            place=tuple(json.loads(place)),
            faults=found,
            closed=bool(closed),
        )

    def keep(self, found: Iterable[tuple[int, dict[str, Any], bytes | None]]) -> None:
        """Take down records of the scan, (number, record, thumbnail), in one transaction."""
        rows = [(json.dumps(record, ensure_ascii=False), thumb, number) for number, record, thumb in found]
        with self._state:
            self._state.executemany("UPDATE files SET record = ?, thumbnail = ? WHERE number = ?", rows)

    def paths(self) -> Iterator[tuple[int, bytes]]:
        """(source, path) of all files that may be read, by path, then by source."""
        query = "SELECT source, path FROM files WHERE NOT closed ORDER BY path, source"
        for source, path in self._state.execute(query):
            yield source, bytes(path)

    def records(self) -> Iterator[tuple[int, int, bytes, dict[str, Any]]]:
        """(number, source, path, record) of all files that are scanned, by path, then by source."""
        columns = "number, source, path, record"
        query = f"SELECT {columns} FROM files WHERE record IS NOT NULL ORDER BY path, source"
        for number, source, path, record in self._state.execute(query):
            yield number, source, bytes(path), json.loads(record)

    def thumbnails(self) -> Iterator[tuple[int, bytes]]:
        """(number, thumbnail) in the order of `records`, of files that have one."""
        query = "SELECT number, thumbnail FROM files WHERE thumbnail IS NOT NULL ORDER BY path, source"
        for number, thumbnail in self._state.execute(query):
            yield number, bytes(thumbnail)

    def thumbnail(self, number: int) -> bytes | None:
        """The thumbnail of a file."""
        query = "SELECT thumbnail FROM files WHERE number = ?"
        (found,) = self._state.execute(query, (number,)).fetchone()
        return None if found is None else bytes(found)

    def namesakes(self) -> Iterator[tuple[int, bytes]]:
        """(number, another path) of files of one source that differ in case or Unicode form alone."""
        query = """
            SELECT a.number, min(b.path) FROM files a JOIN files b
            ON a.folded = b.folded AND a.source = b.source AND a.path != b.path
            WHERE NOT a.closed AND NOT b.closed GROUP BY a.number ORDER BY a.path, a.source"""
        for number, other in self._state.execute(query):
            yield number, bytes(other)


class Converted:
    """Images of the set by a key of what they were made from, until the set is written."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "converted.sqlite"
        table = "CREATE TABLE IF NOT EXISTS images (key TEXT PRIMARY KEY, data BLOB)"
        self._state = _database(self._path, table)

    def has(self, key: str) -> bool:
        """Whether there is an image of that key."""
        return self._state.execute("SELECT 1 FROM images WHERE key = ?", (key,)).fetchone() is not None

    def get(self, key: str) -> bytes:
        """The image file of a key that is there."""
        return bytes(self._state.execute("SELECT data FROM images WHERE key = ?", (key,)).fetchone()[0])

    def put(self, images: Iterable[tuple[str, bytes]]) -> None:
        """Add images, (key, file), in one transaction."""
        with self._state:
            self._state.executemany("INSERT OR REPLACE INTO images VALUES (?, ?)", images)

    def close(self) -> None:
        """Give the database free."""
        self._state.close()

    def remove(self) -> None:
        """Delete the images: the set is written."""
        self.close()
        for path in self._path.parent.glob(f"{self._path.name}*"):
            path.unlink(missing_ok=True)


def display(path: bytes) -> str:
    """A path as records and messages have it, whatever bytes it holds."""
    return escaped(os.fsdecode(path))


def write_lines(path: Path, objects: Iterable[dict[str, Any]]) -> None:
    """A file of JSON lines that appears whole."""
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for found in objects:
            file.write(json.dumps(found, ensure_ascii=False) + "\n")


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file of JSON lines, one by one; none where there is no file. Skips half a line."""
    if not path.is_file():
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            with contextlib.suppress(ValueError):
                if isinstance(found := json.loads(line), dict):
                    yield found


def _row(source: int, member: Member, turn: int) -> tuple[Any, ...]:
    text = member.path.decode("utf-8", "surrogateescape")
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    folded = folded.encode("utf-8", "backslashreplace").decode()  # SQLite takes no surrogates
    faults = json.dumps(member.faults, ensure_ascii=True)
    place = json.dumps(member.place)
    known = (source, member.path, folded, member.size, member.stamp, place, faults)
    return (*known, int(member.closed), turn)


def _database(path: Path, tables: str) -> sqlite3.Connection:
    """A connection that excludes other processes. UserError where one is at work, or the file is broken."""
    try:
        connection = sqlite3.connect(path, timeout=1)
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(tables)
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise UserError(f"another gan data prepare works in {path.parent}: wait for its end") from error
        raise UserError(f"cannot write {path}: {error}; choose another --work") from error
    except sqlite3.DatabaseError as error:
        raise UserError(f"{path} is damaged ({error}): remove it, and everything is scanned again") from error
    return connection

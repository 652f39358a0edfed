"""The SQLite file of a server: keys and their use; batches add tables of their own.

Several processes may have it open. Writers that wait share a transaction, and readers wait for no writer.
"""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from gan.errors import UserError
from gan.files import refusal
from gan.jobs.serving.combining import Combined
from gan.jobs.serving.keys import Key, Stored

T = TypeVar("T")
FILE = "keys.sqlite"  # in the folder of the server's state
_PATIENCE = 10.0, 1.0  # seconds that a writer, and a reader, wait for another process
_TABLES = """
CREATE TABLE IF NOT EXISTS keys (
    number TEXT PRIMARY KEY, name TEXT UNIQUE NOT NULL, salt BLOB NOT NULL, hash BLOB NOT NULL,
    created REAL NOT NULL, expires REAL, revoked REAL, per_minute INTEGER NOT NULL, per_day INTEGER NOT NULL,
    attested REAL, terms TEXT, attested_by TEXT, role TEXT NOT NULL DEFAULT 'user');
CREATE TABLE IF NOT EXISTS usage (
    number TEXT PRIMARY KEY, free_at REAL NOT NULL DEFAULT 0, day INTEGER NOT NULL DEFAULT 0,
    images INTEGER NOT NULL DEFAULT 0, calm_at REAL NOT NULL DEFAULT 0);
"""
# Columns that later versions added, for files of earlier ones.
_ADDED = (("keys", "role", "TEXT NOT NULL DEFAULT 'user'"), ("usage", "calm_at", "REAL NOT NULL DEFAULT 0"))
_FIELDS = ", ".join(Key.__dataclass_fields__)


class Database:
    """The SQLite file of keys and of their use; several processes may have it open.

    Raises UserError where it cannot be opened, or is none.
    """

    def __init__(self, folder: str | Path) -> None:
        self.path = Path(folder) / FILE
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            self._connection, self._reader = (
                sqlite3.connect(self.path, timeout=seconds, isolation_level=None, check_same_thread=False)
                for seconds in _PATIENCE
            )
            self._connection.executescript(f"PRAGMA journal_mode=WAL; {_TABLES}")
            _migrate(self._connection)
        except OSError as error:
            raise UserError(refusal("write", self.path, error)) from error
        except sqlite3.Error as error:
            raise UserError(f"{self.path} is no file of keys ({error}): restore or remove it") from error
        self._lock, self._reading = threading.Lock(), threading.Lock()
        self._together: Combined[Callable[[sqlite3.Connection], Any], Any] = Combined(self._do)

    def read(self, query: str, given: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The rows of a SELECT, of what was committed last; it waits for no writer, thread or process.

        Raises UserError where the file cannot be read at once.
        """
        try:
            with self._reading:
                return self._reader.execute(query, given).fetchall()
        except sqlite3.Error as error:
            raise UserError(f"cannot read {self.path} ({error}): try again") from error

    def together(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` returns, in one transaction with that of other threads that wait: one flush for all.

        What it has done is undone where it raises. Raises UserError where the file cannot be written.
        """
        found: T = self._together(work)
        return found

    def _do(self, works: Sequence[Callable[[sqlite3.Connection], Any]]) -> list[Any]:
        found: list[Any] = []
        with self.transaction() as connection:
            for work in works:
                connection.execute("SAVEPOINT one")
                try:
                    found.append(work(connection))
                except sqlite3.Error:
                    raise
                except Exception as error:
                    connection.execute("ROLLBACK TO one")
                    found.append(error)
                connection.execute("RELEASE one")
        return found

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """The connection, alone among threads and processes; what was done is undone on an error.

        Raises UserError where the file cannot be written.
        """
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield self._connection
                    self._connection.execute("COMMIT")
                except BaseException:
                    if self._connection.in_transaction:  # a disk that is full ends some by itself
                        self._connection.execute("ROLLBACK")
                    raise
            except sqlite3.OperationalError as error:
                raise UserError(f"cannot write {self.path} ({error}): make room, or try again") from error

    def add(self, stored: Stored) -> bool:
        """Keep a key; False, and nothing kept, where its name is taken."""
        with self.transaction() as connection:
            if connection.execute("SELECT 1 FROM keys WHERE name = ?", (stored.key.name,)).fetchone():
                return False
            values = [getattr(stored.key, field) for field in Key.__dataclass_fields__]
            connection.execute(
                f"INSERT INTO keys ({_FIELDS}, salt, hash) VALUES ({'?,' * len(values)}?,?)",
                (*values, stored.salt, stored.hash),
            )
            connection.execute("INSERT INTO usage (number) VALUES (?)", (stored.key.number,))
        return True

    def stored(self) -> list[Stored]:
        """All keys, oldest first."""
        with self.transaction() as connection:
            rows = connection.execute(f"SELECT {_FIELDS}, salt, hash FROM keys ORDER BY created").fetchall()
        return list(map(_stored, rows))

    def find(self, number: str) -> Stored | None:
        """The key of a number."""
        rows = self.read(f"SELECT {_FIELDS}, salt, hash FROM keys WHERE number = ?", (number,))
        return _stored(rows[0]) if rows else None

    def glance(self, number: str) -> Stored | None:
        """As `find`, and None where the file cannot be read at once."""
        try:
            return self.find(number)
        except UserError:
            return None

    def revoke(self, number: str, when: float) -> None:
        """Note that a key is revoked; one that is already stays so since then."""
        with self.transaction() as connection:
            connection.execute(
                "UPDATE keys SET revoked = coalesce(revoked, ?) WHERE number = ?", (when, number)
            )

    def forget(self, number: str) -> None:
        """Let go of a key that is kept elsewhere from now on."""
        with self.transaction() as connection:
            for table in ("keys", "usage"):
                connection.execute(f"DELETE FROM {table} WHERE number = ?", (number,))

    def close(self) -> None:
        """Nothing may be asked afterwards."""
        self._reader.close()
        self._connection.close()


def _stored(row: Sequence[Any]) -> Stored:
    return Stored(Key(**dict(zip(Key.__dataclass_fields__, row[:-2], strict=True))), row[-2], row[-1])


def _migrate(connection: sqlite3.Connection) -> None:
    """Add what a file of an earlier version lacks; other processes may do the same at once."""
    connection.execute("BEGIN IMMEDIATE")
    for table, column, declared in _ADDED:
        present = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
        if column not in present:
            connection.execute(f"ALTER TABLE {table} ADD COLUMN {column} {declared}")
    connection.execute("COMMIT")

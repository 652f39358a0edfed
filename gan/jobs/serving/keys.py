"""API keys: made, listed, revoked, and checked in constant time.

A key reads `gan_<number>_<secret>`: 12 hex digits by which it is found, then 43 characters (32 random bytes).
Only a salted scrypt hash of the secret is stored (RFC 7914; N = 2^14, r = 8, p = 1: 16 MiB and some 50 ms),
so that a stolen file opens nothing. The whole key is shown once, when it is made.

A wrong number costs as long as a wrong secret. What was verified is remembered for a minute under a keyed
hash that lives in this process alone, while revocation and expiry are read anew for every request.
"""

import contextlib
import hashlib
import hmac
import os
import re
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from gan.errors import UsageError, UserError, unknown
from gan.files import refusal
from gan.jobs.serving.combining import Combined

T = TypeVar("T")

FILE = "keys.sqlite"  # in the folder of the server's state
_KEY = re.compile(r"gan_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_REMEMBERED = 60.0  # seconds
_MOST_REMEMBERED = 1024
_DAY = 86_400
_PATIENCE = 10.0, 1.0  # seconds that a writer, and a reader, wait for another process
USUAL = "user"  # the role of a key where none is named, and of those made before there were roles
# What the holder of a key may do. A role that is not listed may do nothing.
ROLES: dict[str, frozenset[str]] = {
    USUAL: frozenset({"images", "models", "verify"}),
    "verifier": frozenset({"models", "verify"}),
    "operator": frozenset({"models", "verify", "metrics", "batches of others"}),
}
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


class Denied(UserError):
    """No key, or one that is wrong, revoked or expired: what a client hears is the same."""


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key as it is stored, without its secret. Times are seconds since 1970.

    per_minute: requests.  per_day: images, of a day by UTC.
    attested: when `attested_by` said that the holder is of age and agrees to the `terms`; None: nobody did.
    role: of ROLES.
    """

    number: str
    name: str
    created: float
    expires: float | None
    revoked: float | None
    per_minute: int
    per_day: int
    attested: float | None
    terms: str | None
    attested_by: str | None
    role: str = USUAL

    def may(self, what: str) -> bool:
        """Whether its role allows it; `what` is listed in ROLES."""
        return what in ROLES.get(self.role, frozenset())

    def state(self, now: float) -> str:
        """'valid', 'revoked' or 'expired'."""
        if self.revoked is not None:
            return "revoked"
        return "valid" if self.expires is None or now < self.expires else "expired"


_FIELDS = ", ".join(Key.__dataclass_fields__)
_COLUMNS = _FIELDS.replace("name,", "name, salt, hash,", 1)


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

    def close(self) -> None:
        """Nothing may be asked afterwards."""
        self._reader.close()
        self._connection.close()


class Keys:
    """The keys in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pepper = secrets.token_bytes(32)  # of what is remembered
        self._verified: dict[bytes, tuple[str, float]] = {}
        self._nobody = secrets.token_bytes(16), secrets.token_bytes(32)  # stands in for an unknown number

    def create(
        self,
        name: str,
        *,
        per_minute: int = 60,
        per_day: int = 1000,
        days: float | None = None,
        terms: str | None = None,
        attested_by: str | None = None,
        role: str = USUAL,
    ) -> str:
        """Store a new key -> the key itself, which cannot be had again.

        days: until it expires.  terms, attested_by: an attestation of age and terms, of now; None for none.
        Raises UsageError for a name that is taken or malformed, and for an unknown role.
        """
        if role not in ROLES:
            raise UsageError(unknown("role", role, ROLES))
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!r} is no name of a key: use letters, digits and any of ._@-, up to 64")
        number, secret, salt = secrets.token_hex(6), secrets.token_urlsafe(32), secrets.token_bytes(16)
        now = time.time()
        expires = None if days is None else now + days * _DAY
        attested = None if terms is None else now
        row = (number, name, salt, _hash(secret, salt), now, expires, None, per_minute, per_day)
        with self._database.transaction() as connection:
            if connection.execute("SELECT 1 FROM keys WHERE name = ?", (name,)).fetchone():
                raise UsageError(f"there is a key {name} already: choose another name")
            connection.execute(
                f"INSERT INTO keys ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
                (*row, attested, terms, attested_by, role),
            )
            connection.execute("INSERT INTO usage (number) VALUES (?)", (number,))
        return f"gan_{number}_{secret}"

    def all(self) -> list[Key]:
        """Every key, oldest first, those revoked and expired among them."""
        with self._database.transaction() as connection:
            rows = connection.execute(f"SELECT {_FIELDS} FROM keys ORDER BY created").fetchall()
        return [Key(**dict(zip(Key.__dataclass_fields__, row, strict=True))) for row in rows]

    def revoke(self, name: str) -> Key:
        """Let a key, by name or number, open nothing from now on. UsageError where there is none."""
        with self._database.transaction() as connection:
            changed = connection.execute(
                "UPDATE keys SET revoked = coalesce(revoked, ?) WHERE name = ? OR number = ?",
                (time.time(), name, name),
            )
            if not changed.rowcount:
                raise UsageError(f"there is no key {name}: gan serve keys list")
        return next(key for key in self.all() if name in (key.name, key.number))

    def verify(self, given: str) -> Key:
        """The stored key that `given` is. Raises Denied for all others; takes some 50 ms at first."""
        match = _KEY.fullmatch(given)
        number, secret = match.groups() if match else ("", "")
        found = self._stored(number)
        salt, expected = found[1:] if found else self._nobody
        seen = self._keyed(given)
        if not self._remembers(seen, number):
            right = hmac.compare_digest(_hash(secret, salt), expected)
            if not right or found is None:
                raise Denied("the API key is missing, wrong, revoked or expired")
            self._remember(seen, number)
        if found is None or found[0].state(time.time()) != "valid":
            raise Denied("the API key is missing, wrong, revoked or expired")
        return found[0]

    def recall(self, given: str) -> Key | None:
        """The key, where it was verified within a minute and is valid now; None where `verify` must say.

        It reads one row and waits for nobody.
        """
        match = _KEY.fullmatch(given)
        if match is None or not self._remembers(self._keyed(given), match[1]):
            return None
        try:
            found = self._stored(match[1])
        except UserError:
            return None
        return found[0] if found is not None and found[0].state(time.time()) == "valid" else None

    def _keyed(self, given: str) -> bytes:
        """Under which a key is remembered."""
        return hashlib.blake2b(given.encode("utf-8", "replace"), key=self._pepper).digest()

    def _remembers(self, seen: bytes, number: str) -> bool:
        known = self._verified.get(seen)
        return known is not None and known[0] == number and known[1] >= time.monotonic()

    def _stored(self, number: str) -> tuple[Key, bytes, bytes] | None:
        """Key, salt and hash of a number."""
        rows = self._database.read(f"SELECT {_FIELDS}, salt, hash FROM keys WHERE number = ?", (number,))
        if not rows:
            return None
        (row,) = rows
        return Key(**dict(zip(Key.__dataclass_fields__, row[:-2], strict=True))), row[-2], row[-1]

    def _remember(self, seen: bytes, number: str) -> None:
        if len(self._verified) >= _MOST_REMEMBERED:
            self._verified.clear()
        self._verified[seen] = number, time.monotonic() + _REMEMBERED


def _migrate(connection: sqlite3.Connection) -> None:
    """Add what a file of an earlier version lacks; other processes may do the same at once."""
    connection.execute("BEGIN IMMEDIATE")
    for table, column, declared in _ADDED:
        present = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
        if column not in present:
            connection.execute(f"ALTER TABLE {table} ADD COLUMN {column} {declared}")
    connection.execute("COMMIT")


def _hash(secret: str, salt: bytes) -> bytes:
    return hashlib.scrypt(secret.encode(), salt=salt, n=2**14, r=8, p=1, maxmem=2**26, dklen=32)

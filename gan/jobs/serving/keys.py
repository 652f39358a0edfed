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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from gan.errors import UsageError, UserError, unknown
from gan.files import refusal

FILE = "keys.sqlite"  # in the folder of the server's state
_KEY = re.compile(r"gan_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_REMEMBERED = 60.0  # seconds
_MOST_REMEMBERED = 1024
_DAY = 86_400
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


class Stored(NamedTuple):
    """A key, and the salted hash of its secret."""

    key: Key
    salt: bytes
    hash: bytes


class KeyStore(Protocol):
    """Where keys are kept. Raises UserError where it does not answer: then nobody is let in."""

    def add(self, stored: Stored) -> bool:
        """Keep a key; False, and nothing kept, where its name is taken."""

    def stored(self) -> list[Stored]:
        """All keys, oldest first."""

    def find(self, number: str) -> Stored | None:
        """The key of a number."""

    def revoke(self, number: str, when: float) -> None:
        """Note that a key is revoked; one that is already stays so since then."""


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
            self._connection = sqlite3.connect(
                self.path, timeout=10, isolation_level=None, check_same_thread=False
            )
            self._connection.executescript(f"PRAGMA journal_mode=WAL; {_TABLES}")
            _migrate(self._connection)
        except OSError as error:
            raise UserError(refusal("write", self.path, error)) from error
        except sqlite3.Error as error:
            raise UserError(f"{self.path} is no file of keys ({error}): restore or remove it") from error
        self._lock = threading.Lock()

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
        with self.transaction() as connection:
            row = connection.execute(
                f"SELECT {_FIELDS}, salt, hash FROM keys WHERE number = ?", (number,)
            ).fetchone()
        return None if row is None else _stored(row)

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
        self._connection.close()


class Keys:
    """The keys in a store: the SQLite file of a state folder, or Redis."""

    def __init__(self, store: KeyStore) -> None:
        self._store = store
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
        key = Key(
            number=number,
            name=name,
            created=now,
            expires=None if days is None else now + days * _DAY,
            revoked=None,
            per_minute=per_minute,
            per_day=per_day,
            attested=None if terms is None else now,
            terms=terms,
            attested_by=attested_by,
            role=role,
        )
        if not self._store.add(Stored(key, salt, _hash(secret, salt))):
            raise UsageError(f"there is a key {name} already: choose another name")
        return f"gan_{number}_{secret}"

    def all(self) -> list[Key]:
        """Every key, oldest first, those revoked and expired among them."""
        return [each.key for each in self._store.stored()]

    def of(self, number: str) -> Key | None:
        """The key of a number."""
        found = self._store.find(number)
        return found and found.key

    def revoke(self, name: str) -> Key:
        """Let a key, by name or number, open nothing from now on. UsageError where there is none."""
        number = next((key.number for key in self.all() if name in (key.name, key.number)), None)
        if number is None:
            raise UsageError(f"there is no key {name}: gan serve keys list")
        self._store.revoke(number, time.time())
        return next(key for key in self.all() if key.number == number)

    def verify(self, given: str) -> Key:
        """The stored key that `given` is. Raises Denied for all others; takes some 50 ms at first."""
        match = _KEY.fullmatch(given)
        number, secret = match.groups() if match else ("", "")
        found = self._store.find(number)
        salt, expected = (found.salt, found.hash) if found else self._nobody
        seen = hmac.digest(self._pepper, given.encode("utf-8", "replace"), "sha256")
        known = self._verified.get(seen)
        if known is None or known[0] != number or known[1] < time.monotonic():
            right = hmac.compare_digest(_hash(secret, salt), expected)
            if not right or found is None:
                raise Denied("the API key is missing, wrong, revoked or expired")
            self._remember(seen, number)
        if found is None or found.key.state(time.time()) != "valid":
            raise Denied("the API key is missing, wrong, revoked or expired")
        return found.key

    def _remember(self, seen: bytes, number: str) -> None:
        if len(self._verified) >= _MOST_REMEMBERED:
            self._verified.clear()
        self._verified[seen] = number, time.monotonic() + _REMEMBERED


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


def _hash(secret: str, salt: bytes) -> bytes:
    return hashlib.scrypt(secret.encode(), salt=salt, n=2**14, r=8, p=1, maxmem=2**26, dklen=32)

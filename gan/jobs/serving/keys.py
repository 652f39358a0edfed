"""API keys: made, listed, revoked, and checked in constant time.

A key reads `gan_<number>_<secret>`: 12 hex digits by which it is found, then 43 characters (32 random bytes).
Only a salted scrypt hash of the secret is stored (RFC 7914; N = 2^14, r = 8, p = 1: 16 MiB and some 50 ms),
so that a stolen file opens nothing. The whole key is shown once, when it is made.

A wrong number costs as long as a wrong secret. What was verified is remembered for a minute under a keyed
hash that lives in this process alone, while revocation and expiry are read anew for every request.
"""

import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from gan.errors import UsageError, UserError, unknown

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

    def glance(self, number: str) -> Stored | None:
        """As `find`, without a wait: None also where it cannot be said at once."""

    def revoke(self, number: str, when: float) -> None:
        """Note that a key is revoked; one that is already stays so since then."""


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
        seen = self._keyed(given)
        if not self._remembers(seen, number):
            right = hmac.compare_digest(_hash(secret, salt), expected)
            if not right or found is None:
                raise Denied("the API key is missing, wrong, revoked or expired")
            self._remember(seen, number)
        if found is None or found.key.state(time.time()) != "valid":
            raise Denied("the API key is missing, wrong, revoked or expired")
        return found.key

    def recall(self, given: str) -> Key | None:
        """The key, where it was verified within a minute and is valid now; None where `verify` must say.

        It waits for nobody: a store that must be asked over a network says nothing here.
        """
        match = _KEY.fullmatch(given)
        if match is None or not self._remembers(self._keyed(given), match[1]):
            return None
        found = self._store.glance(match[1])
        return found.key if found is not None and found.key.state(time.time()) == "valid" else None

    def _keyed(self, given: str) -> bytes:
        """Under which a key is remembered."""
        return hashlib.blake2b(given.encode("utf-8", "replace"), key=self._pepper).digest()

    def _remembers(self, seen: bytes, number: str) -> bool:
        known = self._verified.get(seen)
        return known is not None and known[0] == number and known[1] >= time.monotonic()

    def _remember(self, seen: bytes, number: str) -> None:
        if len(self._verified) >= _MOST_REMEMBERED:
            self._verified.clear()
        self._verified[seen] = number, time.monotonic() + _REMEMBERED


def _hash(secret: str, salt: bytes) -> bytes:
    return hashlib.scrypt(secret.encode(), salt=salt, n=2**14, r=8, p=1, maxmem=2**26, dklen=32)

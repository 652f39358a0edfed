"""API keys in Redis, where several machines look them up: made on one, they open all, and so they end.

A key is a line of JSON in a hash, without its secret, as in the SQLite file of one machine; names and times
of revocation are hashes beside it. Nothing here expires by itself: Redis must keep what it has (a file of its
own, `maxmemory-policy noeviction`). Whoever can write to Redis can make keys.
"""

import json
from dataclasses import asdict, replace
from typing import Any

from gan.errors import UserError
from gan.jobs.serving.keys import Key, Stored
from gan.jobs.serving.shared import PREFIX, answered, place

# In braces is what decides the node of a cluster: one script works on two of them.
KEYS, NAMES, REVOKED = (f"{PREFIX}{{keys}}:{each}" for each in ("stored", "names", "revoked"))
# ARGV: name, number, JSON. -> 1, or 0 where the name is another key's. Sent again, it changes nothing.
_ADD = """
redis.call('HSETNX', KEYS[2], ARGV[1], ARGV[2])
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSETNX', KEYS[1], ARGV[2], ARGV[3])
return 1
"""


class SharedKeys:
    """As `keys.KeyStore` has it. client: of `shared.client_of`, closed by who opened it."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._add = self._client.register_script(_ADD)

    def add(self, stored: Stored) -> bool:
        """Keep a key; False, and nothing kept, where its name is taken."""
        key = stored.key
        record = {**asdict(key), "salt": stored.salt.hex(), "hash": stored.hash.hex()}
        del record["revoked"]
        given = [key.name, key.number, json.dumps(record)]
        added = answered(self._client, lambda: self._add(keys=[KEYS, NAMES], args=given))
        if added and key.revoked is not None:
            self.revoke(key.number, key.revoked)
        return bool(added)

    def stored(self) -> list[Stored]:
        """All keys, oldest first."""
        found, revoked = self._together("hgetall")
        keys = [self._read(number, text, revoked.get(number)) for number, text in found.items()]
        return sorted(keys, key=lambda each: each.key.created)

    def find(self, number: str) -> Stored | None:
        """The key of a number."""
        found, revoked = self._together("hget", number)
        return None if found is None else self._read(number, found, revoked)

    def glance(self, _: str) -> Stored | None:
        """Nothing: Redis is asked over a network, and the event loop must not wait for it."""
        return None

    def revoke(self, number: str, when: float) -> None:
        """Note that a key is revoked; one that is already stays so since then."""
        answered(self._client, lambda: self._client.hsetnx(REVOKED, number, repr(when)))

    def _together(self, command: str, *given: str) -> Any:
        """What a command says of keys and of what is revoked, at one moment."""

        def ask() -> Any:
            with self._client.pipeline(transaction=True) as both:
                for name in (KEYS, REVOKED):
                    getattr(both, command)(name, *given)
                return both.execute()

        return answered(self._client, ask)

    def _read(self, number: str, text: str, revoked: str | None) -> Stored:
        try:
            record = json.loads(text)
            salt, hashed = (bytes.fromhex(record.pop(name)) for name in ("salt", "hash"))
            key = Key(**record, revoked=None)
            if key.number == number:
                return Stored(replace(key, revoked=None if revoked is None else float(revoked)), salt, hashed)
        except (ValueError, KeyError, TypeError, AttributeError):
            pass
        where = f"Redis at {place(self._client)}"
        raise UserError(f"{where}: what it has under {KEYS} {number} is no key: remove it")

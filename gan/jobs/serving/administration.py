"""Keys as the operator sees them: made, listed with what they have used, revoked; and the certificate.

They are in the folder of the server's state, or in the Redis of a URL where one is given.
"""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from gan.errors import UsageError
from gan.jobs.marking import certificates
from gan.jobs.serving.database import Database
from gan.jobs.serving.keys import USUAL, Key, Keys
from gan.jobs.serving.quotas import LocalUsage, Usage
from gan.jobs.serving.settings import STATE
from gan.jobs.serving.shared import SharedUsage, client_of
from gan.jobs.serving.shared_keys import SharedKeys


class Books(NamedTuple):
    """Keys, and what they have used."""

    keys: Keys
    usage: Usage


def create(
    state: str | Path | None,
    name: str,
    *,
    per_minute: int,
    per_day: int,
    days: float | None,
    terms: str | None,
    attested_by: str | None,
    role: str = USUAL,
    redis: str | None = None,
) -> str:
    """The new key, as `Keys.create` makes it. state: None for the default."""
    with _opened(state, redis) as books:
        return books.keys.create(
            name,
            per_minute=per_minute,
            per_day=per_day,
            days=days,
            terms=terms,
            attested_by=attested_by,
            role=role,
        )


def overview(state: str | Path | None = None, redis: str | None = None) -> list[dict[str, Any]]:
    """Every key without its secret, with `state` (valid, revoked or expired) and `used_today` (images)."""
    with _opened(state, redis) as books:
        now = time.time()
        return [
            {**asdict(key), "state": key.state(now), "used_today": books.usage.used(key)}
            for key in books.keys.all()
        ]


def revoke(state: str | Path | None, name: str, redis: str | None = None) -> Key:
    """As `Keys.revoke` does."""
    with _opened(state, redis) as books:
        return books.keys.revoke(name)


def share(state: str | Path | None, redis: str | None) -> list[Key]:
    """Move the keys of the state folder into Redis -> those that were moved. They open as before.

    A move that was cut off is gone on with. Raises UsageError without a URL, and where Redis has another key
    of a name; that one and those after it stay where they are.
    """
    if redis is None:
        raise UsageError("keys are shared by Redis: name it as redis in the file of --config")
    database, client = Database(STATE if state is None else state), client_of(redis)
    shared, moved = SharedKeys(client), []
    with contextlib.closing(database), contextlib.closing(client):
        for stored in database.stored():
            key = stored.key
            if not shared.add(stored):
                raise UsageError(f"Redis has another key {key.name}: make a new one here, of another name")
            database.forget(key.number)
            moved.append(key)
    return moved


def make_certificate(
    state: str | Path | None, name: str, days: float
) -> tuple[certificates.Identity, Path, Path]:
    """(what `certificates.create` makes, its file, that of its key) in the folder of the server's state."""
    folder = Path(STATE if state is None else state)
    made = certificates.create(folder, name, days)
    return made, folder / certificates.CHAIN, folder / certificates.PRIVATE


@contextlib.contextmanager
def _opened(state: str | Path | None, redis: str | None) -> Iterator[Books]:
    if redis is not None:
        with contextlib.closing(SharedUsage(redis)) as usage:
            yield Books(Keys(SharedKeys(usage.client)), usage)
        return
    with contextlib.closing(Database(STATE if state is None else state)) as database:
        yield Books(Keys(database), LocalUsage(database))

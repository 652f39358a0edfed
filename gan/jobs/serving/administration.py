"""Keys as the operator sees them: made, listed with what they have used, revoked."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gan.jobs.serving.keys import USUAL, Database, Key, Keys
from gan.jobs.serving.quotas import LocalUsage
from gan.jobs.serving.settings import STATE


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
) -> str:
    """The new key, as `Keys.create` makes it, in the folder of the server's state (None: the default)."""
    with _opened(state) as database:
        return Keys(database).create(
            name,
            per_minute=per_minute,
            per_day=per_day,
            days=days,
            terms=terms,
            attested_by=attested_by,
            role=role,
        )


def overview(state: str | Path | None = None) -> list[dict[str, Any]]:
    """Every key without its secret, with `state` (valid, revoked or expired) and `used_today` (images)."""
    with _opened(state) as database:
        usage, now = LocalUsage(database), time.time()
        return [
            {**asdict(key), "state": key.state(now), "used_today": usage.used(key)}
            for key in Keys(database).all()
        ]


def revoke(state: str | Path | None, name: str) -> Key:
    """As `Keys.revoke` does."""
    with _opened(state) as database:
        return Keys(database).revoke(name)


@contextlib.contextmanager
def _opened(state: str | Path | None) -> Iterator[Database]:
    database = Database(STATE if state is None else state)
    try:
        yield database
    finally:
        database.close()

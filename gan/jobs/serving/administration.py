"""Keys as the operator sees them: made, listed with what they have used, revoked; and the certificate."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gan.jobs.marking import certificates
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


def make_certificate(
    state: str | Path | None, name: str, days: float
) -> tuple[certificates.Identity, Path, Path]:
    """(what `certificates.create` makes, its file, that of its key) in the folder of the server's state."""
    folder = Path(STATE if state is None else state)
    made = certificates.create(folder, name, days)
    return made, folder / certificates.CHAIN, folder / certificates.PRIVATE


@contextlib.contextmanager
def _opened(state: str | Path | None) -> Iterator[Database]:
    database = Database(STATE if state is None else state)
    try:
        yield database
    finally:
        database.close()

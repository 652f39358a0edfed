"""How much a key may ask for: requests a minute and images a day, kept in SQLite beside the keys.

The rate is a leaky bucket in the form of the generic cell rate algorithm (ITU-T I.371, annex A, virtual
scheduling): one time a key, at which it would be idle again. A minute's requests may come at once, the next
ones as fast as the rate has it. What is kept survives a restart and holds for all processes with one file.
A clock that is set back neither locks a key out for longer than a minute nor gives it a second day.
"""

import math
import sqlite3
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

from gan.errors import UserError
from gan.jobs.serving.database import Database
from gan.jobs.serving.keys import Key

_MINUTE, _DAY = 60.0, 86_400
_ROUNDING = 1e-6  # seconds


class TooMany(UserError):
    """The key has used up what it may ask for. retry_after: whole seconds until it may ask again."""

    def __init__(self, text: str, retry_after: float) -> None:
        self.retry_after = max(1, math.ceil(retry_after))
        super().__init__(f"{text}: ask again in {self.retry_after} s")


class Usage(Protocol):
    """What each key has used. Raises UserError where that cannot be known: then nothing is let through."""

    def charge(self, key: Key, images: int) -> None:
        """Count one request of that many images. Raises TooMany, and then counts nothing."""

    def refund(self, key: Key, images: int) -> None:
        """Give back images that the server did not make; the request stays counted."""

    def used(self, key: Key) -> int:
        """Images counted today."""

    def near_miss(self, key: Key, most: int, seconds: float) -> None:
        """Count one request that came near what is blocked, in a bucket that leaks `most` in `seconds`."""

    def check_near_misses(self, key: Key, most: int, seconds: float) -> None:
        """Raises TooMany for a key with more near misses than `most` in `seconds`."""

    def check(self) -> None:
        """Raises UserError where nothing can be counted."""

    def close(self) -> None:
        """Nothing may be asked afterwards."""


class LocalUsage:
    """In SQLite, beside the keys. clock: seconds since 1970."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database, self._clock = database, clock

    def charge(self, key: Key, images: int) -> None:
        """Count one request of that many images. Raises TooMany, and then counts nothing."""
        now = self._clock()
        refused = self._database.together(partial(self._charged, key, images, now))
        if refused is not None:
            raise refused

    def _charged(self, key: Key, images: int, now: float, connection: sqlite3.Connection) -> TooMany | None:
        """Why it is refused; None where it was counted."""
        today = int(now // _DAY)
        free_at, day, used = connection.execute(
            "SELECT free_at, day, images FROM usage WHERE number = ?", (key.number,)
        ).fetchone()
        used = used if day >= today else 0  # a later day: the clock was set back
        free_at = min(max(free_at, now), now + _MINUTE)
        after = free_at + _MINUTE / key.per_minute
        refused = refusal(key, after - now, used, images, now)
        kept = (after, used + images) if refused is None else (free_at, used)
        connection.execute(  # also where it is refused: no key waits for a clock that was set back
            "UPDATE usage SET free_at = ?, images = ?, day = ? WHERE number = ?", (*kept, today, key.number)
        )
        return refused

    def refund(self, key: Key, images: int) -> None:
        """Give back images that the server did not make; the request stays counted."""
        today = int(self._clock() // _DAY)
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE usage SET images = max(images - ?, 0) WHERE number = ? AND day >= ?",
                (images, key.number, today),
            )

    def near_miss(self, key: Key, most: int, seconds: float) -> None:
        """Count one request that came near what is blocked, in a bucket that leaks `most` in `seconds`."""
        now = self._clock()
        with self._database.transaction() as connection:
            (calm_at,) = self._calm_at(connection, key)
            calm_at = min(max(calm_at, now), now + seconds) + seconds / most
            connection.execute("UPDATE usage SET calm_at = ? WHERE number = ?", (calm_at, key.number))

    def check_near_misses(self, key: Key, most: int, seconds: float) -> None:
        """Raises TooMany for a key with more near misses than `most` in `seconds`."""
        now = self._clock()
        with self._database.transaction() as connection:
            (calm_at,) = self._calm_at(connection, key)
            if calm_at > (latest := now + seconds + seconds / most):  # the clock was set back
                connection.execute("UPDATE usage SET calm_at = ? WHERE number = ?", (latest, key.number))
        refuse_near_misses(min(calm_at, latest) - now, seconds)

    def check(self) -> None:
        """Raises UserError where nothing can be counted."""
        with self._database.transaction() as connection:
            connection.execute("SELECT 1 FROM usage LIMIT 1")

    def close(self) -> None:
        """The database is closed by who opened it."""

    def used(self, key: Key) -> int:
        """Images counted today."""
        today = int(self._clock() // _DAY)
        with self._database.transaction() as connection:
            day, images = connection.execute(
                "SELECT day, images FROM usage WHERE number = ?", (key.number,)
            ).fetchone()
        return images if day >= today else 0

    def _calm_at(self, connection: sqlite3.Connection, key: Key) -> tuple[float]:
        return connection.execute("SELECT calm_at FROM usage WHERE number = ?", (key.number,)).fetchone()


def refusal(key: Key, ahead: float, used: int, images: int, now: float) -> TooMany | None:
    """Why a request for images is refused; None where it is not.

    ahead: seconds by which its bucket of the rate would be ahead of the clock.  used: images of the day.
    """
    if ahead > _MINUTE + _ROUNDING:
        return TooMany(f"this key may ask {key.per_minute} times a minute", ahead - _MINUTE)
    if used + images > key.per_day:
        left = f"{key.per_day - used} of {key.per_day} images are left of the day (UTC)"
        return TooMany(f"this asks for {images} images, and {left}", (now // _DAY + 1) * _DAY - now)
    return None


def refuse_near_misses(ahead: float, seconds: float) -> None:
    """Raises TooMany where the bucket of near misses is more than full."""
    if ahead > seconds + _ROUNDING:
        raise TooMany("this key came near what is blocked too often", ahead - seconds)

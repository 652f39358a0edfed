"""How much a key may ask for: requests a minute and images a day, kept in SQLite beside the keys.

The rate is a leaky bucket in the form of the generic cell rate algorithm (ITU-T I.371, annex A, virtual
scheduling): one time a key, at which it would be idle again. A minute's requests may come at once, the next
ones as fast as the rate has it. What is kept survives a restart and holds for all processes with one file.
"""

import math
import time
from collections.abc import Callable

from gan.errors import UserError
from gan.jobs.serving.keys import Database, Key

_MINUTE, _DAY = 60.0, 86_400


class TooMany(UserError):
    """The key has used up what it may ask for. retry_after: whole seconds until it may ask again."""

    def __init__(self, text: str, retry_after: float) -> None:
        self.retry_after = max(1, math.ceil(retry_after))
        super().__init__(f"{text}: ask again in {self.retry_after} s")


class Usage:
    """clock: seconds since 1970."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database, self._clock = database, clock

    def charge(self, key: Key, images: int) -> None:
        """Count one request of that many images. Raises TooMany, and then counts nothing."""
        now = self._clock()
        today = int(now // _DAY)
        with self._database.transaction() as connection:
            free_at, day, used = connection.execute(
                "SELECT free_at, day, images FROM usage WHERE number = ?", (key.number,)
            ).fetchone()
            used = used if day == today else 0
            free_at = min(max(free_at, now), now + _MINUTE) + _MINUTE / key.per_minute
            if free_at - now > _MINUTE + 1e-6:
                raise TooMany(f"this key may ask {key.per_minute} times a minute", free_at - now - _MINUTE)
            if used + images > key.per_day:
                left = f"{key.per_day - used} of {key.per_day} images are left of the day (UTC)"
                raise TooMany(f"this asks for {images} images, and {left}", (today + 1) * _DAY - now)
            connection.execute(
                "UPDATE usage SET free_at = ?, day = ?, images = ? WHERE number = ?",
                (free_at, today, used + images, key.number),
            )

    def refund(self, key: Key, images: int) -> None:
        """Give back images that the server did not make; the request stays counted."""
        today = int(self._clock() // _DAY)
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE usage SET images = max(images - ?, 0) WHERE number = ? AND day = ?",
                (images, key.number, today),
            )

    def used(self, key: Key) -> int:
        """Images counted today."""
        today = int(self._clock() // _DAY)
        with self._database.transaction() as connection:
            day, images = connection.execute(
                "SELECT day, images FROM usage WHERE number = ?", (key.number,)
            ).fetchone()
        return images if day == today else 0

"""Where the time of a server goes: seconds by the part of the work, of all threads together."""

import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Iterator


class Times:
    """Adds up. Methods may be called from any thread."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._adding = threading.Lock()

    @contextlib.contextmanager
    def of(self, part: str) -> Iterator[None]:
        """Count the time of the block, also of one that fails."""
        began = time.perf_counter()
        try:
            yield
        finally:
            with self._adding:
                self._seconds[part] += time.perf_counter() - began

    def seconds(self) -> dict[str, float]:
        """Until now, by part."""
        with self._adding:
            return dict(self._seconds)

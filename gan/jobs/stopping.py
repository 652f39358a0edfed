"""When a run is told to stop: by a signal or by the clock."""

import contextlib
import os
import signal
import sys
import threading
import time
from typing import Any

from gan import distributed

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1]  # the last: of clusters


class Stop:
    """Why to stop after the current step: a signal, or time. A second signal stops at once.

    Not under torchrun, which passes on a Ctrl-C that its processes had already; it kills them after 30 s.
    """

    def __init__(self, max_minutes: float | None) -> None:
        self._deadline = None if max_minutes is None else time.monotonic() + max_minutes * 60
        self._reason: str | None = None
        self.signalled = False  # whether somebody asked for it
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "Stop":
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def reason(self) -> str | None:
        """None while training should go on."""
        if self._reason is None and self._deadline is not None and time.monotonic() > self._deadline:
            self._reason = "time is up"
        return self._reason

    def left(self) -> float | None:
        """Seconds until the time is up, None without a limit."""
        return None if self._deadline is None else max(self._deadline - time.monotonic(), 0.0)

    def _note(self, number: int, _: object) -> None:
        alone = distributed.world() == 1
        if self._reason is not None and alone:
            raise KeyboardInterrupt
        name, self.signalled = signal.Signals(number).name, True
        self._reason = f"stopped by {name}"
        if distributed.rank() == 0:
            more = "; once more ends it at once, unsaved" if alone else ""
            told = f"\n{name}: stopping after this step, then saving{more}\n"
            with contextlib.suppress(OSError, ValueError):  # as a signal may: past every buffer
                os.write(sys.stderr.fileno(), told.encode())

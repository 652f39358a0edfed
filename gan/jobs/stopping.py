"""When a run is told to stop: by a signal or by the clock."""

import signal
import threading
import time

from gan import distributed


class Stop:
    """Why to stop after the current step: Ctrl-C, SIGTERM or time. A second signal stops at once.

    Not under torchrun, which passes on a Ctrl-C that its processes had already; it kills them after 30 s.
    """

    def __init__(self, max_minutes: float | None) -> None:
        self._deadline = None if max_minutes is None else time.monotonic() + max_minutes * 60
        self._reason: str | None = None
        self._previous: dict[int, object] = {}

    def __enter__(self) -> "Stop":
        if threading.current_thread() is threading.main_thread():
            self._previous = {s: signal.signal(s, self._note) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def reason(self) -> str | None:
        """None while training should go on."""
        if self._reason is None and self._deadline is not None and time.monotonic() > self._deadline:
            self._reason = "time is up"
        return self._reason

    def _note(self, number: int, _: object) -> None:
        if self._reason is not None and distributed.world() == 1:
            raise KeyboardInterrupt
        self._reason = f"stopped by {signal.Signals(number).name}"

"""Connections that say nothing, or say it too slowly, are ended: each takes a place that others may need.

uvicorn ends a connection that is idle after an answer, and waits without end for the first request, or for
the rest of a head that has begun. Here the head of each request must have come within a time. Bodies have
theirs in `edge`.
"""

import asyncio
import functools
from collections.abc import Callable
from typing import Any


def patient(seconds: float) -> Callable[..., asyncio.Protocol]:
    """What makes uvicorn's protocol of HTTP/1.1 that waits so long for the head of a request; it pickles."""
    return functools.partial(_connection, seconds)


def _connection(
    seconds: float, config: Any, server_state: Any, app_state: Any, _loop: Any = None
) -> asyncio.Protocol:
    """One connection, as uvicorn asks for it."""
    found = _protocol()(config, server_state, app_state, _loop)
    found.seconds = seconds
    return found


@functools.cache
def _protocol() -> Any:
    """The class of connections, made when its package is there."""
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Patient(H11Protocol):
        """One connection.  seconds: for which it waits."""

        seconds = 0.0
        _late: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            """The first head is waited for."""
            super().connection_made(transport)
            self._wait()

        def data_received(self, data: bytes) -> None:
            """A whole head ends the wait; a part of the next one begins another, which more parts do not."""
            super().data_received(data)
            if self._is_answering():
                self._calm()
            elif self._late is None:
                self._wait()

        def connection_lost(self, exc: Exception | None) -> None:
            """Nothing is waited for."""
            self._calm()
            super().connection_lost(exc)

        def _is_answering(self) -> bool:
            return self.cycle is not None and not self.cycle.response_complete

        def _wait(self) -> None:
            self._late = self.loop.call_later(self.seconds, self._end)

        def _calm(self) -> None:
            if self._late is not None:
                self._late.cancel()
                self._late = None

        def _end(self) -> None:
            self._late = None
            if not self._is_answering():
                self.transport.close()

    return Patient

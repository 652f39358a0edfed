"""Connections are bounded, and those that say nothing, or say it too slowly, are ended: each takes a place.

uvicorn ends a connection that is idle after an answer, and waits without end for the first request, or for
the rest of a head that has begun. Here the head of each request must have come within a time, and has a
largest size. Bodies have theirs in `edge`. Where there are more connections than there may be, the one that
has been idle longest makes room; where none is idle, the new one is told 503.

A request that comes before the answer to the one before it (pipelining, which no browser does) ends the
connection after that answer; whoever sent it sends it again (RFC 9112, 9.3.2).
"""

import asyncio
import functools
import time
from collections.abc import Callable
from typing import Any

TOLD = 64  # connections beyond the bound that are told so; others are ended without a word
MOST_HEAD = 16_384  # bytes of a request's first line and headers
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 19\r\n"
    b"retry-after: 1\r\nconnection: close\r\n\r\nService Unavailable"
)
_READING = 1.0  # seconds that the client of a refused connection has to read why
_IDLE = 1.0  # seconds after which a connection may have to make room
_Protocol: Any = object  # what comes after `_Patience` in the order of methods is uvicorn's


class Crowd:
    """The connections of one process. most: at once.  seconds: for which each head is waited for.

    idle: those without a request, with the time since when, the longest first.  told: those that have no
    place, and read why.
    """

    def __init__(self, seconds: float, most: int) -> None:
        self.seconds, self.most = seconds, most
        self.idle: dict[Any, float] = {}
        self.told: set[Any] = set()

    def made_room(self) -> bool:
        """Whether a connection was ended for another one."""
        connection, since = next(iter(self.idle.items()), (None, 0.0))
        if connection is None or since + _IDLE > time.monotonic():
            return False
        del self.idle[connection]
        connection.transport.close()
        return True


def patient(seconds: float, most: int) -> Callable[..., asyncio.Protocol]:
    """What makes uvicorn's protocol of HTTP/1.1 with these bounds, as `Crowd` has them; it pickles."""
    return functools.partial(_connection, Crowd(seconds, most))


def _connection(
    crowd: Crowd, config: Any, server_state: Any, app_state: Any, _loop: Any = None
) -> asyncio.Protocol:
    """One connection, as uvicorn asks for it."""
    found = _protocol()(config, server_state, app_state, _loop)
    found.crowd = crowd
    return found


@functools.cache
def _protocol() -> Any:
    """The class of connections, made when its packages are there."""
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    return type("Patient", (_Patience, HttpToolsProtocol), {})


class _Patience(_Protocol):
    """One connection of a `crowd`, before uvicorn's class.

    unread: bytes since a whole head, or a part of a body.
    """

    crowd: Crowd
    unread = 0
    _deaf = False  # whether what still comes is not looked at
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """The first head is waited for, where there is room."""
        super().connection_made(transport)
        placed = len(self.connections) - len(self.crowd.told)
        if placed <= self.crowd.most or self.crowd.made_room():
            self._wait()
        else:
            self._refuse()

    def data_received(self, data: bytes) -> None:
        """A whole head ends the wait; a part of the next one begins another, which more parts do not."""
        if self._deaf:
            return
        self.unread += len(data)
        super().data_received(data)
        if self._is_answering():
            self._calm()
        elif self._late is None:
            self._wait()
        if self.unread > MOST_HEAD and not self.transport.is_closing():
            self.send_400_response("The head of the request is too large.")

    def on_message_begin(self) -> None:
        """Another request, which waits for the answer to the one before."""
        if self._is_answering():
            raise ValueError("a request before the answer to another one")
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A whole head."""
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MOST_HEAD:
            raise ValueError("a head that is too large")
        self.unread = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of a body."""
        self.unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A whole request."""
        self.unread = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The next request is waited for, as long as uvicorn does."""
        super().on_response_complete()
        if not self.transport.is_closing():
            self.crowd.idle[self] = time.monotonic()

    def send_400_response(self, msg: str) -> None:
        """For what is no HTTP; where another request is being answered, that answer is the last one."""
        self._deaf = True
        if self._is_answering():
            self.cycle.keep_alive = False
        elif not self.transport.is_closing():
            super().send_400_response(msg)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for."""
        self._calm()
        self.crowd.told.discard(self)
        super().connection_lost(exc)

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait(self) -> None:
        self.crowd.idle.setdefault(self, time.monotonic())
        self._late = self.loop.call_later(self.crowd.seconds, self._end)

    def _calm(self) -> None:
        self.crowd.idle.pop(self, None)
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _refuse(self) -> None:
        """Say so, and end; closed at once, the connection could take the words with it."""
        self._deaf = True
        if len(self.crowd.told) == TOLD:
            self.transport.abort()
            return
        self.crowd.told.add(self)
        self.transport.write(_FULL)
        if self.transport.can_write_eof():  # TLS has none
            self.transport.write_eof()
        self._late = self.loop.call_later(_READING, self.transport.abort)

    def _end(self) -> None:
        self._late = None
        if not self._is_answering():
            self.transport.close()

"""The outermost layer of the API: a number for every request, bounded bodies, headers that forbid, counts.

No header that allows other origins is ever sent, so that scripts of other sites read nothing (CORS closed).
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Literal

from gan.jobs.serving.settings import ServeConfig
from gan.web.serve.problems import Answer, of_status
from gan.web.shell.guard import HEADERS

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Count = Callable[[str, int, float], object]  # route, status, seconds
STREAMED = ("/v1/verify",)  # whose bodies are larger: the route reads them, when it knows the key


class Edge:
    """`app` behind the rules above. count: hears of every request that was answered."""

    def __init__(self, app: Any, settings: ServeConfig, count: Count) -> None:
        self.app, self._settings, self._count = app, settings, count
        self._headers = {**HEADERS, "content-security-policy": "default-src 'none'; frame-ancestors 'none'"}
        if settings.tls_certificate is not None:
            self._headers["strict-transport-security"] = "max-age=31536000"

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One connection, as ASGI has it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()  # websocket.connect; a close before accept is answered 403
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        number, began, status = secrets.token_hex(8), time.monotonic(), 0
        scope["state"] = {**scope.get("state", {}), "request": number}

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = list(message.get("headers", []))
                names = {name.lower() for name, _ in own}
                more = {**self._headers, "x-request-id": number}
                own += [(k.encode(), v.encode()) for k, v in more.items() if k.encode() not in names]
                message = {**message, "headers": own}
            await send(message)

        try:
            if scope["path"] in STREAMED:
                await self.app(scope, receive, sent)
                return
            body = await self._whole(receive)
            if isinstance(body, bytes):
                await self.app(scope, _replayed(body, receive), sent)
            elif body is not None:
                await respond(sent, of_status(*body, number, {"connection": "close"}))
        finally:
            if status:
                route = getattr(scope.get("route"), "path", "other")
                self._count(route, status, time.monotonic() - began)

    async def _whole(self, receive: Receive) -> bytes | tuple[int, str] | None:
        """The body; status and reason where there is none to be had; None where the client left."""
        most, seconds = self._settings.max_body_bytes, self._settings.body_seconds
        task, is_late = asyncio.current_task(), False

        def late() -> None:
            nonlocal is_late
            is_late = True
            task.cancel()  # type: ignore[union-attr]

        timer = asyncio.get_running_loop().call_later(seconds, late)  # a tenth of wait_for's time
        try:
            body = await whole_body(receive, most)
        except asyncio.CancelledError:
            if not is_late:
                raise
            heard(task)
            return 408, f"the request did not come whole within {seconds:g} s"
        finally:
            timer.cancel()
        return (413, f"a request has at most {most:,} bytes") if body is False else body


async def respond(send: Send, answer: Answer) -> None:
    """Send a whole answer."""
    headers = {**answer.headers, "content-length": str(len(answer.body))}
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": pairs})
    await send({"type": "http.response.body", "body": answer.body})


async def whole_body(receive: Receive, most: int) -> bytes | Literal[False] | None:
    """The body; False for one that is larger, None where the client left."""
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            return False
        if not message.get("more_body"):
            return b"".join(parts)


def heard(task: Any) -> None:
    """A task was cancelled by its own watch and goes on: Python 3.11 and later are to forget that."""
    if hasattr(task, "uncancel"):
        task.uncancel()


def _replayed(body: bytes, receive: Receive) -> Receive:
    """The body once, then what comes after it: the end of the connection."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again

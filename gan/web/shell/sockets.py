"""One socket a tab: the server tells, all open tabs hear."""

import asyncio
import contextlib
from typing import Any

QUEUED = 256  # messages that a tab may lag behind before it is let go; it comes back and reads anew


class Hub:
    """The open tabs of a page. Its methods belong to the thread of the event loop.

    hub = Hub()
    routes = [WebSocketRoute("/socket", hub.attend)]
    hub.publish({"changed": 3})
    """

    def __init__(self) -> None:
        self._waiting: set[asyncio.Queue[dict[str, Any] | None]] = set()

    def __len__(self) -> int:
        """How many tabs are open."""
        return len(self._waiting)

    def publish(self, message: dict[str, Any]) -> None:
        """Send an object, as JSON, to every tab; a tab that does not keep up is let go instead."""
        for queue in list(self._waiting):
            if queue.full():
                self._waiting.discard(queue)
                queue.get_nowait()  # room for the end
                queue.put_nowait(None)
            else:
                queue.put_nowait(message)

    async def attend(self, websocket: Any) -> None:
        """Serve one tab (a `starlette.websockets.WebSocket`) until it goes, or the server ends."""
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(QUEUED)
        await websocket.accept()
        self._waiting.add(queue)
        sender = asyncio.create_task(_send(websocket, queue))
        try:
            while (await websocket.receive())["type"] != "websocket.disconnect":
                pass  # a tab has nothing to say here: what it wants it asks for by requests
        finally:
            self._waiting.discard(queue)
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):  # the socket broke while it sent
                await sender


async def _send(websocket: Any, queue: asyncio.Queue[dict[str, Any] | None]) -> None:
    while (message := await queue.get()) is not None:
        await websocket.send_json(message)
    await websocket.close(1013)

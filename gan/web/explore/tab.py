"""One open tab: its socket, the pictures it asks for, the one job it may have, and its end.

The tab sends JSON objects with a key "do":

    draw    serial, point, moving      pictures of a point by all models; the newest request wins
    start   job, and what that takes   progress, then a result; one job at a time
    stop                               the job ends at its next step

It hears frames of bytes: the length of a header (4 bytes, the highest first), the header as JSON, and the
bytes that it announces. Its `kind` is hello, picture, progress, result, end, refused or error.
"""

import asyncio
import contextlib
import json
import secrets
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from torch import Tensor

from gan.errors import UsageError, UserError
from gan.web.explore import state
from gan.web.explore.model import Model
from gan.web.explore.saving import encoded

MOST_UPLOADS = 4
MOST_TUNED = 4  # models in memory beside those of the command
DEFECT = "this failed: the command's terminal says why"

T = TypeVar("T")

Frame = tuple[dict[str, Any], bytes]  # header, what follows it
Say = Callable[[float, str, Tensor | None, Mapping[str, Any]], None]
"""Progress: the share that is done, words, a picture, and what else its header says. Raises Stopped."""
Job = Callable[["Tab", Mapping[str, Any], Say], Frame]


class Latest(Generic[T]):
    """A place for one request at most, so that a slider never queues work: a newer one takes its place.

    Its methods belong to the thread of the event loop.
    """

    def __init__(self) -> None:
        self._waiting: T | None = None
        self._there = asyncio.Event()

    def put(self, request: T) -> None:
        """Let this request wait, in place of one that waited."""
        self._waiting = request
        self._there.set()

    def drop(self) -> None:
        """Let nothing wait."""
        self._waiting = None
        self._there.clear()

    async def get(self) -> T:
        """The request that waits, as soon as there is one."""
        await self._there.wait()
        self._there.clear()
        request, self._waiting = self._waiting, None
        assert request is not None
        return request


class Stopped(Exception):
    """The tab has stopped its job, or is gone."""


@dataclass(frozen=True)
class Workshop:
    """What tabs share: the models, the jobs by name, and threads: one that draws, one for jobs.

    folder: where models that are tuned are written.  tuned: those that are open, by their names.
    """

    models: Sequence[Model]
    jobs: Mapping[str, Job]
    drawing: Executor
    working: Executor
    folder: Path = Path("tuned")
    tuned: dict[str, Model] = field(default_factory=dict)

    def keep(self, model: Model) -> str:
        """Keep a tuned model open; returns its name. Of many the oldest is let go."""
        name = model.digest[:12]
        self.tuned[name] = model
        while len(self.tuned) > MOST_TUNED:
            del self.tuned[next(iter(self.tuned))]
        return name

    def seen(self, name: str) -> Sequence[Model]:
        """The models of a page: those of the command, the first replaced by a tuned one of that name.

        UsageError where it is open no more.
        """
        if not name:
            return self.models
        if name not in self.tuned:
            raise UsageError(
                "this tuned model is not open here: gan explore FOLDER opens it where it was written"
            )
        return [self.tuned[name], *self.models[1:]]


class Tab:
    """number: its secret name.  models: those that it shows.

    uploads: its pictures by their names, uint8 [C, H, W], the newest last.
    """

    def __init__(self, shop: Workshop, models: Sequence[Model]) -> None:
        self.shop, self.models, self.number = shop, models, secrets.token_urlsafe(12)
        self.uploads: dict[str, Tensor] = {}
        self._wanted: Latest[dict[str, Any]] = Latest()
        self._news: Latest[Frame] = Latest()
        self._stop = threading.Event()
        self._job: asyncio.Task[None] | None = None

    async def attend(self, websocket: Any) -> None:
        """Serve the tab (a `starlette.websockets.WebSocket`) until it goes; then nothing of it goes on."""
        await websocket.accept()
        self._socket = websocket
        await self._send({"kind": "hello", "tab": self.number}, b"")
        tasks = [asyncio.create_task(self._draw()), asyncio.create_task(self._tell())]
        try:
            while (message := await websocket.receive())["type"] != "websocket.disconnect":
                await self._heard(message.get("text") or "")
        finally:
            self._stop.set()
            tasks += [self._job] if self._job else []
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def add(self, picture: Tensor) -> str:
        """Keep an upload; returns its name. Of many the oldest is let go."""
        name = secrets.token_urlsafe(6)
        self.uploads[name] = picture
        while len(self.uploads) > MOST_UPLOADS:
            del self.uploads[next(iter(self.uploads))]
        return name

    async def _heard(self, text: str) -> None:
        asked: dict[str, Any] = {}
        try:
            asked = _object(text)
            if asked["do"] == "draw":
                self._wanted.put(asked)
            elif asked["do"] == "start":
                self._start(asked)
            elif asked["do"] == "stop":
                self._stop.set()
            else:
                raise UsageError("a tab can draw, start or stop")
        except UserError as error:
            about = {"kind": "refused" if asked.get("do") == "start" else "error", "job": asked.get("job")}
            await self._send({**about, "error": str(error)}, b"")

    async def _draw(self) -> None:
        """Pictures one after the other, of the newest request each."""
        loop = asyncio.get_running_loop()
        while True:
            asked = await self._wanted.get()
            serial, moving = asked.get("serial"), asked.get("moving") is True
            try:
                point = state.point(asked.get("point"))
                for side, model in enumerate(self.models):
                    own = model.fitted(point) if side else point
                    header, data = await loop.run_in_executor(self.shop.drawing, drawn, model, own, moving)
                    header |= {"kind": "picture", "serial": serial, "side": side, "moving": moving}
                    await self._send(header, data)
            except UserError as error:
                await self._send({"kind": "error", "serial": serial, "error": str(error)}, b"")
            except Exception:
                traceback.print_exc()
                await self._send({"kind": "error", "serial": serial, "error": DEFECT}, b"")

    def _start(self, asked: dict[str, Any]) -> None:
        if str(asked.get("job")) not in self.shop.jobs:
            raise UsageError("there is no such job")
        if self._job is not None and not self._job.done():
            raise UsageError("one job is at work: stop it first, or wait for its end")
        self._stop = threading.Event()
        self._job = asyncio.create_task(self._work(asked, self._stop))

    async def _work(self, asked: dict[str, Any], stop: threading.Event) -> None:
        loop, name = asyncio.get_running_loop(), str(asked["job"])

        def say(share: float, words: str, picture: Tensor | None, more: Mapping[str, Any]) -> None:
            if stop.is_set():
                raise Stopped
            about, data = {"kind": "progress", "job": name, "share": share, "words": words, **more}, b""
            if picture is not None:
                about["type"], data = encoded(picture, moving=True)
            loop.call_soon_threadsafe(self._news.put, (about, data))

        def run() -> Frame:
            say(0, "waiting", None, {})
            return self.shop.jobs[name](self, asked, say)

        try:
            header, data = await loop.run_in_executor(self.shop.working, run)
            header = {"kind": "result", **header}
        except Stopped:
            header, data = {"kind": "end"}, b""
        except UserError as error:
            header, data = {"kind": "end", "error": str(error)}, b""
        except Exception:
            traceback.print_exc()
            header, data = {"kind": "end", "error": DEFECT}, b""
        self._news.drop()  # nothing of the way comes after its end
        await self._send({**header, "job": name}, data)

    async def _tell(self) -> None:
        """Progress, of which the newest alone is told."""
        while True:
            await self._send(*await self._news.get())

    async def _send(self, header: dict[str, Any], data: bytes) -> None:
        from starlette.websockets import WebSocketDisconnect

        head = json.dumps(header).encode()
        with contextlib.suppress(
            RuntimeError, WebSocketDisconnect
        ):  # it has just gone; `attend` is told, too
            await self._socket.send_bytes(len(head).to_bytes(4, "big") + head + data)


def drawn(model: Model, point: state.Point, moving: bool) -> Frame:
    """A picture of a point, and where it lies on the map of w."""
    renderer, header = model.renderer, {}
    if renderer.styled:
        ws = renderer.ws(point)
        image = renderer.synthesised(ws, point, moving)
        header["place"] = renderer.coordinates(ws.mean(dim=1))[0].tolist()
    else:
        image = renderer.image(point, moving)
    header["type"], data = encoded(image, moving)
    return header, data


def _object(text: str) -> dict[str, Any]:
    """A JSON object with a key "do". UsageError for anything else."""
    try:
        asked = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError("a tab sends JSON objects") from error
    if not isinstance(asked, dict) or not isinstance(asked.get("do"), str):
        raise UsageError('a tab sends JSON objects with a key "do"')
    return asked

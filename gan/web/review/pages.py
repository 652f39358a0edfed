"""Routes of the review page: requests -> `gan.jobs.review.Review` -> JSON and pictures."""

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from gan import processors
from gan.errors import UsageError
from gan.jobs import work_folder
from gan.jobs.decisions import Superseded
from gan.jobs.review import Filters, Review
from gan.web.shell import Hub, application, serve, token_for
from gan.web.shell.application import page
from gan.web.shell.guard import Guard

FOLDER = Path(__file__).parent
MAX_BODY = 2**14  # bytes of a decision
NAMES = tuple(f.name for f in fields(Filters))


def review(
    place: str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    token: str | None = None,
    say: Callable[[str], object] = print,
) -> int:
    """Serve the review page of a work folder, or of the output beside it, until Ctrl-C -> files decided.

    `say` gets the address. Raises UsageError for a host beyond this machine without a token of the user's
    own, UserError where there is no work folder, or the extra `web` is missing.
    """
    token = token_for(host, token)
    found = Review(work_folder.opened(place))
    try:
        serve(app(found, token, names=(host,)), host, port, say)
        return len(found.decided())
    finally:
        found.work.close()


def app(review: Review, token: str, names: tuple[str, ...] = ()) -> Guard:
    """The page of `review` behind its token."""
    title = f"Review of {review.work.name}"
    routes = partial(_routes, _Handlers(review, title))
    return application(title, routes, FOLDER / "static", token, names=names, max_body=MAX_BODY)


def _routes(handlers: "_Handlers") -> list[Any]:
    from starlette.routing import Route, WebSocketRoute

    return [
        Route("/", handlers.front),
        Route("/api/facts", handlers.facts),
        Route("/api/files", handlers.files),
        Route("/api/items", handlers.items),
        Route("/api/decisions", handlers.decide, methods=["POST"]),
        Route("/picture/{number:int}/{size}", handlers.picture),
        WebSocketRoute("/socket", handlers.hub.attend),
    ]


class _Handlers:
    """One function a route. What reads files runs in threads, so that the page answers meanwhile."""

    def __init__(self, review: Review, title: str) -> None:
        self.review, self.title, self.hub = review, title, Hub()
        self._decoders = ThreadPoolExecutor(min(4, processors.count()), "pictures")
        self._order = asyncio.Lock()  # tabs hear of decisions in the order of the log

    async def front(self, _: Any) -> Any:
        return page(FOLDER / "templates", "review.html", {"title": self.title, "maker": "gan data review"})

    async def facts(self, _: Any) -> Any:
        from starlette.responses import JSONResponse

        for item in await asyncio.to_thread(self.review.refresh):
            self.hub.publish({"item": item})
        return JSONResponse(await asyncio.to_thread(self.review.facts))

    async def files(self, request: Any) -> Any:
        from starlette.responses import JSONResponse

        filters = Filters(**{name: request.query_params.get(name, "") or _default(name) for name in NAMES})
        numbers, total = await asyncio.to_thread(self.review.select, filters)
        return JSONResponse({"numbers": numbers, "total": total})

    async def items(self, request: Any) -> Any:
        from starlette.responses import JSONResponse

        text = request.query_params.get("numbers", "")
        numbers = [_whole(part) for part in text.split(",") if part]
        return JSONResponse(self.review.items(numbers))

    async def decide(self, request: Any) -> Any:
        from starlette.responses import JSONResponse

        number, kind, label, of = _decision(await request.body())
        try:
            async with self._order:
                item = await asyncio.to_thread(self.review.decide, number, kind, label, of)
                self.hub.publish({"item": item})
        except Superseded as error:
            (item,) = self.review.items([number])
            return JSONResponse({"error": str(error), "item": item}, status_code=409)
        return JSONResponse({"item": item})

    async def picture(self, request: Any) -> Any:
        from starlette.responses import Response

        number, size = request.path_params["number"], request.path_params["size"]
        loop = asyncio.get_running_loop()
        kind, data = await loop.run_in_executor(self._decoders, self.review.picture, number, size)
        return Response(data, media_type=kind, headers={"cache-control": "private, max-age=3600"})


def _default(name: str) -> str:
    return "path" if name == "order" else ""


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise UsageError(f"{text!r} is no number of a file")
    return int(text)


def _decision(body: bytes) -> tuple[int, str, str | None, int | None]:
    """(number, kind, label, of) of a request. UsageError where it is malformed."""
    try:
        given = json.loads(body)
        number, kind, label, of = (given.get(key) for key in ("number", "decision", "label", "of"))
    except (ValueError, AttributeError, RecursionError) as error:
        raise UsageError("a decision is a JSON object") from error
    if type(number) is not int or not isinstance(kind, str):
        raise UsageError("a decision has a number and a decision")
    if not isinstance(label, str | None) or not (of is None or type(of) is int):
        raise UsageError("a label is text, and `of` a number")
    return number, kind, label, of

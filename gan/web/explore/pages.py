"""Routes of the page of `gan explore`: requests -> the renderer and jobs -> JSON, pictures, files."""

import asyncio
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import torch

from gan import config
from gan.errors import UsageError
from gan.jobs import uploads
from gan.web.explore import model as models
from gan.web.explore import saving, state
from gan.web.explore.model import Model
from gan.web.explore.saving import encoded
from gan.web.explore.tab import Tab, Workshop
from gan.web.explore.work import JOBS
from gan.web.shell import application, serve, token_for
from gan.web.shell.application import page
from gan.web.shell.guard import Guard

FOLDER = Path(__file__).parent
TITLE, MAKER = "Explore", "gan explore"
MOST_MESSAGE = 4 * 2**20  # bytes: keyframes may hold styles of every layer


def explore(
    places: Sequence[str | Path],
    *,
    data: str | Path | None = None,
    directions: str | Path | None = None,
    device: str = "auto",
    host: str = "127.0.0.1",
    port: int = 0,
    token: str | None = None,
    threads: int | None = None,
    tuned: str | Path = "tuned",
    say: Callable[[str], object] = print,
) -> None:
    """Serve the page of one model, or of two side by side, until Ctrl-C; `say` gets the address.

    places: run or checkpoint directories. data: training images of the first, None for those that it was
    trained on. directions: a file of them, for the first. threads: of PyTorch, None for its own choice.
    tuned: a folder for models that are tuned to uploads.
    Raises UsageError for a host beyond this machine without a token of the user's own, UserError where there
    is no model, or the extra `web` is missing.
    """
    token = token_for(host, token)
    if threads:
        torch.set_num_threads(threads)
    opened = [
        models.opened(place, device, *((data, directions) if side == 0 else ()))
        for side, place in enumerate(places)
    ]
    with ThreadPoolExecutor(1, "drawing") as drawing, ThreadPoolExecutor(1, "jobs") as working:
        shop = Workshop(opened, JOBS, drawing, working, Path(tuned))
        serve(app(shop, token, names=(host,)), host, port, say, MOST_MESSAGE)


def app(shop: Workshop, token: str, names: tuple[str, ...] = ()) -> Guard:
    """The page behind its token."""
    routes = partial(_routes, _Handlers(shop))
    return application(TITLE, routes, FOLDER / "static", token, names=names, max_body=uploads.MOST_BYTES)


def _routes(handlers: "_Handlers") -> list[Any]:
    from starlette.routing import Route, WebSocketRoute

    return [
        Route("/", handlers.front),
        Route("/api/facts", handlers.facts),
        Route("/api/map", handlers.map),
        Route("/api/directions", handlers.directions),
        Route("/api/save", handlers.save, methods=["POST"]),
        Route("/api/upload", handlers.upload, methods=["POST"]),
        WebSocketRoute("/socket", handlers.socket),
    ]


class _Handlers:
    """One function a route."""

    def __init__(self, shop: Workshop) -> None:
        self.shop = shop
        self.tabs: dict[str, Tab] = {}

    async def front(self, request: Any) -> Any:
        names = " and ".join(model.name for model in self._models(request))
        return page(FOLDER / "templates", "explore.html", {"title": TITLE, "maker": MAKER, "names": names})

    async def facts(self, request: Any) -> Any:
        return _json(
            {
                "models": [model.facts() for model in self._models(request)],
                "defaults": config.to_dict(state.View()),
            }
        )

    async def map(self, request: Any) -> Any:
        return _json({"dots": await self._drawing(self._models(request)[0].map)})

    async def directions(self, request: Any) -> Any:
        method = request.query_params.get("method", "")
        function, loop = self._models(request)[0].directions, asyncio.get_running_loop()
        return _json(await loop.run_in_executor(self.shop.working, function, method))  # pictures go on

    async def save(self, request: Any) -> Any:
        from starlette.responses import Response

        asked, shown = _asked(await request.body()), self._models(request)
        point, side = state.point(asked.get("point")), asked.get("side", 0)
        if type(side) is not int or side not in range(len(shown)):
            raise UsageError(f"there is no model {side}")
        given = (shown[side], str(asked.get("kind")), point)
        name, media, data = await self._drawing(saving.saved, *given)
        told = {"content-disposition": f'attachment; filename="{name}"'}
        return Response(data, media_type=media, headers=told)

    async def upload(self, request: Any) -> Any:
        from starlette.responses import Response

        tab = self.tabs.get(request.query_params.get("tab", ""))
        if tab is None:
            raise UsageError("this tab is not connected: load the page again")
        shape = tab.models[0].renderer.generator.image_shape
        picture = await asyncio.to_thread(uploads.picture, await request.body(), shape)
        media, data = encoded(picture)
        return Response(data, media_type=media, headers={"x-upload": tab.add(picture)})

    async def socket(self, websocket: Any) -> None:
        try:
            tab = Tab(self.shop, self._models(websocket))
        except UsageError:
            await websocket.close()  # of a tuned model that is gone; the page's other requests are told so
            return
        self.tabs[tab.number] = tab
        try:
            await tab.attend(websocket)
        finally:
            del self.tabs[tab.number]

    def _models(self, request: Any) -> Sequence[Model]:
        """Those of the page that asks: its address names a tuned one. UsageError where that is gone."""
        return self.shop.seen(request.query_params.get("model", ""))

    async def _drawing(self, function: Callable[..., Any], *given: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self.shop.drawing, function, *given)


def _json(data: Any) -> Any:
    from starlette.responses import JSONResponse

    return JSONResponse(data)


def _asked(body: bytes) -> dict[str, Any]:
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UsageError("a request is a JSON object") from error
    if not isinstance(asked, dict):
        raise UsageError("a request is a JSON object")
    return asked

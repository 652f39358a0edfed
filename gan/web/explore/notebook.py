"""The page of `gan explore` in a notebook: the same scripts, routes and tabs, without a server.

An anywidget puts the page into a frame. What the page asks of its server becomes messages to the kernel,
which the page's own application answers, called as a server calls it (ASGI); so a picture that the frame
shows is, byte for byte, the page's. The kernel hears messages between cells: while one runs, nothing moves.

From the frame, `id` being of a request or socket of its own:

    do: request   id, method, path; a buffer, the body       -> id, status, headers; a buffer, the body
    do: open      id, path                                   -> id, kind: opened, frame (a buffer), closed
    do: say       id, text                                   a message of that socket
    do: close     id                                         the socket's end
"""

import asyncio
import base64
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from gan.jobs.report_sheet import FOLDER as FRAME
from gan.templates import render
from gan.web.explore import state
from gan.web.explore.model import Model
from gan.web.explore.pages import FOLDER, MAKER, TITLE, app
from gan.web.explore.tab import Workshop
from gan.web.explore.work import JOBS
from gan.web.shell.application import FOLDER as SHELL
from gan.web.shell.application import colour_sheet

MOST_SOCKETS = 16  # of the frames of a widget; of more the oldest is closed
HEIGHT = 760  # pixels of the frame
_WIDGET = "widget.js"
_BEFORE = (
    "const {fetch: asked, WebSocket: socket, place} = frameElement.bridge;"
    "window.fetch = asked; window.WebSocket = socket; window.notebook = place;"
)
Send = Callable[[dict[str, Any], list[bytes]], object]


class Bridge:
    """What the frames of a widget ask of an application. Its methods belong to the thread of an event loop.

    app: of ASGI, without its guard, since the notebook lets nobody else in. send: tells the frames.
    """

    def __init__(self, app: Any, send: Send) -> None:
        self._app, self._send = app, send
        self._sockets: dict[str, asyncio.Queue[dict[str, Any]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def heard(self, content: Mapping[str, Any], buffers: Sequence[Any] = ()) -> None:
        """One message of a frame; what is none is left alone."""
        name, what = str(content.get("id")), content.get("do")
        if what == "request":
            self._begin(self._request(name, content, bytes(buffers[0]) if buffers else b""))
        elif what == "open":
            self._begin(self._socket(name, str(content.get("path"))))
        elif name in self._sockets and what == "say":
            self._sockets[name].put_nowait({"type": "websocket.receive", "text": str(content.get("text"))})
        elif name in self._sockets and what == "close":
            self._sockets[name].put_nowait({"type": "websocket.disconnect", "code": 1001})

    def _begin(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _request(self, name: str, content: Mapping[str, Any], body: bytes) -> None:
        scope = _scope("http", str(content.get("path"))) | {
            "method": str(content.get("method")),
            "scheme": "http",
        }
        messages, told = [{"type": "http.request", "body": body}], {"status": 500, "headers": []}
        parts: list[bytes] = []

        async def receive() -> dict[str, Any]:
            return messages.pop() if messages else {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                told.update(status=message["status"], headers=message["headers"])
            else:
                parts.append(bytes(message.get("body", b"")))

        try:
            await self._app(scope, receive, send)
        finally:
            headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in told["headers"]}
            self._send({"id": name, "status": told["status"], "headers": headers}, [b"".join(parts)])

    async def _socket(self, name: str, path: str) -> None:
        heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        heard.put_nowait({"type": "websocket.connect"})
        if len(self._sockets) >= MOST_SOCKETS:
            self._sockets[next(iter(self._sockets))].put_nowait(
                {"type": "websocket.disconnect", "code": 1001}
            )
        self._sockets[name] = heard

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "websocket.accept":
                self._send({"id": name, "kind": "opened"}, [])
            elif message["type"] == "websocket.send":
                self._send({"id": name, "kind": "frame"}, [bytes(message["bytes"])])

        scope = _scope("websocket", path) | {"scheme": "ws", "subprotocols": []}
        try:
            await self._app(scope, heard.get, send)
        finally:
            del self._sockets[name]
            self._send({"id": name, "kind": "closed"}, [])


class Explorer:
    """A page in a notebook. widget: what is displayed.  model: which it shows at first."""

    def __init__(self, widget: Any, model: Model) -> None:
        self.widget, self.model = widget, model

    @property
    def view(self) -> state.View:
        """What the page shows now, with its keyframes, as its address would hold it."""
        text = self.widget.hash.removeprefix("#")
        return state.from_fragment(text) if text else state.View()


def explorer(model: Model, height: int = HEIGHT) -> Explorer:
    """The page of a model as a widget, not displayed yet. height: of the frame, in pixels.

    Raises ImportError where anywidget is missing, UserError where the extra `web` is.
    """
    import anywidget
    import traitlets

    class Page(anywidget.AnyWidget):
        """A frame with the page, and what its address would hold."""

        _esm = (FOLDER / "static" / _WIDGET).read_text(encoding="utf-8")
        page = traitlets.Unicode().tag(sync=True)
        hash = traitlets.Unicode().tag(sync=True)
        height = traitlets.Int().tag(sync=True)

    drawing, working = ThreadPoolExecutor(1, "drawing"), ThreadPoolExecutor(1, "jobs")
    shop = Workshop([model], JOBS, drawing, working)
    widget = Page(page=document(model.name), height=height)
    bridge = Bridge(app(shop, "none").app, lambda content, buffers: widget.send(content, buffers))
    widget.on_msg(lambda _, content, buffers: bridge.heard(content, buffers))
    return Explorer(widget, model)


def document(names: str) -> str:
    """The page as one text of HTML that asks for no file: with its styles, and its scripts as data."""
    folders = FOLDER / "templates", SHELL / "templates", FRAME
    text = render(folders, "explore.html", {"title": TITLE, "maker": MAKER, "names": names})
    scripts = sorted((*(SHELL / "static").glob("*.js"), *(FOLDER / "static").glob("*.js")))
    modules = {path.name: _data(path) for path in scripts if path.name != _WIDGET}
    imports = ",".join(f'"{name}":"{address}"' for name, address in modules.items())
    first = f"<script>{_BEFORE}{(SHELL / 'static' / 'theme.js').read_text(encoding='utf-8')}</script>"
    begin = f'<script type="importmap">{{"imports":{{{imports}}}}}</script>'
    begin += '<script type="module">import "explore.js";</script>'
    text = text.replace('<script src="/static/shell/theme.js"></script>', first)
    text = text.replace('<script type="module" src="/static/page/explore.js"></script>', begin)
    return re.sub(r'<link rel="stylesheet" href="/static/(\w+)/([\w.]+)">', _style, text)


def _style(link: re.Match[str]) -> str:
    """The element of styles that stands in for a link to them."""
    if link[2] == "colours.css":
        return f"<style>{colour_sheet()}</style>"
    folder = FOLDER if link[1] == "page" else SHELL
    return f"<style>{(folder / 'static' / link[2]).read_text(encoding='utf-8')}</style>"


def _data(path: Path) -> str:
    """A module as an address of data, in which other modules have no paths but names."""
    text = re.sub(
        r'from "(?:\./|/static/shell/)([\w-]+\.js)"', r'from "\1"', path.read_text(encoding="utf-8")
    )
    return "data:text/javascript;base64," + base64.b64encode(text.encode()).decode()


def _scope(kind: str, address: str) -> dict[str, Any]:
    """What ASGI says of a request or socket."""
    path, _, query = address.partition("?")
    return {
        "type": kind,
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "path": unquote(path),
        "raw_path": path.encode("latin-1", "replace"),
        "root_path": "",
        "query_string": query.encode("latin-1", "replace"),
        "headers": [(b"host", b"notebook")],
        "client": None,
        "server": ("notebook", 80),
    }

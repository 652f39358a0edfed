"""The report of a run while it trains, served on this machine alone, in a thread that the run outlives.

    with Live(say) as live:
        train(..., callbacks=[live])

The thread reads the files of the run, and nothing else of it. Tabs ask for the version of these files and,
where it is new, for the page's content, which is made once for all tabs and at most every PAUSE seconds. What
fails here is one warning; the run does not notice.
"""

import asyncio
import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from gan.jobs import chart_library, reporting
from gan.jobs.report_sheet import FOLDER as SHEETS
from gan.templates import render
from gan.web.shell import application, token_for
from gan.web.shell.application import page
from gan.web.shell.serving import served

FOLDER = Path(__file__).parent / "templates"
HOST = "127.0.0.1"
MAKER = "gan train --report live"
PAUSE = 2.0  # seconds between two pages that are made
ASKED = 3000  # milliseconds between two questions of a tab
READ = ("stats.jsonl", "health.jsonl", "metrics.jsonl", "phases.json", "log.txt")  # files that make a version
WAITING = "<p>The run has not begun yet.</p>"


class Live:
    """A context that serves, and a callback of the run (`training.callbacks.Callback`).

    say: gets the address with its token, and a line for what fails. Entering raises UserError where the
    extras `web` and `report` are missing.
    """

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say, self._run, self._stack = say, None, ExitStack()
        self._made, self._at, self._lock = ("", WAITING), 0.0, threading.Lock()
        self._failed = False

    def __enter__(self) -> "Live":
        chart_library.scripts()
        app = application("Report", self._routes, SHEETS, token_for(HOST, None))
        self._stack.enter_context(
            served(app, HOST, 0, lambda address: self._say(f"report: {address}"), self._warn)
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def start(self, state: Any) -> None:
        """The run has a directory."""
        self._run = Path(state.run)

    def version(self) -> str:
        """Changes with the files of the run; "" before it begins."""
        if self._run is None:
            return ""
        known = []
        for name in READ:
            try:
                found = (self._run / name).stat()
                known.append(f"{name} {found.st_size} {found.st_mtime_ns}")
            except OSError:
                known.append(name)
        return hashlib.sha256("\n".join(known).encode()).hexdigest()[:16]

    def content(self) -> tuple[str, str]:
        """Version and HTML of what the page shows: the last one where a new one is not due, or fails."""
        with self._lock:
            version, now = self.version(), time.monotonic()
            if self._run is None or version == self._made[0] or now - self._at < PAUSE:
                return self._made
            try:
                folders = (SHEETS,)
                html = render(folders, "report_content.html", reporting.context([self._run]))
                self._made = version, html
            except Exception as error:  # whatever it is, the run goes on
                self._warn(error)
            self._at = time.monotonic()
            return self._made

    def _warn(self, error: BaseException) -> None:
        """Once."""
        if not self._failed:
            self._failed = True
            self._say(f"warning: the live report: {type(error).__name__}: {error}; training goes on")

    def _routes(self) -> Sequence[Any]:
        from starlette.responses import HTMLResponse, JSONResponse, Response
        from starlette.routing import Route

        async def front(_: Any) -> Any:
            version, html = await asyncio.to_thread(self.content)
            title = self._run.resolve().name if self._run else "Report"
            context = {
                "title": title,
                "maker": MAKER,
                "seen": version,
                "content": html,
                "milliseconds": ASKED,
            }
            return page((FOLDER, SHEETS), "live.html", context)

        async def content(_: Any) -> Any:
            version, html = await asyncio.to_thread(self.content)
            return HTMLResponse(html, headers={"x-version": version})

        async def version(_: Any) -> Any:
            return JSONResponse({"version": self.version()})

        async def style(_: Any) -> Any:
            return Response(reporting.rules(), media_type="text/css")

        async def library(_: Any) -> Any:
            return Response(chart_library.scripts(), media_type="text/javascript")

        handlers = {"/": front, "/content": content, "/version": version}
        handlers |= {"/style.css": style, "/vega.js": library}
        return [Route(path, handler) for path, handler in handlers.items()]

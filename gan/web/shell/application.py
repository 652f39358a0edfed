"""The application of a page: its routes beside the shell's files, behind the guard."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gan.errors import UserError, install
from gan.jobs.report_sheet import FOLDER as FRAME
from gan.jobs.report_style import DARK, LIGHT
from gan.templates import render
from gan.web.shell.guard import MAX_BODY, Guard

FOLDER = Path(__file__).parent
KEPT = {"cache-control": "no-cache"}  # files of the package: kept by the browser, and asked for again


def application(
    title: str,
    routes: Callable[[], Sequence[Any]],
    static: Path,
    token: str,
    *,
    names: Iterable[str] = (),
    max_body: int = MAX_BODY,
) -> Guard:
    """What `serve` runs.

    routes: gives those of the page, of Starlette or FastAPI; called once these are known to be installed. An
    error for users (`UserError`) becomes {"error": text} with status 400.
    static: folder of the page's own files, served as /static/page/NAME; the shell's are /static/shell/NAME.
    names: hosts beside localhost and addresses.  max_body: bytes of a request.
    Raises UserError where the extra `web` is missing.
    """
    try:
        from fastapi import FastAPI
        from starlette.responses import JSONResponse, Response
    except ImportError as error:
        raise UserError(f"a page needs the package {error.name}; {install('web')}") from error

    async def refused(_: Any, error: Exception) -> Response:
        return JSONResponse({"error": str(error)}, status_code=400)

    app = FastAPI(
        title=title,
        routes=[*file_routes(static), *routes()],
        exception_handlers={UserError: refused},
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    return Guard(app, token, names, max_body)


def file_routes(static: Path) -> list[Any]:
    """Routes of /static: the shell's files, and those of a page in that folder."""
    from starlette.responses import Response
    from starlette.routing import Mount, Route
    from starlette.staticfiles import StaticFiles

    async def colours(_: Any) -> Response:
        return Response(colour_sheet(), media_type="text/css", headers=KEPT)

    class Files(StaticFiles):
        """Served with their ETag; a browser asks each time whether they changed."""

        def file_response(self, *args: Any) -> Response:
            response = super().file_response(*args)
            response.headers.update(KEPT)
            return response

    return [
        Route("/static/shell/colours.css", colours),
        Mount("/static/shell", Files(directory=FOLDER / "static")),
        Mount("/static/page", Files(directory=static)),
    ]


def page(folder: Path | Sequence[Path], name: str, context: Mapping[str, Any]) -> Any:
    """The response of a template in these folders, which may extend the shell's base.html; see `render`.

    context: among others `title`, and `maker`, the command that serves it.
    """
    from starlette.responses import HTMLResponse

    folders = [folder] if isinstance(folder, Path) else folder
    return HTMLResponse(render((*folders, FOLDER / "templates", FRAME), name, context))


def colour_sheet() -> str:
    """The colours of reports as CSS: by the system's preference, or as the page's button has it.

    The contrast of each is tested with the reports.
    """
    light, dark = ("".join(f"--{n}:{v};" for n, v in colours.items()) for colours in (LIGHT, DARK))
    return (
        f":root{{color-scheme:light;{light}}}\n"
        f'@media(prefers-color-scheme:dark){{:root:not([data-theme="light"]){{color-scheme:dark;{dark}}}}}\n'
        f':root[data-theme="dark"]{{color-scheme:dark;{dark}}}\n'
    )

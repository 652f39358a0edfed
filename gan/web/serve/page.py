"""The page at / to try a server: static files of the web shell, which ask the API as any client does.

The page itself needs no key and tells nothing about the models. A key that is typed into it stays in the
memory of the page: it is written nowhere, and gone with the next load.
"""

from pathlib import Path
from typing import Any

from gan.jobs.serving.moves import MOST_AMOUNT
from gan.jobs.serving.sizes import LEAST, MOST
from gan.latents import MAX_SEED
from gan.web.serve.schemas import MOST_PSI
from gan.web.shell.application import file_routes, page
from gan.web.shell.guard import POLICY

FOLDER = Path(__file__).parent
TITLE = "Try the generator"


def add_page(app: Any) -> None:
    """The routes / and /static of an application of FastAPI, which OpenAPI does not name."""
    from starlette.routing import Route

    bounds = {"psi": MOST_PSI, "seed": MAX_SEED, "least": LEAST, "most": MOST, "amount": MOST_AMOUNT}
    front = page(FOLDER / "templates", "try.html", {"title": TITLE, "maker": "gan serve", **bounds})
    front.headers["content-security-policy"] = POLICY
    front.headers["cache-control"] = "no-cache"

    async def shown(_: Any) -> Any:
        return front

    app.router.routes.extend([Route("/", shown), *file_routes(FOLDER / "static")])

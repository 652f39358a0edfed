"""Routes of the rating page: requests -> `gan.jobs.rating_answers.Answers` -> JSON and pictures.

Each rater has a link of their own, /as/KEY, beside the token of the page. What the browser gets names no
source: trials have numbers, and pictures are left or right of a trial.
"""

import asyncio
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from gan.errors import UsageError
from gan.jobs.rating import Asked, Study, study_of
from gan.jobs.rating_answers import FLAGS, Answers, Superseded
from gan.web.shell import application, serve, token_for
from gan.web.shell.application import page
from gan.web.shell.guard import Guard

FOLDER = Path(__file__).parent
TITLE = "Look and say"  # the name of a study may tell what it compares
MAX_BODY = 2**12  # bytes of an answer
KEPT = {"cache-control": "private, max-age=3600"}  # so that the next picture is there at once


def rate(
    asked: Asked,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    token: str | None = None,
    say: Callable[[str], object] = print,
    told: Callable[[str], object] = print,
) -> tuple[Study, int]:
    """Make or open a study and serve its page until Ctrl-C -> the study, and how many answers it has.

    say: gets the link of each rater.  told: gets all else, such as warnings. Raises UsageError for a host
    beyond this machine without a token of the user's own, and what `study_of` raises.
    """
    token = token_for(host, token)
    study = study_of(asked, told)
    answers = Answers(study)
    serve(app(answers, token, names=(host,)), host, port, partial(_links, study, say, told))
    return study, sum(len(answers.of(rater)) for rater in range(len(study.about["raters"])))


def _links(study: Study, say: Callable[[str], object], told: Callable[[str], object], address: str) -> None:
    told("a link for each rater; Ctrl-C ends it:")
    for key in study.keys:
        say(urlunsplit(urlsplit(address)._replace(path=f"/as/{key}")))


def app(answers: Answers, token: str, names: tuple[str, ...] = ()) -> Guard:
    """The page of a study behind its token."""
    routes = partial(_routes, _Handlers(answers))
    return application(TITLE, routes, FOLDER / "static", token, names=names, max_body=MAX_BODY)


def _routes(handlers: "_Handlers") -> list[Any]:
    from starlette.routing import Route

    return [
        Route("/as/{key}", handlers.front),
        Route("/as/{key}/state", handlers.state),
        Route("/as/{key}/answers", handlers.answer, methods=["POST"]),
        Route("/as/{key}/undo", handlers.undo, methods=["POST"]),
        Route("/as/{key}/picture/{trial:int}/{side:int}", handlers.picture),
    ]


class _Handlers:
    """One function a route. What reads and writes files runs in threads."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers

    async def front(self, request: Any) -> Any:
        self._rater(request)
        study = self.answers.study
        context = {
            "title": TITLE,
            "maker": "gan rate",
            "kind": study.kind,
            "limit": study.limit,
            "flags": FLAGS,
        }
        return page(FOLDER / "templates", "rate.html", context)

    async def state(self, request: Any) -> Any:
        return await self._answered(request, self.answers.state)

    async def answer(self, request: Any) -> Any:
        given = _object(await request.body())
        trial, ms = _whole(given.get("trial"), "trial"), _whole(given.get("ms"), "ms")
        return await self._answered(request, self.answers.answer, trial, given.get("answer"), ms)

    async def undo(self, request: Any) -> Any:
        given = _object(await request.body())
        return await self._answered(request, self.answers.undo, _whole(given.get("trial"), "trial"))

    async def picture(self, request: Any) -> Any:
        from starlette.responses import Response

        place = request.path_params["trial"], request.path_params["side"]
        data = await asyncio.to_thread(self.answers.picture, self._rater(request), *place)
        return Response(data, media_type="image/png", headers=KEPT)

    def _rater(self, request: Any) -> int:
        from starlette.exceptions import HTTPException

        found = self.answers.study.keys.get(request.path_params["key"])
        if found is None:
            raise HTTPException(404, "This is the link of no rater: open the one that you were given.")
        return found

    async def _answered(self, request: Any, work: Callable[..., dict[str, Any]], *given: Any) -> Any:
        from starlette.responses import JSONResponse

        rater = self._rater(request)
        try:
            return JSONResponse(await asyncio.to_thread(work, rater, *given))
        except Superseded as error:
            state = await asyncio.to_thread(self.answers.state, rater)
            return JSONResponse({"error": str(error), "state": state}, status_code=409)


def _object(body: bytes) -> dict[str, Any]:
    try:
        given = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UsageError("an answer is a JSON object") from error
    if not isinstance(given, dict):
        raise UsageError("an answer is a JSON object")
    return given


def _whole(value: Any, name: str) -> int:
    if type(value) is not int or abs(value) > 2**53:
        raise UsageError(f"{name} is a whole number")
    return value

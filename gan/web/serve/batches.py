"""Batches over HTTP: asked for, looked at, fetched when they are done, cancelled.

A batch is known to the key that asked for it alone: to others there is none of that number.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Annotated, Any, Literal

from gan.jobs.serving.batch_work import BatchWork
from gan.jobs.serving.batches import ZIP, Batch, Progress
from gan.jobs.serving.keys import Key
from gan.jobs.serving.service import Service
from gan.web.serve.door import Door
from gan.web.serve.schemas import BATCH_EXAMPLES, order_of, wanted

PATH = "/v1/batches"
_NONE = "there is no such batch: it was removed, it expired, or another key asked for it"
OTHERS = "batches of others"  # of `keys.ROLES`
Documented = Callable[..., dict[int | str, dict[str, Any]]]


def add_batches(app: Any, service: Service, work: BatchWork, door: Door, documented: Documented) -> None:
    """The routes. documented: problem documents for OpenAPI, by status."""
    from fastapi import Body, Depends, Request, Response

    most = service.settings.most_batch_images
    known = Annotated[Key, Depends(door.dependency("images"))]
    looking = Annotated[Key, Depends(door.dependency("images", OTHERS))]
    body = Annotated[wanted(most, batch=True), Body(openapi_examples=BATCH_EXAMPLES)]

    async def shown(batch: Batch) -> dict[str, Any]:
        progress = await asyncio.to_thread(work.batches.progress, batch)
        return described(batch, progress, service.settings.batch_hours)

    own = Annotated[Batch, Depends(_owned(work, looking))]
    accepted = {202: {"description": "Accepted; Location says where to look."}}

    @app.post(PATH, status_code=202, responses={**accepted, **documented()}, tags=["batches"])
    async def begin(asked: body, request: Request, response: Response, key: known) -> dict[str, Any]:
        """Ask for many images, for which nobody waits: they are made where urgent ones leave room."""
        order = order_of(asked, most, list(service.models.facts))
        batch = await asyncio.to_thread(work.accept, key, order, request.state.request)
        response.headers["location"] = f"{PATH}/{batch.id}"
        return await shown(batch)

    @app.get(f"{PATH}/{{batch}}", responses=documented(401, 403, 404, 422, 429), tags=["batches"])
    async def progress(found: own) -> dict[str, Any]:
        """How far a batch is: images done, of which held back by a filter, seconds to the end."""
        return await shown(found)

    @app.delete(
        f"{PATH}/{{batch}}", status_code=204, responses=documented(401, 403, 404, 422, 429), tags=["batches"]
    )
    async def remove(found: own, key: looking) -> None:
        """Cancel a batch and remove its images. What was not begun goes back to the day's quota."""
        await asyncio.to_thread(work.remove, key, found)

    _add_download(app, work, own, documented)


def _add_download(app: Any, work: BatchWork, own: Any, documented: Documented) -> None:
    from starlette.exceptions import HTTPException
    from starlette.responses import FileResponse

    content = {"application/zip": {"schema": {"type": "string", "format": "binary"}}}
    told = {200: {"content": content, "description": "Images, and manifest.json with verdicts."}}

    @app.get(
        f"{PATH}/{{batch}}/images",
        response_class=FileResponse,
        responses={**told, **documented(401, 403, 404, 409, 422, 429)},
        tags=["batches"],
    )
    async def images(found: own) -> FileResponse:
        """The zip of a batch that is done; of one that failed, what was made before."""
        place = work.batches.place(found) / ZIP
        if found.finished is None or not await asyncio.to_thread(place.is_file):
            raise HTTPException(409, "the batch has no images to fetch: look at its state")
        return FileResponse(place, media_type="application/zip", filename=f"{found.id}.zip")


def _owned(work: BatchWork, known: Any) -> Callable[..., Any]:
    """What FastAPI asks for a batch that is the key's own; 404 for all others, as for none."""
    from fastapi import Path
    from starlette.exceptions import HTTPException

    number = Annotated[str, Path(alias="batch", max_length=64, description="Of POST /v1/batches.")]

    async def owned(key: known, name: number) -> Batch:
        batch = await asyncio.to_thread(work.batches.of, name)
        if batch is None or not may_see(key, batch):
            raise HTTPException(404, _NONE)
        return batch

    return owned


def may_see(key: Key, batch: Batch) -> bool:
    """Whether a key may look at a batch, fetch and cancel it."""
    return key.number == batch.key or key.may(OTHERS)


def described(batch: Batch, progress: Progress, hours: float) -> dict[str, Any]:
    """What a client is told of a batch. hours: that a finished one stays."""
    ended = batch.finished
    return {
        "id": batch.id,
        "state": state_of(batch, progress),
        "total": batch.total,
        "done": progress.done,
        "blocked": progress.blocked,
        "eta_seconds": None if progress.seconds is None else round(progress.seconds, 1),
        "created": _time(batch.created),
        "expires": None if ended is None else _time(ended + hours * 3600),
        "reason": batch.failed,
        "images": None if ended is None else f"{PATH}/{batch.id}/images",
    }


def state_of(batch: Batch, progress: Progress) -> Literal["waiting", "running", "done", "failed"]:
    """In one word."""
    if batch.finished is None:
        return "running" if batch.begun or progress.done else "waiting"
    return "done" if batch.failed is None else "failed"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")

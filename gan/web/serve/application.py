"""The API: images, batches, /v1/verify, /v1/models, /healthz, /readyz, /metrics, /openapi.json, a page."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Annotated, Any, TypeVar

import gan
from gan.config import to_dict
from gan.errors import UserError, install
from gan.jobs.marking.metadata import MEDIA, archive
from gan.jobs.serving.batch_work import BatchWork
from gan.jobs.serving.keys import Key
from gan.jobs.serving.orders import Made, Order
from gan.jobs.serving.packing import file_name, manifest, record_of
from gan.jobs.serving.service import Service
from gan.jobs.serving.sizes import check_size
from gan.web.serve import problems
from gan.web.serve.batches import add_batches
from gan.web.serve.counting import Figures
from gan.web.serve.door import Door
from gan.web.serve.edge import Edge, heard
from gan.web.serve.page import add_page
from gan.web.serve.problems import Answer, Blocked, Gone
from gan.web.serve.schemas import EXAMPLES, order_of, wanted
from gan.web.serve.verifying import add_verify

T = TypeVar("T")
ABOUT = "Images of generators, with seed and digest of the model, and marked as AI-generated."
_STATUSES = (400, 401, 403, 408, 413, 422, 429, 503, 504)
_LEFT = 499  # nginx's status for a client that left; nobody reads it


def application(service: Service) -> Edge:
    """The API of a service, which is closed when the server has ended.

    Raises UserError where the extra `serve` is missing.
    """
    try:
        from fastapi import FastAPI

        figures = Figures(service)
    except ImportError as error:
        raise UserError(f"serving needs the package {error.name}; {install('serve')}") from error

    work = BatchWork(service)

    @contextlib.asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        work.start()
        looking = asyncio.create_task(figures.keep_looking())
        yield
        looking.cancel()
        await asyncio.to_thread(work.close)
        await asyncio.to_thread(service.close)

    app = FastAPI(
        title="gan serve",
        version=gan.__version__,
        description=ABOUT,
        lifespan=lifespan,
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        exception_handlers=_handlers(),
    )
    door = Door(service.keys)
    _add_images(app, service, door)
    add_batches(app, service, work, door, _documented)
    _add_models(app, service, door)
    add_verify(app, service, door)
    _add_health(app, service, figures, door)
    add_page(app)
    return Edge(app, service.settings, figures.count)


def _add_images(app: Any, service: Service, door: Door) -> None:
    from fastapi import Body, Depends, Request, Response

    most = service.settings.most_images
    body_type = wanted(most)
    known = Annotated[Key, Depends(door.dependency("images"))]
    body = Annotated[body_type, Body(openapi_examples=EXAMPLES)]
    media = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in MEDIA.values()}
    told = {200: {"content": media, "description": "The image, or a zip of images."}, **_documented()}

    @app.post("/v1/images", response_class=Response, responses=told, tags=["images"])
    async def images(asked: body, request: Request, key: known) -> Response:
        """Make images. Headers tell model, digest, seeds and verdicts; so does the metadata of each file."""
        order = order_of(asked, most, list(service.models.facts))
        check_size(order.size, len(order.seeds))
        made = await unless_gone(request, service.make(key, order, request.state.request))
        data, headers = _packed(service, order, made)
        return Response(data, media_type=MEDIA[order.form], headers=headers)


def _add_models(app: Any, service: Service, door: Door) -> None:
    from fastapi import Depends

    known = Annotated[Key, Depends(door.dependency("models"))]

    @app.get("/v1/models", responses=_documented(401, 403, 429), tags=["models"])
    async def models(key: known) -> dict[str, Any]:
        """The models that are served, and the filters that their images pass."""
        present, told = await asyncio.to_thread(service.engine.loaded), service.engine.told()
        found = [
            {
                "name": facts.name,
                "digest": f"sha256:{facts.digest}",
                "type": facts.kind,
                "kimg": facts.kimg,
                "c_dim": facts.c_dim,
                "classes": facts.classes,
                "takes_vectors": facts.vectors,
                "condition_bounds": service.inputs.bounds(facts),
                "directions": service.models.moves.of(facts.name),
                "loaded": facts.name in present,
                "waiting": service.engine.waiting(facts.name),
            }
            for facts in service.models.facts.values()
        ]
        return {
            "models": found,
            "filters": told["filters"],
            "content_threshold": service.settings.content_threshold,
            "policies": to_dict(service.settings.policies),
            "memorisation": told["memorisation"],
            "most_images": service.settings.most_images,
            "most_batch_images": service.settings.most_batch_images,
        }


def _add_health(app: Any, service: Service, figures: Figures, door: Door) -> None:
    from fastapi import Depends, Response

    known = Annotated[Key, Depends(door.dependency("metrics"))]

    @app.get("/healthz", tags=["health"])
    async def healthz() -> dict[str, str]:
        """Whether the process answers."""
        return {"status": "ok"}

    @app.get("/readyz", responses=_documented(503), tags=["health"])
    async def readyz() -> dict[str, str]:
        """Whether keys can be checked and quotas counted, without which nothing is made."""
        await door.ready()
        await asyncio.to_thread(service.usage.check)
        return {"status": "ready"}

    @app.get("/metrics", response_class=Response, responses=_documented(401, 403, 429), tags=["health"])
    async def metrics(key: known) -> Response:
        """Figures in the text format of Prometheus; needs a key of the role operator."""
        data, media_type = await asyncio.to_thread(figures.text)
        return Response(data, media_type=media_type)


def _packed(service: Service, order: Order, made: Sequence[Made]) -> tuple[bytes, dict[str, str]]:
    """Body and headers. Raises Blocked where no image may leave."""
    facts = service.models.of(order.model)
    verdicts = {each.seed: str(each.verdict) for each in made}
    if all(each.data is None for each in made):
        raise Blocked(f"no image leaves: {', '.join(sorted(set(verdicts.values())))}")
    headers = {
        "x-gan-model": order.model,
        "x-gan-model-digest": f"sha256:{facts.digest}",
        "x-gan-seed": ",".join(map(str, order.seeds)),
        "x-gan-verdict": ",".join(verdicts.values()),
        "x-gan-marked": ",".join(str(each.marked).lower() for each in made),
        "x-gan-signed": ",".join(str(each.signed).lower() for each in made),
    }
    if order.form != "zip":
        return made[0].data or b"", headers
    files = [(file_name(order, each.seed), each.data) for each in made if each.data is not None]
    return archive(files, manifest(order, facts.digest, list(map(record_of, made)))), headers


async def unless_gone(request: Any, work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns; it is cancelled where the client leaves first, and Gone is raised."""
    own, is_gone = asyncio.current_task(), False

    async def watch() -> None:
        nonlocal is_gone
        await _left(request)
        is_gone = True
        own.cancel()  # type: ignore[union-attr]

    watching = asyncio.ensure_future(watch())
    try:
        return await work
    except asyncio.CancelledError:
        if not is_gone:
            raise
        heard(own)
        raise Gone from None
    finally:
        watching.cancel()


async def _left(request: Any) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _handlers() -> dict[Any, Any]:
    """Every error as a problem document."""
    from fastapi.exceptions import RequestValidationError
    from starlette.exceptions import HTTPException
    from starlette.responses import Response

    def response(answer: Answer) -> Response:
        return Response(answer.body, answer.status, answer.headers)

    async def failed(request: Any, error: Exception) -> Response:
        return response(problems.of_error(error, request.state.request))

    async def malformed(request: Any, error: Any) -> Response:
        return response(problems.of_faults(error.errors(), request.state.request))

    async def refused(request: Any, error: Any) -> Response:
        number = request.state.request
        return response(problems.of_status(error.status_code, str(error.detail), number, error.headers))

    async def left(request: Any, _: Exception) -> Response:
        return Response(status_code=_LEFT)

    return {
        UserError: failed,
        Exception: failed,
        Gone: left,
        RequestValidationError: malformed,
        HTTPException: refused,
    }


def _documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Problem documents for OpenAPI, of all statuses where none is named."""
    content = {problems.MEDIA: {"schema": problems.SCHEMA}}
    return {
        status: {"content": content, "description": "A problem document (RFC 9457)."}
        for status in statuses or _STATUSES
    }

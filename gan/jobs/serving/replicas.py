"""An engine over Ray Serve: replicas on the machines of a cluster draw, and one process answers clients.

That process has the API, keys, quotas, the log, batches and the private key; its log is one chain, and what
it counts is counted once. A replica has models, filters and the secret of the watermark, and keeps nothing:
a job whose replica died is done again by another one, and gives the same bytes.

Ray's own proxy of HTTP is not used. It reads requests without bounds of time and size, and answers 500 where
a replica died.
"""

import asyncio
import contextlib
import hashlib
import logging
import math
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gan import plugins
from gan.errors import UsageError, UserError, install
from gan.jobs.marking.secret import secret_of
from gan.jobs.serving.batching import Closed, Expired, Overloaded
from gan.jobs.serving.engine import GIB, LocalEngine
from gan.jobs.serving.models import Catalogue, Facts, facts_of
from gan.jobs.serving.orders import Job, Made
from gan.jobs.serving.settings import ServeConfig
from gan.sampling import BATCH
from training.data.faults import line
from training.preparation.ray_workers import LOCAL, connected, stay_here

DEPLOYMENT = "images"  # its name in Ray Serve
_ATTEMPTS = 3  # of a job whose replicas die
_USUAL = 1.0  # seconds that a job is taken to need before one was measured
_MEMORY = 0.8  # weight of earlier jobs in the measured time of one
_END = 5.0  # seconds that a replica has to end in: all its work is done by then
_START = 600.0  # seconds in which replicas must have started


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Of a replica: files, or why there are none. loaded: models in its memory.

    expired: the deadline passed.  failed: something else went wrong.
    """

    made: tuple[Made, ...] = ()
    loaded: tuple[str, ...] = ()
    expired: str = ""
    failed: str = ""


class Replica:
    """What runs in a process of the cluster. It is made anew wherever Ray Serve starts it.

    settings: without what a replica must not know.  models: those that its machine must have, too.
    secret: of the watermark.  files: of plug-ins.  capacity: images that may wait for a model.
    """

    def __init__(
        self,
        settings: ServeConfig,
        models: Sequence[Facts],
        secret: bytes | None,
        files: Sequence[str],
        capacity: int,
    ) -> None:
        plugins.load_installed()
        for file in files:
            plugins.load(file)
        for facts in models:
            if facts_of(facts.path).digest != facts.digest:
                here = f"{facts.path} on {socket.gethostname()}"
                raise UserError(f"{here} is another model than that of the server: copy it there anew")
        self._engine = LocalEngine(settings, models=models, capacity=capacity, secret=secret)

    async def draw(self, job: Job, seconds: float) -> Answer:
        """Never raises what a server may raise: errors of packages that are not there could not be read."""
        try:
            files = await self._engine.draw(job, seconds)
            made = await asyncio.to_thread(files)
        except Expired as error:
            return Answer(expired=str(error))
        except Exception as error:
            return Answer(failed=f"{type(error).__name__}: {error}")
        return Answer(made=tuple(made), loaded=tuple(self._engine.loaded()))

    async def told(self) -> dict[str, Any]:
        """As `LocalEngine.told` has it."""
        return self._engine.told()


class RayEngine:
    """`settings.workers` replicas in the cluster of `settings.ray`; "local" starts one on this machine.

    Raises UserError without the package ray, without a cluster, where the cluster has no room, and where a
    replica cannot start.
    """

    def __init__(self, settings: ServeConfig) -> None:
        stay_here(address := str(settings.ray))
        serve = _ray_serve()
        limit = None if settings.memory_gib is None else settings.memory_gib * GIB
        self.models = Catalogue(settings.models, memory=limit, directions=settings.directions)
        self._room = settings.queue * settings.workers  # images of a model that are asked for and not made
        self._work, self._counting = Counter[str](), threading.Lock()
        self._urgent: Counter[str] = Counter()
        self._closing, self._seconds, self._loaded = False, _USUAL, tuple[str, ...]()
        self._ends = contextlib.ExitStack()
        try:
            ray = self._ends.enter_context(connected(address))
            logging.getLogger("ray.serve").setLevel(logging.ERROR)
            self._handle = self._deployed(ray, serve, settings)
            if address != LOCAL:  # it would go on without the process that answers clients
                self._ends.callback(serve.delete, name_of(settings.state), _blocking=False)
            self._told = self._handle.told.remote().result(timeout_s=_START)
        except UserError:
            self._ends.close()
            raise
        except Exception as error:  # Ray's own
            self._ends.close()
            raise UserError(
                f"replicas do not start in the Ray cluster at {address} ({reason(error)})"
            ) from error

    def expecting(self, model: str) -> contextlib.AbstractContextManager[None]:
        """Nothing to wait with: batches are made by the replicas."""
        return contextlib.nullcontext()

    async def draw(self, job: Job, seconds: float) -> Callable[[], list[Made]]:
        """As `Engine.draw` has it. What is lost with a replica is asked of another one."""
        with self._held(job):
            began = time.monotonic()
            answer = await self._answer(job, began + seconds)
            self._seconds = _MEMORY * self._seconds + (1 - _MEMORY) * (time.monotonic() - began)
        self._loaded = answer.loaded
        return lambda: list(answer.made)

    def finishing(self, model: str, images: int) -> contextlib.AbstractContextManager[None]:
        """Nothing to wait for: replicas have made the files."""
        return contextlib.nullcontext()

    def told(self) -> dict[str, Any]:
        """As `Engine.told` has it, by the first replica that was asked."""
        return dict(self._told)

    def waiting(self, model: str) -> int:
        """Images of a model that were asked for and are not made, those at work among them."""
        return self._work[model]

    def loaded(self) -> list[str]:
        """Those of the replica that answered last."""
        return list(self._loaded)

    def close(self) -> None:
        """Accept nothing more, wait for what was accepted, and end the replicas."""
        self._closing = True
        while any(self._work.values()):
            time.sleep(0.05)
        self._ends.close()

    def _deployed(self, ray: Any, serve: Any, settings: ServeConfig) -> Any:
        """A handle of the replicas, when all of them have started."""
        name, gpus = name_of(settings.state), gpus_of(settings, ray.cluster_resources())
        serve.start(proxy_location="Disabled", logging_config=_quiet())
        if name in serve.status().applications:
            serve.delete(name)  # of a server that was killed
        check_room(settings, ray.available_resources(), gpus)
        files = [whole(plugin.path) for plugin in plugins.loaded() if plugin.name.endswith(".py")]
        secret = None if settings.watermark == "off" else secret_of(settings.state)
        models = [replace(facts, path=facts.path.resolve()) for facts in self.models.facts.values()]
        deployment = serve.deployment(Replica).options(
            name=DEPLOYMENT,
            num_replicas=settings.workers,
            max_ongoing_requests=self._room * len(models) + BATCH,  # the bound is `_held`
            ray_actor_options={"num_cpus": 1, "num_gpus": gpus},
            graceful_shutdown_timeout_s=_END,
            logging_config=_quiet(),
        )
        application = deployment.bind(for_replicas(settings, gpus), models, secret, files, self._room)
        return serve.run(application, name=name, route_prefix=None)

    @contextlib.contextmanager
    def _held(self, job: Job) -> Iterator[None]:
        """Room for the images of a job. Raises Overloaded where there is none, and Closed at the end."""
        model, images = job.order.model, len(job.order.seeds)
        urgent = images if job.urgent else 0
        with self._counting:
            if self._closing:
                raise Closed("the server is ending: ask another one, or again in a moment")
            if urgent and self._urgent[model] + urgent > self._room:
                raise Overloaded(max(1, math.ceil(self._seconds / 2)))
            self._work[model] += images
            self._urgent[model] += urgent
        try:
            yield
        finally:
            with self._counting:
                self._work[model] -= images
                self._urgent[model] -= urgent

    async def _answer(self, job: Job, late: float) -> Answer:
        """Of the replica that Ray Serve chooses, of another one where it dies. late: by time.monotonic()."""
        from ray.exceptions import RayError
        from ray.serve.exceptions import RayServeException

        for _ in range(_ATTEMPTS):
            seconds = max(0.0, late - time.monotonic())
            response = self._handle.draw.remote(job, seconds)
            try:
                answer: Answer = await asyncio.wait_for(response, seconds)
            except (TimeoutError, asyncio.TimeoutError):
                response.cancel()
                raise Expired("the images were not made in time: ask for fewer") from None
            except asyncio.CancelledError:
                response.cancel()
                raise
            except RayError:
                continue
            except RayServeException as error:
                raise UserError(f"Ray Serve does not answer ({reason(error)})") from error
            if answer.expired:
                raise Expired(answer.expired)
            if answer.failed:
                raise UserError(f"a replica failed: {answer.failed}")
            return answer
        raise UserError(f"replicas died {_ATTEMPTS} times over one request: look at the logs of Ray")


def name_of(state: str) -> str:
    """Of the application in Ray Serve: one a machine and state folder, so that a restart replaces it."""
    place = f"{socket.gethostname()}:{Path(state).resolve()}"
    return f"gan-{hashlib.sha256(place.encode()).hexdigest()[:12]}"


def for_replicas(settings: ServeConfig, gpus: int) -> ServeConfig:
    """What replicas may know: no password of Redis, no file of TLS or of a signature; whole paths."""
    return replace(
        settings,
        redis=None,
        tls_certificate=None,
        tls_private_key=None,
        blocklist=whole(settings.blocklist),
        memorisation=whole(settings.memorisation),
        c2pa_certificate=None,
        c2pa_private_key=None,
        c2pa="off",
        input_classifier=None,
        directions=tuple(map(str, map(whole, settings.directions))),
        device="cuda" if gpus else "cpu",
        ray=None,
    )


def whole(place: str | None) -> str | None:
    """The whole path of a file, for processes that work in another folder; a name of the hub as it is."""
    return str(Path(place).resolve()) if place is not None and Path(place).exists() else place


def gpus_of(settings: ServeConfig, resources: dict[str, float]) -> int:
    """GPUs of each replica, 0 or 1. resources: of the cluster. UsageError for a device of one machine."""
    if settings.device not in ("auto", "cpu", "cuda"):
        raise UsageError(f"--device {settings.device}: with --ray it is auto, cpu or cuda, one GPU a replica")
    if settings.device == "auto":
        return int(resources.get("GPU", 0) >= settings.workers)
    return int(settings.device == "cuda")


def check_room(settings: ServeConfig, free: dict[str, float], gpus: int) -> None:
    """UserError where the cluster has no room for the replicas: Ray Serve would wait for ever."""
    for name, each in (("CPU", 1), ("GPU", gpus)):
        if free.get(name, 0) < each * settings.workers:
            raise UserError(
                f"{settings.workers} replicas need {each * settings.workers} {name}s and the Ray cluster has"
                f" {free.get(name, 0):g} free: lower --workers, or add machines"
            )


def reason(error: BaseException) -> str:
    """The last line of what Ray says: of its traceback it is the error."""
    lines = [each.strip() for each in str(error).splitlines() if each.strip()]
    return line(Exception(lines[-1])) if lines else type(error).__name__


def _quiet() -> dict[str, Any]:
    """Ray Serve's logs: without the line that it writes of every request."""
    return {"log_level": "ERROR", "enable_access_log": False}


def _ray_serve() -> Any:
    """The module. UserError where the package is missing."""
    try:
        from ray import serve
    except ImportError as error:
        raise UserError(f"--ray needs the package ray: {install('ray')}") from error
    return serve

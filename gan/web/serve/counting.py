"""Figures for Prometheus: requests, times, images by verdict, queues, models in memory; of all processes."""

import asyncio
import os
import re
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gan.jobs.serving.filters import OUTCOMES
from gan.jobs.serving.inputs import OUTCOMES as MET
from gan.jobs.serving.service import Service

SHARED = "PROMETHEUS_MULTIPROC_DIR"  # folder in which the processes of one server put their figures
_EVERY = 1.0  # seconds between two looks at the queues, which other processes tell of
_LIVE = re.compile(r"gauge_live\w+_(\d+)\.db")


class Figures:
    """Of one service. Needs the package prometheus-client. Its methods may be called from any thread."""

    def __init__(self, service: Service) -> None:
        from prometheus_client import CollectorRegistry, Gauge, Histogram
        from prometheus_client import Counter as Counted

        self._service, self._folder = service, os.environ.get(SHARED)
        if self._folder is not None:
            _forget_dead(Path(self._folder))
        self.registry = own = CollectorRegistry()
        self._requests = Counted(
            "gan_requests", "Requests by route and status.", ["route", "status"], registry=own
        )
        self._seconds = Histogram("gan_request_seconds", "Time to the whole answer.", ["route"], registry=own)
        self._images = Counted("gan_images", "Images by verdict.", ["verdict"], registry=own)
        self._inputs = Counted(
            "gan_inputs", "Requests that met or neared what is blocked.", ["outcome"], registry=own
        )
        self._waiting, self._loaded = (
            Gauge(name, text, ["model"], registry=own, multiprocess_mode="livesum")
            for name, text in (
                ("gan_waiting_images", "Images that wait for a model."),
                ("gan_model_loaded", "Processes with a model in memory."),
            )
        )
        self._stuck = Gauge(
            "gan_input_classifier_stuck",
            "Calls of the operator's classifier that are past their time and have not come back.",
            registry=own,
            multiprocess_mode="livesum",
        )
        self._told: Counter[str] = Counter()  # images by verdict, and inputs by outcome, that were counted
        self._lock = threading.Lock()

    def count(self, route: str, status: int, seconds: float) -> None:
        """One request that was answered. route: its template, so that no client makes up series."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def look(self) -> None:
        """Take over what the service counts itself; waits while a model is read."""
        engine = self._service.engine
        with self._lock:
            present = engine.loaded()
            for name in engine.models.facts:
                self._waiting.labels(name).set(engine.waiting(name))
                self._loaded.labels(name).set(name in present)
            self._add(self._images, self._service.verdicts, OUTCOMES.values())
            self._add(self._inputs, self._service.inputs.counts, MET)
            self._stuck.set(self._service.inputs.stuck)

    def _add(self, counted: Any, seen: Mapping[str, int], names: Iterable[str]) -> None:
        """What was seen since the last look."""
        for name in names:
            counted.labels(name).inc(seen[name] - self._told[name])
            self._told[name] = seen[name]

    async def keep_looking(self) -> None:
        """For as long as the server runs: the process that is asked cannot look into the others."""
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(_EVERY)

    def text(self) -> tuple[bytes, str]:
        """(body, media type) of GET /metrics."""
        from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        self.look()
        registry = self.registry
        if self._folder is not None:
            registry = CollectorRegistry()
            MultiProcessCollector(registry, self._folder)
        return generate_latest(registry), CONTENT_TYPE_LATEST


def _forget_dead(folder: Path) -> None:
    """Let go of what processes that were killed told of their queues and models."""
    from prometheus_client.multiprocess import mark_process_dead

    for file in folder.glob("*.db"):
        if (found := _LIVE.fullmatch(file.name)) and not _alive(int(found[1])):
            mark_process_dead(int(found[1]), str(folder))


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # of another user
        return True
    return True

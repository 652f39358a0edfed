"""Figures for Prometheus: requests, times, images by verdict, queues, models in memory."""

from collections.abc import Iterator
from typing import Any

from gan.jobs.serving.filters import OUTCOMES
from gan.jobs.serving.service import Service


class Figures:
    """Of one service. Needs the package prometheus-client."""

    def __init__(self, service: Service) -> None:
        from prometheus_client import CollectorRegistry, Counter, Histogram

        self._service = service
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "gan_requests", "Requests by route and status.", ["route", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "gan_request_seconds", "Time to the whole answer.", ["route"], registry=self.registry
        )
        self.registry.register(self)

    def count(self, route: str, status: int, seconds: float) -> None:
        """One request that was answered. route: its template, so that no client makes up series."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def collect(self) -> Iterator[Any]:
        """What is read off the service when it is asked for, as prometheus_client has it."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        models = self._service.models
        waiting = GaugeMetricFamily("gan_waiting_images", "Images that wait for a model.", labels=["model"])
        loaded = GaugeMetricFamily("gan_model_loaded", "Whether a model is in memory.", labels=["model"])
        present = models.loaded()
        for name in models.facts:
            waiting.add_metric([name], models.waiting(name))
            loaded.add_metric([name], name in present)
        images = CounterMetricFamily("gan_images", "Images by verdict.", labels=["verdict"])
        for verdict in OUTCOMES.values():
            images.add_metric([verdict], self._service.verdicts[verdict])
        inputs = CounterMetricFamily(
            "gan_inputs", "Requests that met or neared what is blocked.", labels=["outcome"]
        )
        for outcome in ("refused", "near", "failed"):
            inputs.add_metric([outcome], self._service.inputs.counts[outcome])
        yield from (waiting, loaded, images, inputs)

    def text(self) -> tuple[bytes, str]:
        """(body, media type) of GET /metrics."""
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        return generate_latest(self.registry), CONTENT_TYPE_LATEST

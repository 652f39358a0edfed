"""What turns accepted orders into files: models, filters and marks, in this process or in others.

An engine knows neither keys, quotas nor the log, and signs nothing: it may run anywhere, and do a job twice.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor

from gan.devices import pick
from gan.jobs.serving.batching import Expired, Wish
from gan.jobs.serving.filters import Filters
from gan.jobs.serving.finishing import Tools, finished
from gan.jobs.serving.models import Catalogue, Facts, Models
from gan.jobs.serving.orders import Job, Made
from gan.jobs.serving.settings import ServeConfig
from gan.jobs.serving.watermarking import Watermarking

GIB = 2**30


class Engine(Protocol):
    """What draws for a service."""

    @property
    def models(self) -> Catalogue:
        """What is known of those that are served."""

    def expecting(self, model: str) -> contextlib.AbstractContextManager[None]:
        """A request is being checked within the block; its job may be drawn right after it."""

    async def draw(self, job: Job, seconds: float) -> Callable[[], list[Made]]:
        """What gives the files of a job, not signed yet, one a seed in their order; it may take time.

        seconds: in which the images must have been drawn. Raises Overloaded, Closed and Expired. Cancelling
        it lets go of what has not begun.
        """

    def finishing(self, model: str, images: int) -> contextlib.AbstractContextManager[None]:
        """So many images were drawn, and within the block their files are made: too many are overload."""

    def told(self) -> dict[str, Any]:
        """What clients hear: `filters`, names of those that are on, and `memorisation`, None or its facts."""

    def waiting(self, model: str) -> int:
        """Images that wait for a model."""

    def loaded(self) -> list[str]:
        """Names of the models in memory."""

    def close(self) -> None:
        """Finish what was accepted; nothing more is."""


class LocalEngine:
    """In this process.

    models: None for those of the settings.  capacity: images that may wait for a model, None for the
    settings' own number.  secret: of the watermark; None takes the one in the state folder.
    Raises UserError where models or filters cannot be had.
    """

    def __init__(
        self,
        settings: ServeConfig,
        *,
        models: Sequence[Facts] | None = None,
        capacity: int | None = None,
        secret: bytes | None = None,
    ) -> None:
        self.filters = Filters(settings)
        watermarking = Watermarking(settings, secret)
        self.models = Models(
            settings.models if models is None else models,
            device=settings.device,
            capacity=capacity or settings.queue,
            memory=None if settings.memory_gib is None else settings.memory_gib * GIB,
            directions=settings.directions,
        )
        self.times = self.models.times
        self._tools = Tools(filters=self.filters, watermarking=watermarking, times=self.times)
        self._device = pick(settings.device)

    def expecting(self, model: str) -> contextlib.AbstractContextManager[None]:
        """As `Engine.expecting` has it."""
        return self.models.expecting(model)

    async def draw(self, job: Job, seconds: float) -> Callable[[], list[Made]]:
        """As `Engine.draw` has it."""
        wishes = self.models.wishes(job.order, job.urgent)
        images = await self._drawn(job.order.model, wishes, seconds)
        return partial(self._files, job, images)

    def finishing(self, model: str, images: int) -> contextlib.AbstractContextManager[None]:
        """As `Engine.finishing` has it."""
        return self.models.finishing(model, images)

    def told(self) -> dict[str, Any]:
        """As `Engine.told` has it, with the device, its threads, and the version of PyTorch."""
        near = self.filters.memorised
        return {
            "filters": list(self.filters.names),
            "memorisation": near and near.told(),
            "device": str(self._device),
            "threads": torch.get_num_threads(),
        }

    def waiting(self, model: str) -> int:
        """As `Engine.waiting` has it."""
        return self.models.waiting(model)

    def loaded(self) -> list[str]:
        """As `Engine.loaded` has it, the one asked for last at the end."""
        return self.models.loaded()

    def close(self) -> None:
        """As `Engine.close` has it."""
        self.models.close()

    async def _drawn(self, model: str, wishes: Sequence[Wish], seconds: float) -> list[Tensor]:
        """The images of wishes; all of them are let go where one fails or the deadline passes."""
        futures = self.models.submit(model, wishes, seconds)
        images = [asyncio.wrap_future(future) for future in futures]
        try:
            done, late = await asyncio.wait(images, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
            for image in done:
                image.result()  # raises what became of it
            if late:
                raise Expired(f"the images were not made within {seconds:g} s: ask for fewer")
            return [image.result() for image in images]
        finally:
            for future, image in zip(futures, images, strict=True):
                future.cancel()
                if image.done() and not image.cancelled():
                    image.exception()  # heard, or asyncio complains that nobody did

    def _files(self, job: Job, images: Sequence[Tensor]) -> list[Made]:
        pairs = zip(job.order.seeds, images, strict=True)
        return [finished(self._tools, job, seed, image) for seed, image in pairs]

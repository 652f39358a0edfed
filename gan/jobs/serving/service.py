"""One order, from a known key to files that may leave: policy, quota, queue, filters, marks, audit."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from gan.errors import UsageError, UserError
from gan.jobs.serving.audit import Audit
from gan.jobs.serving.batching import Expired, Wish
from gan.jobs.serving.filters import Filters, Verdict, leaving
from gan.jobs.serving.inputs import Inputs
from gan.jobs.serving.keys import Database, Key, Keys
from gan.jobs.serving.marks import Origin, marked
from gan.jobs.serving.models import Models
from gan.jobs.serving.quotas import LocalUsage, Usage
from gan.jobs.serving.settings import ServeConfig
from gan.jobs.serving.shared import SharedUsage


class Forbidden(UserError):
    """The key is known and may not do this."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """model: a name.  form: png, webp, jpeg, or zip for several.  label: as `Facts.label` takes it."""

    model: str
    seeds: tuple[int, ...]
    label: int | str | tuple[float, ...] | None = None
    psi: float = 1.0
    form: str = "png"


@dataclass(frozen=True, kw_only=True)
class Made:
    """An image as a file, None where its verdict holds it back."""

    seed: int
    verdict: Verdict
    data: bytes | None


class Service:
    """All that a server has, for the settings of `gan serve`.

    Raises UserError where models, keys, log or filters cannot be had. `close` it.
    """

    def __init__(self, settings: ServeConfig) -> None:
        self.settings = settings
        self.filters = Filters(settings)
        self.models = Models(
            settings.models,
            device=settings.device,
            capacity=settings.queue,
            memory=None if settings.memory_gib is None else settings.memory_gib * 2**30,
        )
        self.audit = Audit(Path(settings.state))
        self._database = Database(settings.state)
        self.keys = Keys(self._database)
        self.usage: Usage = (
            LocalUsage(self._database) if settings.redis is None else SharedUsage(settings.redis)
        )
        self.inputs = Inputs(settings, self.models.facts, self.usage)
        self.verdicts: Counter[str] = Counter()  # images by what became of them
        self.audit.append({"event": "started", "models": sorted(self.models.facts)})

    async def make(self, key: Key, order: Order, request: str) -> list[Made]:
        """The images of an order, in the order of its seeds. request: a name of it for the log.

        Raises Forbidden without the role or the attestation that the settings require, Refused for what is
        blocked, UsageError for an order that does not fit the model, TooMany, Overloaded, Closed, Expired,
        and UserError where the log cannot be written. Cancelling it lets go of what has not begun.
        """
        try:
            self._permit(key)
            texts = [text for text in (order.model, order.label) if isinstance(text, str)]
            if await asyncio.to_thread(self.inputs.hear, key, texts):
                await asyncio.to_thread(self._note, key, order, request, "near miss")
            facts = self.models.of(order.model)
            label = facts.label(order.label)
            await asyncio.to_thread(self.inputs.admit, key, facts, label, texts, order.psi)
            wishes = [Wish(seed=seed, label=label, psi=order.psi) for seed in order.seeds]
            await asyncio.to_thread(self.usage.charge, key, len(wishes))
        except UserError as error:
            await asyncio.to_thread(self._note, key, order, request, type(error).__name__)
            raise
        try:
            images = await self._drawn(order.model, wishes)
            return await asyncio.to_thread(self._finish, key, order, request, images)
        except asyncio.CancelledError:  # it stays charged: the work may have been done
            self._note(key, order, request, "cancelled")
            raise
        except Exception as error:
            try:
                await asyncio.to_thread(self.usage.refund, key, len(wishes))
            finally:
                await asyncio.to_thread(self._note, key, order, request, type(error).__name__)
            raise

    def close(self) -> None:
        """Finish what was accepted, then end; call it once."""
        try:
            self.models.close()
            self.audit.append({"event": "ended"})
        finally:
            self.audit.close()
            self.usage.close()
            self._database.close()

    def _permit(self, key: Key) -> None:
        wanted = self.settings
        if not key.may("images"):
            raise Forbidden(f"the role {key.role} of this key does not allow images")
        if wanted.require_attestation and key.attested is None:
            raise Forbidden("this key carries no attestation of age and terms: ask the operator for one")
        if wanted.require_attestation and key.terms != wanted.terms:
            raise Forbidden(f"this key agreed to terms {key.terms}, not to {wanted.terms}: ask for a new one")

    async def _drawn(self, model: str, wishes: Sequence[Wish]) -> list[Tensor]:
        """The images of wishes; all of them are let go where one fails or the deadline passes."""
        seconds = self.settings.deadline_seconds
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

    def _finish(self, key: Key, order: Order, request: str, images: Sequence[Tensor]) -> list[Made]:
        """Verdicts, files, and the line in the log, without which nothing leaves."""
        digest = self.models.of(order.model).digest
        form = "png" if order.form == "zip" else order.form
        made = []
        for seed, image in zip(order.seeds, images, strict=True):
            verdict = self.filters.verdict(image)
            told = str(verdict) if verdict.reason else ""
            origin = Origin(model=order.model, digest=digest, seed=seed, verdict=told)
            left = leaving(image, verdict)
            data = None if left is None else marked(left, form, origin)
            made.append(Made(seed=seed, verdict=verdict, data=data))
        verdicts = [str(each.verdict) for each in made]
        self._note(key, order, request, "made", digest, verdicts)
        self.verdicts.update(each.verdict.outcome for each in made)
        return made

    def _note(
        self, key: Key, order: Order, request: str, event: str, digest: str = "", verdicts: Any = None
    ) -> None:
        """A line in the audit log: who, when, what was asked of which model, and what became of it."""
        asked = {"model": order.model[:100], "seeds": order.seeds, "label": order.label, "psi": order.psi}
        record = {"event": event, "request": request, "key": key.number, "name": key.name, **asked}
        self.audit.append({**record, "format": order.form, "digest": digest, "verdicts": verdicts})


def check_order(order: Order, most: int) -> None:
    """UsageError for no image or more than `most`, a seed that is named twice, and several in one file."""
    if not 1 <= len(order.seeds) <= most:
        raise UsageError(f"{len(order.seeds)} images were asked for: ask for 1 to {most}")
    if len(set(order.seeds)) < len(order.seeds):
        raise UsageError("a seed is named twice: its image is the same, ask for it once")
    if len(order.seeds) > 1 and order.form != "zip":
        raise UsageError(f"a {order.form} holds one image: ask for the format zip, or for one seed")

"""One order, from a known key to files that may leave: policy, quota, queue, filters, marks, audit."""

import asyncio
import hashlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from gan.errors import UsageError, UserError
from gan.jobs.marking.metadata import Origin, marked
from gan.jobs.serving.audit import MADE, Audit
from gan.jobs.serving.batching import Expired, Wish
from gan.jobs.serving.filters import Filters, Verdict, leaving
from gan.jobs.serving.inputs import Inputs
from gan.jobs.serving.keys import Database, Key, Keys
from gan.jobs.serving.models import Models
from gan.jobs.serving.moves import Move
from gan.jobs.serving.quotas import LocalUsage, Usage
from gan.jobs.serving.settings import ServeConfig
from gan.jobs.serving.shared import SharedUsage
from gan.jobs.serving.signing import Signing
from gan.jobs.serving.sizes import sized
from gan.jobs.serving.watermarking import Watermarking
from gan.jobs.verifying import Verdict as Authenticity
from gan.jobs.verifying import Verifier, pixel_hash


class Forbidden(UserError):
    """The key is known and may not do this."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """model: a name.  form: png, webp, jpeg, or zip for several.  label: as `Facts.label` takes it.

    moves: along directions.  size: pixels of the longer side, None as the model has it.
    inner: format of the files in a zip.
    """

    model: str
    seeds: tuple[int, ...]
    label: int | str | tuple[float, ...] | None = None
    psi: float = 1.0
    form: str = "png"
    moves: tuple[Move, ...] = ()
    size: int | None = None
    inner: str = "png"

    @property
    def file_form(self) -> str:
        """Format of each image."""
        return self.inner if self.form == "zip" else self.form


@dataclass(frozen=True, kw_only=True)
class Made:
    """An image as a file, None where its verdict holds it back.

    marked: whether it carries the watermark.  signed: whether C2PA signs it.  pixels: hash of those of a PNG,
    which saving it again without loss keeps.
    """

    seed: int
    verdict: Verdict
    data: bytes | None
    marked: bool = False
    signed: bool = False
    pixels: str | None = None


class Service:
    """All that a server has, for the settings of `gan serve`.

    Raises UserError where models, keys, log or filters cannot be had. `close` it.
    """

    def __init__(self, settings: ServeConfig) -> None:
        self.settings = settings
        self.filters = Filters(settings)
        self.watermarking = Watermarking(settings)
        self.signing = Signing(settings)
        self.models = Models(
            settings.models,
            device=settings.device,
            capacity=settings.queue,
            memory=None if settings.memory_gib is None else settings.memory_gib * 2**30,
            directions=settings.directions,
        )
        self.audit = Audit(Path(settings.state))
        self._database = Database(settings.state)
        self.keys = Keys(self._database)
        self.usage: Usage = (
            LocalUsage(self._database) if settings.redis is None else SharedUsage(settings.redis)
        )
        self.inputs = Inputs(settings, self.models.facts, self.usage)
        self.verifier = Verifier(settings.state, settings.c2pa_certificate)
        self.verdicts: Counter[str] = Counter()  # images by what became of them
        self.audit.append({"event": "started", "process": os.getpid(), "models": sorted(self.models.facts)})

    async def make(self, key: Key, order: Order, request: str) -> list[Made]:
        """The images of an order, in the order of its seeds. request: a name of it for the log.

        Raises what `accept` does, Overloaded, Closed, Expired, and UserError where the log cannot be written.
        Cancelling it lets go of what has not begun.
        """
        wishes = await asyncio.to_thread(self.accept, key, order, request)
        try:
            images = await self._drawn(order.model, wishes)
            with self.models.finishing(order.model, len(images)):
                return await asyncio.to_thread(self.finish, key, order, request, images)
        except asyncio.CancelledError:  # it stays charged: the work may have been done
            self.note(key, order, request, "cancelled")
            raise
        except Exception as error:
            try:
                await asyncio.to_thread(self.usage.refund, key, len(wishes))
            finally:
                await asyncio.to_thread(self.note, key, order, request, type(error).__name__)
            raise

    def verify(self, key: Key, data: bytes, request: str) -> Authenticity:
        """Whether a picture is ours; it is noted in the log. UsageError for what is no picture in bounds.

        Which key asked for it, and how many were made before, is for the operator alone.
        """
        found = self.verifier.verify(data)
        record = {"event": "verified", "request": request, "key": key.number, "name": key.name}
        self.audit.append({**record, "sha256": found.sha256, "ours": found.ours})
        return found.without("key", "line")

    def accept(self, key: Key, order: Order, request: str) -> list[Wish]:
        """The wishes of an order that the key may have, which is charged for them.

        Raises Forbidden without the role or the attestation that the settings require, Refused for what is
        blocked, UsageError for an order that does not fit the model, and TooMany; each is noted in the log.
        """
        try:
            self.permit(key)
            texts = [text for text in (order.model, order.label) if isinstance(text, str)]
            if self.inputs.hear(key, texts):
                self.note(key, order, request, "near miss")
            wishes, facts = self.wishes(order), self.models.of(order.model)
            self.inputs.admit(key, facts, facts.label(order.label), texts, order.psi)
            self.usage.charge(key, len(wishes))
        except UserError as error:
            self.note(key, order, request, type(error).__name__)
            raise
        return wishes

    def wishes(self, order: Order, urgent: bool = True) -> list[Wish]:
        """One a seed, urgent or not. UsageError for an order that does not fit the model."""
        label = self.models.of(order.model).label(order.label)
        self.models.moves.check(order.model, order.moves)
        asked = {"label": label, "psi": order.psi, "moves": order.moves, "urgent": urgent}
        return [Wish(seed=seed, **asked) for seed in order.seeds]

    @property
    def database(self) -> Database:
        """Of keys, their use, and batches."""
        return self._database

    def close(self) -> None:
        """Finish what was accepted, then end; call it once."""
        try:
            self.models.close()
            self.audit.append({"event": "ended", "process": os.getpid()})
        finally:
            self.audit.close()
            self.usage.close()
            self._database.close()

    def permit(self, key: Key) -> None:
        """Raises Forbidden where the key may not have images made."""
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

    def finish(self, key: Key, order: Order, request: str, images: Sequence[Tensor]) -> list[Made]:
        """Verdicts, files, and the line in the log, without which nothing leaves."""
        digest = self.models.of(order.model).digest
        made = []
        for seed, image in zip(order.seeds, images, strict=True):
            verdict = self.filters.verdict(image)
            told = str(verdict) if verdict.reason else ""
            origin, form = Origin(model=order.model, digest=digest, seed=seed, verdict=told), order.file_form
            left = leaving(image, verdict)
            data, carries, signed, pixels = None, False, False, None
            if left is not None:
                left, carries, verdict = self.watermarking.mark(sized(left, order.size), key, digest, verdict)
                data = marked(left, form, origin) if verdict.allowed else None
                data, signed, verdict = self.signing.sign(data, form, origin, verdict)
                pixels = pixel_hash(left.permute(1, 2, 0).numpy()) if data and form == "png" else None
            done = {"marked": carries, "signed": signed, "pixels": pixels}
            made.append(Made(seed=seed, verdict=verdict, data=data, **done))
        verdicts = [str(each.verdict) for each in made]
        marks = {name: [getattr(each, name) for each in made] for name in ("marked", "signed", "pixels")}
        marks["sha256"] = [each.data and hashlib.sha256(each.data).hexdigest() for each in made]
        self.note(key, order, request, MADE, digest, verdicts, marks)
        self.verdicts.update(each.verdict.outcome for each in made)
        return made

    def note(
        self,
        key: Key,
        order: Order,
        request: str,
        event: str,
        digest: str = "",
        verdicts: Any = None,
        marks: Mapping[str, Any] | None = None,
    ) -> None:
        """A line in the audit log: who, when, what was asked of which model, and what became of it."""
        asked = {"model": order.model[:100], "seeds": order.seeds, "label": order.label, "psi": order.psi}
        asked |= {"directions": order.moves, "size": order.size, "format": order.form}
        record = {"event": event, "request": request, "key": key.number, "name": key.name, **asked}
        self.audit.append({**record, "digest": digest, "verdicts": verdicts, **(marks or {})})


def check_order(order: Order, most: int) -> None:
    """UsageError for no image or more than `most`, a seed that is named twice, and several in one file."""
    if not 1 <= len(order.seeds) <= most:
        raise UsageError(f"{len(order.seeds)} images were asked for: ask for 1 to {most}")
    if len(set(order.seeds)) < len(order.seeds):
        raise UsageError("a seed is named twice: its image is the same, ask for it once")
    if len(order.seeds) > 1 and order.form != "zip":
        raise UsageError(f"a {order.form} holds one image: ask for the format zip, or for one seed")

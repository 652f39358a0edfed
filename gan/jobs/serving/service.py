"""One order, from a known key to files that may leave: policy, quota, images, signature, audit."""

import asyncio
import hashlib
import os
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gan.errors import UserError
from gan.jobs.serving.audit import MADE, Audit
from gan.jobs.serving.database import Database
from gan.jobs.serving.engine import Engine, LocalEngine
from gan.jobs.serving.finishing import sign
from gan.jobs.serving.inputs import Inputs
from gan.jobs.serving.keys import Key, Keys
from gan.jobs.serving.orders import Job, Made, Order
from gan.jobs.serving.quotas import LocalUsage, Usage
from gan.jobs.serving.settings import ServeConfig
from gan.jobs.serving.shared import SharedUsage
from gan.jobs.serving.shared_keys import SharedKeys
from gan.jobs.serving.signing import Signing
from gan.jobs.serving.times import Times
from gan.jobs.verifying import Verdict as Authenticity
from gan.jobs.verifying import Verifier


class Forbidden(UserError):
    """The key is known and may not do this."""


class Service:
    """All that a server has, for the settings of `gan serve`.

    engine: what draws the images; None for one in this process. It is closed with the service.
    Raises UserError where models, keys, log or filters cannot be had. `close` it.
    """

    def __init__(self, settings: ServeConfig, engine: Engine | None = None) -> None:
        self.settings = settings
        self.signing = Signing(settings)
        self.engine: Engine = LocalEngine(settings) if engine is None else engine
        self.models = self.engine.models
        self.audit = Audit(Path(settings.state))
        self._database = Database(settings.state)
        self.keys, self.usage = self._books(settings.redis)
        self.inputs = Inputs(settings, self.models.facts, self.usage)
        self.verifier = Verifier(settings.state, settings.c2pa_certificate)
        self.verdicts: Counter[str] = Counter()  # images by what became of them
        self.times = Times()  # of what is not the engine's
        self.audit.append({"event": "started", "process": os.getpid(), "models": sorted(self.models.facts)})

    def _books(self, redis: str | None) -> tuple[Keys, Usage]:
        """Keys and their use: of this machine, or of all that name one Redis."""
        if redis is None:
            return Keys(self._database), LocalUsage(self._database)
        if left := len(Keys(self._database).all()):
            warnings.warn(
                f"{left} keys of {self._database.path} open nothing while redis is set:"
                " gan serve keys share --config FILE moves them there",
                stacklevel=3,
            )
        usage = SharedUsage(redis)
        return Keys(SharedKeys(usage.client)), usage

    async def make(self, key: Key, order: Order, request: str) -> list[Made]:
        """The images of an order, in the order of its seeds. request: a name of it for the log.

        Raises what `accept` does, Overloaded, Closed, Expired, and UserError where the log cannot be written.
        Cancelling it lets go of what has not begun.
        """
        with self.engine.expecting(order.model):
            job = await asyncio.to_thread(self.accept, key, order, request)
        try:
            files = await self.engine.draw(job, self.settings.deadline_seconds)
            with self.engine.finishing(order.model, len(order.seeds)):
                return await asyncio.to_thread(self.finish, job, request, files)
        except asyncio.CancelledError:  # it stays charged: the work may have been done
            self.note(key, order, request, "cancelled")
            raise
        except Exception as error:
            try:
                await asyncio.to_thread(self.usage.refund, key, len(order.seeds))
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

    def accept(self, key: Key, order: Order, request: str) -> Job:
        """The order as a job, for whose images the key is charged.

        Raises Forbidden without the role or the attestation that the settings require, Refused for what is
        blocked, UsageError for an order that does not fit the model, and TooMany; each is noted in the log.
        """
        try:
            self.permit(key)
            texts = [text for text in (order.model, order.label) if isinstance(text, str)]
            if self.inputs.hear(key, texts):
                self.note(key, order, request, "near miss")
            wishes, facts = self.models.wishes(order), self.models.of(order.model)
            self.inputs.admit(key, facts, facts.label(order.label), texts, order.psi)
            self.usage.charge(key, len(wishes))
        except UserError as error:
            self.note(key, order, request, type(error).__name__)
            raise
        return Job(key=key, order=order, digest=facts.digest)

    @property
    def database(self) -> Database:
        """Of keys, their use, and batches."""
        return self._database

    def close(self) -> None:
        """Finish what was accepted, then end; call it once."""
        try:
            self.engine.close()
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

    def finish(self, job: Job, request: str, files: Callable[[], list[Made]]) -> list[Made]:
        """What leaves of `files`, as `Engine.draw` gives them: signed, and noted in the log, without which
        nothing does.
        """
        drawn = files()
        with self.times.of("sign"):
            made = [sign(self.signing, job, each) for each in drawn]
        verdicts = [str(each.verdict) for each in made]
        marks = {name: [getattr(each, name) for each in made] for name in ("marked", "signed", "pixels")}
        marks["sha256"] = [each.data and hashlib.sha256(each.data).hexdigest() for each in made]
        with self.times.of("log"):
            self.note(job.key, job.order, request, MADE, job.digest, verdicts, marks)
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

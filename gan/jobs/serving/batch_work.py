"""Makes the images of batches, a few at a time, in the room that urgent ones leave in the queues.

One thread a process takes the batch that was worked on longest ago, gives at most BATCH of its seeds to the
model's queue, and writes their files, so that no batch waits for the end of another. Several processes take
different batches. At the end of a server the images at work are finished, and the rest when one starts again.
"""

import asyncio
import contextlib
import secrets
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from typing import Any

from gan.errors import UserError
from gan.files import atomic_bytes
from gan.jobs.serving.batches import Batch, Batches
from gan.jobs.serving.batching import Closed
from gan.jobs.serving.keys import Key
from gan.jobs.serving.orders import Job, Made, Order
from gan.jobs.serving.packing import file_name, manifest, record_of
from gan.jobs.serving.service import Forbidden, Service
from gan.sampling import BATCH

_PAUSE = 1.0  # seconds between looks for batches of other processes, and before another attempt
_SWEEP = 60.0  # seconds between looks for what has expired
_ATTEMPTS = 3  # after which a batch is given up
_FOR_EVER = 1e9  # seconds: nobody waits
_DAY = 86_400
_GIB = 2**30


class Full(UserError):
    """The disk that batches may take is taken. retry_after: seconds after which there may be room."""

    retry_after = 3600

    def __init__(self) -> None:
        super().__init__("no room for more batches: remove what you have fetched, or ask later")


class BatchWork:
    """The batches of a service, worked on from `start` to `close`."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.batches = Batches(service.database, service.settings.state)
        self._ending, self._wake = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="batches", daemon=True)
        self._failures: Counter[str] = Counter()
        self._swept = float("-inf")

    def start(self) -> None:
        """Go on with what was accepted before, and with what comes."""
        self._thread.start()

    def close(self) -> None:
        """Finish the images at work."""
        self._ending.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def accept(self, key: Key, order: Order, request: str) -> Batch:
        """Charge for a batch and keep it. Raises what `Service.accept` does, and Full.

        request: its name in the log, where it is refused.
        """
        service = self._service
        if self._full():
            raise Full
        job = service.accept(key, order, request)
        try:
            number = secrets.token_hex(16)
            service.note(key, order, number, "batch accepted")
            batch = self.batches.add(number, key.number, order, job.digest)
        except UserError:
            service.usage.refund(key, len(order.seeds))
            raise
        self._wake.set()
        return batch

    def remove(self, key: Key, batch: Batch) -> None:
        """Cancel a batch, and remove its files. What was not begun is given back to the key that asked."""
        gone = self.batches.remove(batch)
        if gone is None:
            return
        left = 0 if gone.finished is not None else gone.total - gone.begun
        self._refund(gone, left)
        event = "batch removed" if gone.finished is not None else "batch cancelled"
        record = {"event": event, "request": gone.id, "key": key.number, "name": key.name}
        self._service.audit.append({**record, "not_begun": left})

    def _run(self) -> None:
        while not self._ending.is_set():
            worked = False
            try:
                if self._swept + _SWEEP < time.monotonic():
                    self.batches.sweep(self._service.settings.batch_hours)
                    self._swept = time.monotonic()
                worked = any(map(self._tried, self.batches.unfinished()))
            except Exception as error:  # the database; what it holds is gone on with when it answers again
                print(f"gan: batches: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            if not worked:
                self._wake.wait(_PAUSE)
                self._wake.clear()

    def _tried(self, number: str) -> bool:
        """Whether something was made of a batch; False where another process has it, or at the end."""
        with self.batches.held(number) as mine:
            batch = self.batches.of(number) if mine and not self._ending.is_set() else None
            if batch is None or batch.finished is not None:
                return False
            try:
                self._go_on(batch)
            except Closed:
                return False
            except Exception as error:
                print(f"gan: batch {number}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
                self._failures[number] += 1
                if self._failures[number] == _ATTEMPTS:
                    self._fail(batch, "the server could not make it")
                return False
            self._failures.pop(number, None)
            return True

    def _go_on(self, batch: Batch) -> None:
        """The next images of a batch, or its end."""
        done = self.batches.progress(batch).done
        key = self._key(batch)
        if reason := self._refused(batch, key):
            self._fail(batch, reason)
        elif done == batch.total:
            self.batches.finish(batch, self._about(batch))
        elif self._full():
            self._fail(batch, "the disk that batches may take is taken")
        else:
            self._make(batch, key, done)

    def _make(self, batch: Batch, key: Key | None, done: int) -> None:
        part = replace(batch.order, seeds=batch.order.seeds[done : done + BATCH])
        if key is None or not self.batches.begin(batch, done + len(part.seeds)):
            return
        job = Job(key=key, order=part, digest=batch.digest, urgent=False)
        files = asyncio.run(self._service.engine.draw(job, _FOR_EVER))
        made = self._service.finish(job, batch.id, files)
        if not self.batches.keep(batch, done, [self._written(batch, part, each) for each in made]):
            self.batches.discard(batch)  # it was removed meanwhile
        elif done + len(part.seeds) == batch.total:
            self.batches.finish(batch, self._about(batch))

    def _written(self, batch: Batch, part: Order, made: Made) -> tuple[dict[str, Any], str | None]:
        """Record and file name of an image, which is on the disk."""
        if made.data is None:
            return record_of(made), None
        name = file_name(part, made.seed)
        atomic_bytes(self.batches.place(batch) / name, made.data)
        return record_of(made), name

    def _refused(self, batch: Batch, key: Key | None) -> str | None:
        """Why a batch that was accepted may not go on."""
        facts = self._service.models.facts.get(batch.order.model)
        if facts is None or facts.digest != batch.digest:
            return "the model is no longer the one that was asked"
        if key is None or key.state(time.time()) != "valid":
            return "the key is no longer valid"
        try:
            self._service.permit(key)
        except Forbidden as error:
            return str(error)
        return None

    def _fail(self, batch: Batch, reason: str) -> None:
        """End a batch with what is done of it; the rest is given back."""
        self._refund(batch, batch.total - self.batches.progress(batch).done)
        try:
            self.batches.finish(batch, self._about(batch), reason)
        except (UserError, OSError):
            self.batches.give_up(batch, reason)

    def _about(self, batch: Batch) -> dict[str, Any]:
        return manifest(batch.order, batch.digest, [])

    def _key(self, batch: Batch) -> Key | None:
        return self._service.keys.of(batch.key)

    def _refund(self, batch: Batch, images: int) -> None:
        """Of the day on which it was charged; another day's quota is not made larger by it."""
        key = self._key(batch)
        if key is not None and images and batch.created // _DAY == time.time() // _DAY:
            with contextlib.suppress(UserError):
                self._service.usage.refund(key, images)

    def _full(self) -> bool:
        return self.batches.bytes() >= self._service.settings.batch_disk_gib * _GIB

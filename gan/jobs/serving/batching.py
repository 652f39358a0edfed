"""Micro-batches: wishes of many clients ride through the network together, and none is lost or doubled.

A queue has one thread, which takes the oldest urgent wish and up to BATCH - 1 others of its kind. The
network always sees a batch of that size, filled up where wishes run out (`gan.sampling.images`), so that an
image has the same bytes whoever it rode with. Memory is bounded: a queue that is full refuses at once.
"""

import contextlib
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from torch import Tensor

from gan.errors import UserError
from gan.jobs.serving.moves import Move
from gan.sampling import BATCH

_USUAL = 1.0  # seconds that a batch is taken to need before one was measured
_GATHERING = 0.02  # seconds for which a batch that is not full waits for more wishes, where it takes as long
_MEMORY = 0.8  # weight of earlier batches in the measured time of one


class Overloaded(UserError):
    """The queue is full. retry_after: whole seconds after which there should be room."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"the queue is full: ask again in {retry_after} s")
        self.retry_after = retry_after


class Closed(UserError):
    """The server is ending: what was accepted is finished, nothing more is."""


class Expired(UserError):
    """The deadline passed before the image was begun."""


class Died(UserError):
    """What draws was ended from outside. It is told as an ordinary error, or it would end the server too."""

    def __init__(self, by: str) -> None:
        super().__init__(f"the images of a batch were not drawn: {by}")


@dataclass(frozen=True, kw_only=True)
class Wish:
    """One image. label: a class, a vector of conditions, or None to draw it from the seed.

    moves: along directions.  urgent: whether somebody waits for it; others are drawn when none of these is
    left to begin with, and in the room that these leave in a batch.
    """

    seed: int
    label: int | tuple[float, ...] | None = None
    psi: float = 1.0
    moves: tuple[Move, ...] = ()
    urgent: bool = True

    @property
    def kind(self) -> tuple[float, tuple[Move, ...]]:
        """What all images of a batch have in common."""
        return self.psi, self.moves


@dataclass
class _Waiting:
    wish: Wish
    deadline: float  # time.monotonic()
    image: "Future[Tensor]" = field(default_factory=Future)


class Queue:
    """Wishes -> images, by one thread, which starts with the first wish.

    draw: up to `batch` wishes of one kind -> as many uint8 [C, H, W]; what it raises reaches those wishes.
    capacity: urgent wishes that may wait, and images in `finishing` from which none is accepted; who submits
    others bounds them.
    Its methods may be called from any thread.
    """

    def __init__(
        self, draw: Callable[[Sequence[Wish]], Sequence[Tensor]], capacity: int, batch: int = BATCH
    ) -> None:
        self._draw, self._capacity, self._batch = draw, capacity, batch
        self._waiting: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._finishing = 0  # images
        self._expected = 0  # requests
        self._thread: threading.Thread | None = None
        self._seconds = _USUAL  # of a batch
        self._riders, self._ended = 0, 0.0  # of the last batch: its wishes, and time.monotonic() at its end

    def __len__(self) -> int:
        """How many wishes wait, those cancelled left out."""
        with self._changed:
            return sum(not each.image.cancelled() for each in self._waiting)

    def submit(self, wishes: Sequence[Wish], seconds: float) -> list["Future[Tensor]"]:
        """Accept all of the wishes or none; a future each, which may be cancelled until its batch begins.

        seconds: in which each must have begun, else its future raises Expired.
        Raises Overloaded where not all have room, and Closed after `close`.
        """
        entries = [_Waiting(wish, time.monotonic() + seconds) for wish in wishes]
        with self._changed:
            if self._closing:
                raise Closed("the server is ending: ask another one, or again in a moment")
            asked = sum(wish.urgent for wish in wishes)
            if self._urgent() + asked > self._capacity:
                self._waiting = deque(each for each in self._waiting if not each.image.cancelled())
            if asked and max(self._urgent() + asked, self._finishing) > self._capacity:
                raise Overloaded(self._wait())
            self._waiting.extend(entries)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="images", daemon=True)
                self._thread.start()
            self._changed.notify()
        return [each.image for each in entries]

    @contextlib.contextmanager
    def finishing(self, images: int) -> Iterator[None]:
        """So many images were drawn, and within the block wait for filters and marks, or pass them."""
        with self._changed:
            self._finishing += images
        try:
            yield
        finally:
            with self._changed:
                self._finishing -= images

    @contextlib.contextmanager
    def expecting(self) -> Iterator[None]:
        """A request is being checked within the block, and may be submitted right after it."""
        with self._changed:
            self._expected += 1
        try:
            yield
        finally:
            with self._changed:
                self._expected -= 1
                self._changed.notify()

    def close(self) -> None:
        """Accept nothing more, finish what was accepted, and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _urgent(self) -> int:
        return sum(each.wish.urgent for each in self._waiting)

    def _wait(self) -> int:
        """Seconds until half of what is urgent is done."""
        return max(1, math.ceil(self._seconds * self._urgent() / self._batch / 2))

    def _run(self) -> None:
        while batch := self._next():
            began = time.monotonic()
            try:
                images = self._draw([each.wish for each in batch])
                for each, image in zip(batch, images, strict=True):
                    each.image.set_result(image)
            except BaseException as error:  # whatever it is, the next batch is drawn
                known = error if isinstance(error, Exception) else Died(type(error).__name__)
                for each in batch:
                    if not each.image.done():
                        each.image.set_exception(known)
            self._riders, self._ended = len(batch), time.monotonic()
            self._seconds = _MEMORY * self._seconds + (1 - _MEMORY) * (self._ended - began)

    def _next(self) -> list[_Waiting]:
        """The next batch, waited for; none at the end."""
        with self._changed:
            is_asked = self._riders > 0 and len(self._waiting) > 0  # while the batch before was drawn
            while True:
                if self._waiting:
                    self._gather(is_asked or self._is_answered())
                    is_asked = False
                if batch := self._taken():
                    return batch
                if self._closing:
                    return []
                self._changed.wait()

    def _is_answered(self) -> bool:
        """Whether several wishes were answered just now: who sent them may ask again at once."""
        return self._riders > 1 and time.monotonic() < self._ended + self._seconds

    def _gather(self, is_busy: bool) -> None:
        """Wait a moment until a batch is full: one image costs as much as eight.

        is_busy: whether more may come that is not expected yet; else it waits while a request is expected.
        The moment is the part of a batch's time that one more image in it saves, or _GATHERING where that is
        longer and no longer than a batch.
        """
        late = time.monotonic() + max(min(self._seconds, _GATHERING), self._seconds / self._batch)
        while 0 < len(self._waiting) < self._batch and not self._closing and (is_busy or self._expected):
            if not self._changed.wait(max(0.0, late - time.monotonic())):
                return

    def _taken(self) -> list[_Waiting]:
        """The oldest wish, an urgent one first, and others of its kind; late and cancelled ones go."""
        batch: list[_Waiting] = []
        rest: deque[_Waiting] = deque()
        now = time.monotonic()
        for each in sorted(self._waiting, key=lambda each: not each.wish.urgent):
            if len(batch) == self._batch or (batch and each.wish.kind != batch[0].wish.kind):
                rest.append(each)
            elif not each.image.set_running_or_notify_cancel():
                continue
            elif each.deadline < now:
                each.image.set_exception(Expired("the deadline passed while the request waited: ask again"))
            else:
                batch.append(each)
        self._waiting = rest
        return batch

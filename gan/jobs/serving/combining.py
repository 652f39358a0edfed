"""One piece of work for all threads that wait for it: many lines, or many counts, for one flush to the disk.

Threads that come while the work is at the disk wait; the first of them then does it for all of them (flat
combining, Hendler et al. 2010). Who comes alone waits for nobody.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")


class _Waiting(Generic[Given, Made]):
    """What one thread gave, and what became of it: `made`, or an `error`, once it is done."""

    def __init__(self, given: Given) -> None:
        self.given = given
        self.is_done = False
        self.made: Made | None = None
        self.error: BaseException | None = None


class Combined(Generic[Given, Made]):
    """`work` on one thing after another, or on several at once; may be called from any thread.

    work: things in the order in which they came -> what becomes of each, an exception for one that failed.
    What it raises reaches all of them.
    """

    def __init__(self, work: Callable[[Sequence[Given]], Sequence[Made | BaseException]]) -> None:
        self._work = work
        self._coming: deque[_Waiting[Given, Made]] = deque()
        self._lock = threading.Lock()

    def __call__(self, given: Given) -> Made:
        """What becomes of it. Raises what the work did."""
        own: _Waiting[Given, Made] = _Waiting(given)
        self._coming.append(own)
        with self._lock:
            if not own.is_done:
                self._do()
        if own.error is not None:
            raise own.error
        return own.made  # type: ignore[return-value]  # it is done

    def _do(self) -> None:
        """All that has come until now."""
        together = [self._coming.popleft() for _ in range(len(self._coming))]
        try:
            found = self._work([each.given for each in together])
            for each, made in zip(together, found, strict=True):
                if isinstance(made, BaseException):
                    each.error = made
                else:
                    each.made = made
        except BaseException as error:
            for each in together:
                each.error = error
        finally:
            for each in together:
                each.is_done = True

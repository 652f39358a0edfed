"""The operator's own function, asked about every request within a time: one that hangs refuses, and no more.

Nothing can end a thread of Python from outside, so each question has a thread of its own, which is left alone
once its time is over: who asked goes on, and what it says later is not heard. There are MOST of them at most.
While all of them are late, questions are refused at once, without a thread or a wait.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late  # the built-in one only from Python 3.11 on
from typing import Any

from gan.errors import UserError

MOST = 16  # threads
Hook = Callable[[dict[str, Any]], object]


class Undecided(UserError):
    """The function did not answer in time, or has too many questions already. retry_after: seconds."""

    retry_after = 5

    def __init__(self) -> None:
        super().__init__("what was asked for could not be checked in time: ask again later")


class Asked:
    """The function `hook`, within `seconds` for each question. Methods may be called from any thread."""

    def __init__(self, hook: Hook, seconds: float) -> None:
        self._hook, self._seconds = hook, seconds
        self._rooms = threading.Semaphore(MOST)
        self._counting, self._late = threading.Lock(), 0

    @property
    def late(self) -> int:
        """Questions whose time is over and which the function is still at."""
        return self._late

    def __call__(self, question: dict[str, Any]) -> object:
        """What the function returns, or raises. Raises Undecided."""
        ends = time.monotonic() + self._seconds
        if self._late >= MOST or not self._rooms.acquire(timeout=self._seconds):
            raise Undecided
        answer: Future[object] = Future()
        try:
            threading.Thread(target=self._ask, args=(question, answer), name="hook", daemon=True).start()
        except BaseException:  # the machine has no thread left
            self._rooms.release()
            raise
        try:
            return answer.result(max(0.0, ends - time.monotonic()))
        except Late:
            if self._left(answer):
                raise Undecided from None
            return answer.result()

    def _ask(self, question: dict[str, Any], answer: "Future[object]") -> None:
        try:
            found, error = self._hook(question), None
        except BaseException as raised:  # also SystemExit: a thread that ends without a word is waited for
            found, error = None, raised
        with self._counting:
            self._late -= answer.cancelled()
            if error is not None and not answer.cancelled():
                answer.set_exception(error)
            elif not answer.cancelled():
                answer.set_result(found)
        self._rooms.release()

    def _left(self, answer: "Future[object]") -> bool:
        """Whether the thread of a question is left alone: it has not answered, and is late from now on."""
        with self._counting:
            left = answer.cancel()
            self._late += left
            return left

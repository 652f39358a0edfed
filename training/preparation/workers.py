"""Work on many items in processes that may crash, hang or run out of memory without ending the whole.

Decoders of files of strangers are C code: an exception is not all that can come of them. Each item has a
limit of time; a process that exceeds it, or dies, is replaced, and the item gets a `Failure` as its result.
"""

import contextlib
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

SECONDS = 10.0  # that one item may take
MEMORY = 4 * 2**30  # bytes that a process may take beyond what it has at its start
_GRACE = 1.0  # seconds more, for a machine that stood still
_START = 120.0  # seconds until a process is up: imports on a slow disk
_AHEAD = 4  # items that wait in a process, so that it is never idle
_WINDOW = 64  # results a process that may wait for an earlier one

Runner = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]  # `run`, or one on other machines


@dataclass(frozen=True)
class Failure:
    """What came of an item instead of a result."""

    detail: str


class _Worker:
    """One process with the items that it has been given, oldest first."""

    def __init__(self, function: Callable[[Any], Any], seconds: float) -> None:
        # spawn: the caller may hold threads, which a fork would lose
        context = get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process: BaseProcess = context.Process(target=_serve, args=(other, function), daemon=True)
        self.process.start()
        other.close()
        self.waiting: deque[tuple[int, Any]] = deque()
        self.seconds = seconds
        self._deadline = time.monotonic() + _START
        self.ready = False

    def give(self, number: int, item: Any) -> None:
        """Add an item. A broken pipe is seen when its answer is waited for."""
        if not self.waiting and self.ready:
            self._deadline = time.monotonic() + self.seconds
        self.waiting.append((number, item))
        with contextlib.suppress(OSError):
            self.pipe.send(item)

    def answer(self) -> tuple[int, Any] | None:
        """The oldest item's number and result; None for the word that the process is up.

        Raises EOFError where the process has died.
        """
        try:
            result = self.pipe.recv()
        except OSError as error:
            raise EOFError from error
        self._deadline = time.monotonic() + self.seconds
        if not self.ready:
            self.ready = True
            return None
        return self.waiting.popleft()[0], result

    def left(self) -> float:
        """Seconds until the oldest item is late."""
        return self._deadline - time.monotonic() if self.waiting or not self.ready else self.seconds

    def stop(self) -> None:
        """End the process, whatever it does."""
        self.pipe.close()
        self.process.kill()
        self.process.join()
        self.process.close()


class Team:
    """Processes for one function, started as items come, kept for the next ones.

    function: of a module, or a partial of one; its items and results travel between processes.
    """

    def __init__(self, function: Callable[[Any], Any], *, processes: int, seconds: float = SECONDS) -> None:
        self._function, self._processes, self._seconds = function, processes, seconds
        self._team: list[_Worker] = []

    def run(self, items: Iterable[Any]) -> Iterator[Any]:
        """As the function `run`; to its end, or else the team can only be stopped."""
        results: dict[int, Any] = {}
        source, given, due, more = iter(items), 0, 0, True
        while True:
            while more and given - due < _WINDOW * self._processes and self._has_room():
                try:
                    item = next(source)
                except StopIteration:
                    more = False
                    break
                self._free().give(given, item)
                given += 1
            while due in results:
                yield _raised(results.pop(due))
                due += 1
            if not more and due == given:
                return
            if due not in results:
                _collect(self._team, results, self._function)

    def stop(self) -> None:
        """End all processes, whatever they do."""
        for worker in self._team:
            worker.stop()

    def _has_room(self) -> bool:
        few = len(self._team) < self._processes
        return few or any(len(worker.waiting) < _AHEAD for worker in self._team)

    def _free(self) -> _Worker:
        """The process with the fewest items; a new one while all have some and there may be more."""
        if len(self._team) < self._processes and all(worker.waiting for worker in self._team):
            self._team.append(_Worker(self._function, self._seconds))
        return min(self._team, key=lambda worker: len(worker.waiting))


def run(
    function: Callable[[Any], Any],
    items: Iterable[Any],
    *,
    processes: int,
    seconds: float = SECONDS,
) -> Iterator[Any]:
    """`function(item)` of each item, in their order, or a `Failure`; both travel between processes.

    function: of a module, or a partial of one. An exception that it raises ends everything and is raised
    here. Items are taken as they are needed, and results held back are few, so memory stays flat.
    """
    team = Team(function, processes=processes, seconds=seconds)
    try:
        yield from team.run(items)
    finally:
        team.stop()


def _collect(team: list[_Worker], results: dict[int, Any], function: Callable[[Any], Any]) -> None:
    """Wait for at least one answer, or for a process that is late or dead, and replace that."""
    busy = [worker for worker in team if worker.waiting]
    patience = max(0.0, min(worker.left() for worker in busy))
    ready = wait([worker.pipe for worker in busy], patience)
    for worker in busy:
        detail = None
        if worker.pipe in ready:
            try:
                while True:
                    if (answer := worker.answer()) is not None:
                        results[answer[0]] = answer[1]
                    if not worker.waiting or not worker.pipe.poll():
                        break
            except EOFError:
                worker.process.join(1)
                detail = f"the decoder crashed (exit code {worker.process.exitcode})"
        elif worker.left() <= 0 and not worker.pipe.poll(_GRACE):
            detail = f"no result after {worker.seconds:g} s"
        if detail:
            _replace(team, worker, results, function, detail)


def _replace(
    team: list[_Worker],
    worker: _Worker,
    results: dict[int, Any],
    function: Callable[[Any], Any],
    detail: str,
) -> None:
    """A new process in the place of one that failed, for all that waited but the oldest item.

    Raises RuntimeError for a process that never came up.
    """
    if not worker.ready:  # it is ended with the team
        raise RuntimeError(f"a process of the preparation did not start: {detail}")
    worker.stop()
    number, _ = worker.waiting.popleft()
    results[number] = Failure(detail)
    fresh = _Worker(function, worker.seconds)
    for item in worker.waiting:
        fresh.give(*item)
    team[team.index(worker)] = fresh


@dataclass(frozen=True)
class _Raised:
    error: Exception


def _raised(result: Any) -> Any:
    if isinstance(result, _Raised):
        raise result.error
    return result


def _serve(pipe: Connection, function: Callable[[Any], Any]) -> None:
    """The life of a process: answer items until the pipe ends. An interrupt is the caller's to report."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _limit_memory()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # C libraries write what they think of each file
    pipe.send("up")
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            item = pipe.recv()
            try:
                result = function(item)
            except MemoryError:
                result = Failure(f"needs more than {MEMORY >> 30} GiB of memory")
            except Exception as error:
                result = _Raised(error)
            pipe.send(result)


def _limit_memory() -> None:
    """Refuse allocations beyond MEMORY, where the system can."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 (no file of the user's)
            held = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))

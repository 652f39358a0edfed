"""`threads: auto`: with how many threads of PyTorch a CPU trains, found by timing steps of this very run.

Small operators gain nothing by threads, and threads that wait for one another spin: beside a busy process two
of them may take several times as long as one. The number stays with the run, as sums over another number of
threads may round otherwise, until the machine is another: a run whose steps have become several times as slow
looks for the number again, after two of them, as each may then take ten seconds and more.
"""

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import torch

from gan import distributed, randomness
from gan.distributed import agreed
from training.memory import Undo, noise
from training.run import describe_surroundings
from training.state import TrainState
from training.step import train_step

CLEARLY = 1.15  # how many times as long a step may take as with the fastest number, to spare threads
ROUNDS = 5  # steps timed with each number
LARGE = 1.0  # seconds of a step from which on one of each is timed
VARIABLE = "OMP_NUM_THREADS"
PACE = 8  # steps whose median is the pace of a run
SLOWER = 3.0  # times as long as at the fastest pace, two steps in turn: others have come to use the cores
WORTH = 1.5  # times as long a step as with another number, to give one up in the middle of a run
PAUSE = 20  # timings' worth of seconds between two of a run that became slow
REST = 200  # the same of a run that has not all the threads it could have

Times = dict[int, float]


@contextlib.contextmanager
def of(number: int) -> Iterator[None]:
    """So many threads within the block, then as before."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(number)
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True)
class Choice:
    """A number of threads, why, and the most that may be tried later (0: none, the number stays)."""

    number: int
    reason: str
    most: int = 0


def settle(state: TrainState, say: Callable[[str], None]) -> "Watch | None":
    """Compute with the threads that the run asks for, has had, or is fastest with; say so in one line.

    Returns what looks for them again, where others may be tried.

    First counts what config.threads says, then the user's OMP_NUM_THREADS, then the number that the run has
    had, unless there are fewer cores here. Timing leaves no trace in the state. Runs on a GPU keep the
    number of the process, unless one is set.
    """
    choice = _chosen(state)
    if choice is None:
        return None
    number, reason = choice.number, choice.reason
    if state.threads not in (None, number):
        reason += f"; {state.threads} so far: sums may round otherwise"
    torch.set_num_threads(number)
    state.threads = number
    say(f"{counted(number)}: {reason}")
    return Watch(say, choice.most) if choice.most > 1 else None


class Watch:
    """A callback that looks for the number of threads again in the middle of a run, where `auto` found it.

    After two steps that took SLOWER times as long as those of the fastest pace; and, where that left fewer
    threads than there could be, now and then, until they are back. How often follows from what timing costs:
    at most a twentieth of the time, a two-hundredth of that of a run which is not slow.
    """

    def __init__(self, say: Callable[[str], None], most: int) -> None:
        self._say, self._most = say, most
        self._best, self._cost, self._last = float("inf"), 0.0, 0.0
        self._steps: deque[float] = deque(maxlen=PACE)  # seconds of the last ones
        self._ended: float | None = None  # when the last one did

    def tick(self, state: TrainState, record: Mapping[str, object]) -> None:
        """After a tick: scores and files may follow, which are no part of the next step."""
        self._ended = None

    def step(self, state: TrainState, terms: Mapping[str, object]) -> None:
        """After a step: look at its pace; record another number where the run says what it runs on."""
        now = time.monotonic()
        if self._ended is not None:
            self._steps.append(now - self._ended)
        self._ended = now
        if len(self._steps) == PACE:
            self._best = min(self._best, median(self._steps))
        slow = len(self._steps) > 1 and min(self._steps[-1], self._steps[-2]) > SLOWER * self._best
        now_with, since = torch.get_num_threads(), time.monotonic() - self._last
        fewer = slow and now_with > 1 and since > PAUSE * self._cost
        more = now_with < self._most and 0 < REST * self._cost < since
        wish = agreed("fewer" if fewer else "more" if more else None)
        if wish and self._again(state, self._most if wish == "more" else now_with) and state.run:
            describe_surroundings(state.run)

    def _again(self, state: TrainState, limit: int) -> bool:
        begun, before = time.monotonic(), torch.get_num_threads()
        times = timed(rehearsal(state), limit)
        self._best, self._last, self._ended = float("inf"), time.monotonic(), None
        self._steps.clear()
        self._cost = self._last - begun
        number = fewest(times)
        if times.get(before, float("inf")) < WORTH * times[number]:
            return False
        torch.set_num_threads(number)
        state.threads = number
        self._say(f"{counted(number)} from now on: {_told(times, number)}; sums may round otherwise")
        return True


def _chosen(state: TrainState) -> Choice | None:
    """None for the number of the process, whatever it is."""
    wanted, set_by_user = state.config.threads, VARIABLE in os.environ
    if wanted != "auto":
        return Choice(wanted, "as set by threads")
    if state.device.type != "cpu":
        return None
    mine = torch.tensor([[torch.get_num_threads(), cores(), set_by_user]])
    given, most, told = torch.cat(distributed.everyones(mine)).T
    if told.any():  # in every process: timing takes all of them
        return Choice(torch.get_num_threads(), f"as {VARIABLE} says")
    limit = min(int(given.min()), int(most.min()))
    if state.threads and state.threads <= most.min():
        return Choice(state.threads, "as the run has had", limit)
    if limit == 1:
        return Choice(1, "more are not to be had")
    times = timed(rehearsal(state), limit)
    number = fewest(times)
    return Choice(number, _told(times, number), limit)


def cores() -> int:
    """Cores of this machine for each of its training processes, at least 1."""
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, own // distributed.local_world())


def rehearsal(state: TrainState) -> Callable[[], float]:
    """A function that makes a step of all phases on noise, undoes it, and returns its seconds."""
    real, c = noise(state)

    def step() -> float:
        undo = Undo(state)
        with randomness.kept():
            begun = time.perf_counter()
            train_step(state, real, c, every=True)
            seconds = time.perf_counter() - begun
        undo.restore()
        return seconds

    return step


def timed(step: Callable[[], float], most: int) -> Times:
    """Seconds of a step by number of threads, in the slowest process: `most`, its half, its quarter, ...

    Two numbers at a time are measured in turn. It ends at 1, and at a number that is clearly slower. That a
    step is slow says nothing of its size: beside a busy process a small one may take seconds.
    """
    with of(most):
        rounds = ROUNDS if _slowest([step()]) <= LARGE else 1  # the first one builds and allocates
    times: Times = {}
    number = most
    while number > 1 and (not times or times[number] <= CLEARLY * min(times.values())):
        pair: dict[int, list[float]] = {number: [], number // 2: []}
        for _ in range(rounds):
            for threads, seconds in pair.items():
                with of(threads):
                    seconds.append(step())
        now = {threads: _slowest(seconds) for threads, seconds in pair.items()}
        times.setdefault(number, now[number])
        times[number // 2] = times[number] * now[number // 2] / now[number]  # the pace may have changed
        number //= 2
    return times


def fewest(times: Times) -> int:
    """The smallest number with which a step takes at most CLEARLY times as long as with the fastest."""
    return min(n for n, seconds in times.items() if seconds <= CLEARLY * min(times.values()))


def counted(number: int) -> str:
    """1 -> "1 thread", 2 -> "2 threads"."""
    return f"{number} thread{'' if number == 1 else 's'}"


def _slowest(seconds: Sequence[float]) -> float:
    """The median of a process's times, of the process where it is largest; the same in all."""
    return max(float(t) for t in distributed.everyones(torch.tensor(median(seconds), dtype=torch.float64)))


def _told(times: Times, number: int) -> str:
    """All times, that of the number first."""
    return f"a step takes {', '.join(_line(n, times[n]) for n in sorted(times, key=number.__ne__))}"


def _line(number: int, seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms with {number}"

"""`threads: auto`: with how many threads of PyTorch a CPU trains, found by timing steps of this very run.

Small operators gain nothing by threads, and threads that wait for one another spin: beside a busy process two
of them may take several times as long as one. The number stays with the run, as sums over another number of
threads may round otherwise.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from statistics import median

import torch

from gan import distributed, randomness
from training.memory import Undo, noise
from training.state import TrainState
from training.step import train_step

CLEARLY = 1.15  # how many times as long a step may take as with the fastest number, to spare threads
ROUNDS = 5  # steps timed with each number
LARGE = 1.0  # seconds of a step from which on one of each is timed
VARIABLE = "OMP_NUM_THREADS"

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


def settle(state: TrainState, say: Callable[[str], None]) -> None:
    """Compute with the threads that the run asks for, has had, or is fastest with; say so in one line.

    First counts what config.threads says, then the user's OMP_NUM_THREADS, then the number that the run has
    had, unless there are fewer cores here. Timing leaves no trace in the state. Runs on a GPU keep the
    number of the process, unless one is set.
    """
    chosen = _named(state)
    if chosen is None:
        return
    number, reason = chosen
    if state.threads not in (None, number):
        reason += f"; {state.threads} so far: sums may round otherwise"
    torch.set_num_threads(number)
    state.threads = number
    say(f"{counted(number)}: {reason}")


def _named(state: TrainState) -> tuple[int, str] | None:
    """The number and why; None for that of the process, whatever it is."""
    wanted, set_by_user = state.config.threads, VARIABLE in os.environ
    if wanted != "auto":
        return wanted, "as set by threads"
    if state.device.type != "cpu":
        return None
    mine = torch.tensor([[torch.get_num_threads(), cores(), set_by_user]])
    given, most, told = torch.cat(distributed.everyones(mine)).T
    if told.any():  # in every process: timing takes all of them
        return torch.get_num_threads(), f"as {VARIABLE} says"
    if state.threads and state.threads <= most.min():
        return state.threads, "as the run has had"
    most = min(int(given.min()), int(most.min()))
    if most == 1:
        return 1, "more are not to be had"
    times = timed(rehearsal(state), most)
    number = fewest(times)
    return number, f"a step takes {', '.join(_line(n, times[n]) for n in sorted(times, key=number.__ne__))}"


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


def _line(number: int, seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms with {number}"

"""The work of `workers` on the machines of a Ray cluster: the same results in the same order.

An actor for each core has a process of its own below it, so that a decoder which crashes, hangs or asks for
too much memory costs one file here too. Files are read where the work is done: all machines must have the
sources at the same path.
"""

import contextlib
import itertools
import os
import signal
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from gan.errors import UserError, install
from training.data.faults import line
from training.preparation.workers import Runner, Team

LOCAL = "local"
CHUNK = 16  # items of a call
_AHEAD = 2  # calls that wait in an actor


class _Actor:
    """A team of one process, kept from call to call."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._team = Team(function, processes=1)

    def work(self, items: list[Any]) -> list[Any]:
        return list(self._team.run(items))


def runner(address: str, processes: int | None = None) -> Runner:
    """As `workers.run`, over a Ray cluster at `address`; "local" starts one here while work goes on.

    processes: actors, None for one a core of the cluster. Raises UserError without the package ray, and where
    there is no cluster.
    """
    stay_here(address)
    try:
        import ray  # noqa: F401 (now: what is missing is told before the work)
    except ImportError as error:
        raise UserError(f"--ray needs the package ray: {install('ray')}") from error

    def run(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        with connected(address) as ray:
            count = processes or max(1, int(ray.cluster_resources().get("CPU", 1)))
            kind = ray.remote(num_cpus=1 if processes is None else 0, max_restarts=0)(_Actor)
            yield from _spread(ray, [kind.remote(function) for _ in range(count)], iter(items))

    return run


def _spread(ray: Any, actors: list[Any], items: Iterator[Any]) -> Iterator[Any]:
    """Results in order; calls go to the actors by turns, and few wait."""
    calls: deque[Any] = deque()
    turns = itertools.cycle(actors)
    try:
        while True:
            while len(calls) < _AHEAD * len(actors) and (chunk := list(itertools.islice(items, CHUNK))):
                calls.append(next(turns).work.remote(chunk))
            if not calls:
                return
            try:
                results = ray.get(calls.popleft())
            except ray.exceptions.RayTaskError as error:
                raise error.cause from error
            except ray.exceptions.RayError as error:
                raise UserError(
                    f"a machine of the Ray cluster was lost ({line(error)}): start it again"
                ) from error
            yield from results
    finally:
        for actor in actors:
            ray.kill(actor)


def stay_here(address: str) -> None:
    """Let a cluster of this machine alone listen on 127.0.0.1 alone. Call it before Ray is imported.

    Ray replaces such an address by one that others reach, but on systems where this variable is off.
    """
    if address == LOCAL:
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")


@contextlib.contextmanager
def connected(address: str) -> Iterator[Any]:
    """The package ray, connected to the cluster at an address; "local" starts one, for this machine alone.

    What a driver does at SIGTERM is left as it is. Raises UserError where there is no cluster.
    """
    stay_here(address)
    import ray

    place: dict[str, Any] = {"address": address}
    if address == LOCAL:
        place = {"address": LOCAL, "include_dashboard": False}
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell its makers what runs here
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM) if main else None
    try:
        host, _, port = address.rpartition(":")
        if host and "/" not in host:  # Ray itself would go on trying for minutes
            socket.create_connection((host, int(port)), timeout=10).close()
        ray.init(**place, log_to_driver=False, logging_level="error")
    except Exception as error:  # Ray's own are bare
        raise UserError(f"no Ray cluster at {address} ({line(error)}): ray start --head makes one") from error
    finally:
        if main:
            signal.signal(signal.SIGTERM, before)
    try:
        yield ray
    finally:
        ray.shutdown()

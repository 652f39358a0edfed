"""Scripts in processes that meet over gloo, as torchrun starts them, without the seconds that it takes.

A server, started once a session, imports torch and forks the processes of every call. That torchrun itself
starts a run is tested in tests/gan/cli.
"""

import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What scripts import, and takes long. None of it starts a thread, which a fork would lose.
IMPORTED = ("pytest", "torch._dynamo", "torch.distributed.nn.functional", "gan.jobs.training", "metrics")


class Ranks:
    """`ranks(script, *arguments)`: run it, a file below tests/, in two processes of one thread."""

    def __init__(self) -> None:
        self._server: subprocess.Popen | None = None

    def __call__(
        self,
        script: str,
        *arguments: str,
        processes: int = 2,
        environment: dict[str, str] | None = None,
        seconds: float = 300,
    ) -> str:
        """What they said on stderr. All must end well; the first one that does not ends the others."""
        with tempfile.NamedTemporaryFile("r", suffix=".txt", encoding="utf-8") as said:
            request = {
                "arguments": [str(ROOT / "tests" / script), *arguments],
                "environment": {**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})},
                "processes": processes,
                "seconds": seconds,
                "said": said.name,
            }
            server = self._started()
            server.stdin.write(json.dumps(request) + "\n")
            server.stdin.flush()
            ended = server.stdout.readline()
            assert ended == "well\n", f"{ended}{said.read()}"
            return said.read()

    def close(self) -> None:
        """End the server."""
        if self._server:
            self._server.communicate()

    def _started(self) -> subprocess.Popen:
        if not self._server:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "tests.ranks"],
                cwd=ROOT,
                env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        return self._server


def serve() -> None:
    """Answer every line of stdin, a request, with a line: "well", or which process ended how."""
    for name in IMPORTED:
        importlib.import_module(name)
    for line in sys.stdin:
        print(_run(json.loads(line)), flush=True)


def _run(request: dict) -> str:
    with socket.create_server(("localhost", 0)) as free:
        address = {"MASTER_ADDR": "localhost", "MASTER_PORT": str(free.getsockname()[1])}
    count, running = request["processes"], {}
    for rank in range(count):
        places = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
        own = request["environment"] | address | {name: str(value) for name, value in places.items()}
        if not (process := os.fork()):
            _be(request["arguments"], own, request["said"])
        running[process] = rank
    return _awaited(running, time.monotonic() + request["seconds"])


def _awaited(running: dict[int, int], end: float) -> str:
    """Wait for them all; the first that fails, or the end of the time, ends the others."""
    said = "well"
    while running:
        process, status = os.waitpid(-1, os.WNOHANG)
        if process:
            rank = running.pop(process)
            if status and said == "well":
                said, end = f"process {rank} ended with {os.waitstatus_to_exitcode(status)}", 0
        elif time.monotonic() > end:
            said = "too late" if said == "well" else said
            for other in running:
                os.kill(other, signal.SIGKILL)
            end = float("inf")
        else:
            time.sleep(0.01)
    return said


def _be(arguments: list[str], environment: dict[str, str], said: str) -> None:
    """Be that process of the script. Does not return."""
    status = 1
    try:
        log = os.open(said, os.O_WRONLY | os.O_APPEND)
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor, file in enumerate((nothing, nothing, log)):
            os.dup2(file, descriptor)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = arguments
        sys.path[0] = str(Path(arguments[0]).parent)
        runpy.run_path(arguments[0], run_name="__main__")
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    serve()

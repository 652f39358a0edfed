"""One session at a time in a run directory.

The lock is one of the operating system's on an open file: it ends with its process, however that ends, and
with the machine. The file only says who holds it.
"""

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from gan.errors import UserError

FILE = ".lock"  # in the run directory
_held: set[Path] = set()  # by this process, whose locks do not exclude each other


@contextlib.contextmanager
def held(run: Path) -> Iterator[None]:
    """Hold the run directory within the block. UserError, naming the holder, if a session has it already."""
    path = (run / FILE).resolve()
    if path in _held:
        raise _taken(run, path)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise _taken(run, path) from error
        _held.add(path)
        try:
            file.truncate(0)
            began = time.strftime("%Y-%m-%d %H:%M:%S")
            file.write(json.dumps({"host": socket.gethostname(), "process": os.getpid(), "since": began}))
            file.flush()
            yield
        finally:
            _held.discard(path)
            with contextlib.suppress(OSError):
                file.truncate(0)


def is_held(run: Path) -> bool:
    """Whether a session has the run directory now, in this process or another."""
    path = (run / FILE).resolve()
    if path in _held or not path.is_file():  # a lock of this very process would end with the probe below
        return path in _held
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def _taken(run: Path, path: Path) -> UserError:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        who = f"process {holder['process']} on {holder['host']} since {holder['since']}"
    except (OSError, ValueError, KeyError):
        who = "another process"
    return UserError(f"{run} is being trained already, by {who}: wait for its end, or stop it")

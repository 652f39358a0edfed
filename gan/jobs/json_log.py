"""A file of JSON lines that only grows, so that nothing that a person said is lost.

A line is on the disk before `append` returns. Several writers may append, and each reads what others wrote;
of a writer killed within a line that line alone is lost.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

from gan.errors import UserError
from gan.files import refusal


class JsonLog:
    """The log at `path`, which need not exist yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read = 0  # bytes of the log so far

    def new_lines(self) -> list[bytes]:
        """What was appended since the last call, by whoever.

        A last line without its end is another writer's at work, and waits. Raises UserError where the log
        cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                file.seek(self._read)
                data = file.read()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise UserError(refusal("read", self.path, error)) from error
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole)
        return whole.splitlines()

    def append(self, record: dict[str, Any]) -> None:
        """Write an object with the `time` (UTC) as one line, whole, at the end, flushed to the disk.

        Half a line of a killed writer gets its end first. Raises UserError where it cannot be written.
        """
        record = record | {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        line = json.dumps(record, ensure_ascii=True).encode() + b"\n"
        try:
            with self.path.open("a+b") as file:
                if size := file.seek(0, os.SEEK_END):
                    file.seek(size - 1)
                    line = line if file.read(1) == b"\n" else b"\n" + line
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise UserError(refusal("write", self.path, error)) from error

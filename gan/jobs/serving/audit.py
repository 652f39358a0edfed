"""An audit log of JSON lines, each of which holds the hash of the one before: what is changed later shows.

A line is written to the disk before its images leave. The hash of a line is the sha256 of its JSON (ASCII,
keys sorted) without the hash itself; `previous` is that of the line before, 64 zeros for the first. An
edited, removed, inserted or moved line breaks the chain. Who may write the file can still cut lines off its
end, or write it all anew: keep `head` elsewhere from time to time, and compare.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gan.errors import UsageError, UserError
from gan.files import refusal
from gan.jobs.serving.combining import Combined
from gan.jobs.serving.settings import STATE

FILE = "audit.jsonl"  # in the folder of the server's state
START = "0" * 64
MADE = "made"  # event of images that left
HASHES = ("sha256", "pixels")  # what such a line has of each image: of its file, and of its pixels
MAX_LINE = 2**20  # bytes
_BLOCK = 2**20  # bytes that are searched at once, while other threads wait


class Audit:
    """The log in a folder; methods may be called from any thread, and several processes may add to it.

    Each line is added under a lock of the operating system, after those that others have added meanwhile;
    lines of threads that wait at once are written and flushed together.
    Raises UserError where it cannot be written, or its last line is no line of a log. Half a line, which a
    killed server leaves and for which nothing has left, is cut off and noted.
    """

    def __init__(self, folder: str | Path) -> None:
        self.path = Path(folder) / FILE
        self._lock = threading.Lock()
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise UserError(refusal("write", self.path, error)) from error
        self._number, self.head, self._size = 0, START, 0
        self._together: Combined[Mapping[str, Any], None] = Combined(self._add)
        try:
            with self._alone():
                self._catch_up()
        except BaseException:
            os.close(self._file)
            raise

    def append(self, record: Mapping[str, Any]) -> None:
        """Add a line: the record with its number, the time (UTC), and the chain.

        Returns when it is on the disk. Raises UserError where it cannot be written; nothing stays of it then.
        """
        self._together(record)

    def _add(self, records: Sequence[Mapping[str, Any]]) -> list[BaseException | None]:
        """None of each that is on the disk; what is no JSON is left out, with its error."""
        with self._alone():
            self._catch_up()
            return self._write(records)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """No other thread or process adds a line within the block."""
        with self._lock:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def _catch_up(self) -> None:
        """The end of the chain, where another process has added to it; half a line of a killed one goes."""
        if os.fstat(self._file).st_size == self._size:
            return
        whole, torn = _tail(self._file)
        last = _parsed(whole, self.path) if whole else {"number": 0, "hash": START}
        self._number, self.head = last["number"], last["hash"]
        if torn:
            os.ftruncate(self._file, os.fstat(self._file).st_size - torn)
            self._write([{"event": "half a line was cut off", "bytes": torn}])
        self._size = os.fstat(self._file).st_size

    def _write(self, records: Sequence[Mapping[str, Any]]) -> list[BaseException | None]:
        """As `_add` does, at the end of the chain that is known."""
        number, head, lines = self._number, self.head, []
        faults: list[BaseException | None] = []
        for record in records:
            line = {"number": number + 1, "time": _now(), **record, "previous": head}
            try:
                line["hash"] = _hash(line)
                lines.append(json.dumps(line) + "\n")
            except (TypeError, ValueError, RecursionError) as error:
                faults.append(error)
                continue
            faults.append(None)
            number, head = line["number"], line["hash"]
        data, size = "".join(lines).encode(), os.fstat(self._file).st_size
        try:
            if os.write(self._file, data) != len(data):
                raise OSError("only a part of a line was written")
            os.fsync(self._file)
        except OSError as error:
            os.ftruncate(self._file, size)
            raise UserError(refusal("write", self.path, error)) from error
        self._number, self.head, self._size = number, head, size + len(data)
        return faults

    def close(self) -> None:
        """Nothing may be added afterwards."""
        os.close(self._file)


def verify(folder: str | Path | None = None, known: str | None = None) -> tuple[int, str]:
    """(lines, head) of the log in a folder. UserError, naming the first line that breaks the chain.

    folder: None for the default of the settings.  known: a head of earlier, which a line must still have.
    Raises UsageError where `known` is no hash: a shortened one would read as an alarm.
    """
    if known is not None and not re.fullmatch("[0-9a-f]{64}", known):
        raise UsageError(f"{known[:80]!r} is no head: give the 64 digits that an earlier verify printed")
    path = Path(folder or STATE) / FILE
    number, head, met = 0, START, known in (None, START)
    for number, text in enumerate(_lines(path), 1):
        line = _parsed(text, path, f"line {number}")
        if line.get("number") != number or line.get("previous") != head:
            raise UserError(f"{path}: line {number} does not follow the one before: lines were cut or moved")
        if line["hash"] != _hash(line):
            raise UserError(f"{path}: line {number} is not what was written: it was edited")
        head = line["hash"]
        met = met or head == known
    if not met:
        raise UserError(f"{path}: no line has the hash {known}: lines were cut off, or all was written anew")
    return number, head


def find(folder: str | Path, digests: Sequence[str]) -> tuple[dict[str, Any], int] | None:
    """(line, place within its images) of an image that left with one of these sha256; None for none.

    An earlier one of `digests` goes before a later one. The line must be what was written, by its own hash;
    the chain is what `verify` checks. Raises UserError where there is a log that cannot be read.
    """
    path, found, wanted = Path(folder) / FILE, None, list(digests)
    try:
        with path.open("rb") as file:
            while wanted and (block := file.read(_BLOCK) + file.readline(MAX_LINE)):
                for place, digest in enumerate(wanted):
                    if (met := next(_met(block, digest), None)) is not None:
                        found, wanted = met, wanted[:place]
                        break
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(refusal("read", path, error)) from error
    return found


def _met(block: bytes, digest: str) -> Iterator[tuple[dict[str, Any], int]]:
    """Of whole lines, those of images that left with that sha256; clients may have typed one elsewhere."""
    wanted, at = f'"{digest}"'.encode(), -1
    while (at := block.find(wanted, at + 1)) >= 0:
        start, end = block.rfind(b"\n", 0, at) + 1, block.find(b"\n", at) + 1
        try:
            line = _parsed(block[start:end], Path(FILE))
        except UserError:
            continue
        if line.get("event") == MADE and line["hash"] == _hash(line):
            for name in HASHES:
                if digest in (hashes := line.get(name) or ()):
                    yield line, hashes.index(digest)


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while text := file.readline(MAX_LINE):
                yield text
    except OSError as error:
        raise UserError(refusal("read", path, error)) from error


def _parsed(text: bytes, path: Path, where: str = "the last line") -> dict[str, Any]:
    """A line of a log: an object with number and hash, ended by a newline."""
    try:
        line = json.loads(text)
        whole = text.endswith(b"\n") and type(line["number"]) is int and isinstance(line["hash"], str)
    except (ValueError, KeyError, TypeError, RecursionError):
        whole = False
    if not whole:
        raise UserError(f"{path}: {where} is no line of an audit log: it was edited, or cut")
    return line


def _tail(file: int) -> tuple[bytes, int]:
    """(the last whole line, bytes of half a line after it); an empty log has none of either."""
    size = os.fstat(file).st_size
    data = os.pread(file, 2 * MAX_LINE, max(0, size - 2 * MAX_LINE))
    end = data.rfind(b"\n") + 1
    return data[data.rfind(b"\n", 0, max(end - 1, 0)) + 1 : end], len(data) - end


def _hash(line: Mapping[str, Any]) -> str:
    """Of the line without its hash."""
    rest = {key: value for key, value in line.items() if key != "hash"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

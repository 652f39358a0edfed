"""An LMDB whose values are image files, read by key; other values are passed over, but for `dataset.json`."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gan.errors import UserError, install
from training.data import listing
from training.data.faults import DataError, Refused, line
from training.data.fingerprints import of_content
from training.data.listing import HIDDEN, IMAGE, KIND, OTHER, Listing, listed

_STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF")  # of PNG, JPEG and WebP files
_INDEX = b"dataset.json"
_OPEN: dict[Path, tuple[int, Any]] = {}  # by place: the process that opened it, and the environment


def is_lmdb(path: Path) -> bool:
    """Whether a folder holds an LMDB, or a file is called one."""
    return (path / "data.mdb").is_file() if path.is_dir() else path.suffix.lower() in (".lmdb", ".mdb")


class LmdbFiles:
    """The values of an LMDB, named by their keys; each process that reads opens it.

    Raises DataError where it cannot be read, UserError without the package lmdb.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()
        self._data = self._path / "data.mdb" if path.is_dir() else self._path
        self._connect()  # before threads read, of which two must not open it at once
        state = self.state([])
        found = listing.load(self._data, state)
        self.listing = found or listing.keep(self._data, self._listed(), state)

    def read(self, number: int) -> bytes:
        return bytes(self._value(number))

    def head(self, number: int, size: int) -> bytes:
        """The first `size` bytes of a value, or all where it is shorter."""
        return bytes(self._value(number)[:size])

    def fingerprint(self, number: int) -> str:
        return of_content(self.read, number, f"{self._path}: {self.listing.names[number]}")

    def state(self, numbers: Sequence[int]) -> str | None:
        """Digest of place, size and times; None if they may have changed just now."""
        try:
            return listing.state_of(self._data)
        except OSError:
            return None

    def close(self) -> None:
        """The environment stays open: another one in this process may use it."""

    def _value(self, number: int) -> bytes:
        import lmdb

        try:
            with _environment(self._path).begin() as transaction:
                value = transaction.get(self.listing.names.encoded(number))
        except lmdb.Error as error:
            raise Refused(f"cannot be read ({line(error)}): copy or make the LMDB again") from error
        if value is None:
            raise Refused("is not in the LMDB any more: restore it")
        return value

    def _connect(self) -> Any:
        try:
            import lmdb
        except ImportError as error:
            raise UserError(f"{self._path} is an LMDB, which needs lmdb: {install('data')}") from error
        try:
            return _environment(self._path)
        except (lmdb.Error, OSError) as error:
            raise DataError(
                f"{self._path} is not a readable LMDB ({line(error)}): copy or make it again"
            ) from error

    def _listed(self) -> Listing:
        import lmdb

        kinds = {}
        try:
            with self._connect().begin(buffers=True) as transaction:
                for key, value in transaction.cursor():
                    key, start = bytes(key), bytes(value[:8])
                    is_image = start.startswith(_STARTS)
                    kinds[os.fsdecode(key)] = IMAGE if is_image else OTHER if key == _INDEX else HIDDEN
        except (lmdb.Error, OSError) as error:
            raise DataError(
                f"{self._path} is not a readable LMDB ({line(error)}): copy or make it again"
            ) from error
        names = sorted(kinds)
        found = listed(names)
        found.table[:, KIND] = [kinds[name] for name in names]
        return found


def _environment(path: Path) -> Any:
    """The environment at a place, once in each process: not to be opened twice, nor used after a fork."""
    import lmdb

    process, environment = _OPEN.get(path, (None, None))
    if process != os.getpid():
        if environment is not None:
            environment.close()  # that of the process which this one is a copy of; there it stays open
        options = {"readonly": True, "lock": False, "readahead": False}
        environment = lmdb.open(str(path), subdir=path.is_dir(), **options)
        _OPEN[path] = os.getpid(), environment
    return environment

"""Where the files of a data set lie: below a folder, or in a zip."""

import bz2
import hashlib
import os
import struct
import threading
import time
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from training.data import listing
from training.data.directory import directory
from training.data.faults import DataError, Refused, line
from training.data.fingerprints import of_content
from training.data.listing import listed
from training.data.names import is_hidden

_UNPACKERS = {8: lambda: zlib.decompressobj(-15), 12: bz2.BZ2Decompressor}  # by the zip's number of a method


class FolderFiles:
    """The files below a folder, named by their path relative to it with forward slashes.

    Links to folders are followed; each folder is read once, however many ways lead to it. Hidden folders are
    left out. listing: their names.  names: the sorted ones that another process found; None looks for them.
    Raises DataError for a folder that cannot be read.
    """

    def __init__(self, path: Path, names: Iterable[str] | None = None) -> None:
        self._path = path
        names = sorted(self._walk()) if names is None else names
        self.listing = listed(names)

    def _walk(self) -> Iterator[str]:
        seen = {_identity(parent) for parent in self._path.resolve().parents}
        waiting, links = [""], []
        while waiting or links:
            prefix = waiting.pop() if waiting else links.pop(0)
            folder = self._path / prefix
            try:
                if (identity := _identity(folder)) in seen:
                    continue
                seen.add(identity)
                entries = list(os.scandir(folder))
            except OSError as error:
                raise DataError(
                    f"{folder} cannot be read ({error.strerror}): allow reading, or move it elsewhere"
                ) from error
            for entry in entries:
                name = f"{prefix}{entry.name}"
                if not entry.is_dir():
                    yield name
                elif not is_hidden(entry.name):
                    (links if entry.is_symlink() else waiting).append(f"{name}/")
            links.sort()

    def read(self, number: int) -> bytes:
        try:
            return self._place(number).read_bytes()
        except OSError as error:
            raise _unreadable(error) from error

    def head(self, number: int, size: int) -> bytes:
        """The first `size` bytes of a file, or all where it is shorter."""
        try:
            with self._place(number).open("rb", buffering=0) as file:
                return file.read(size)
        except OSError as error:
            raise _unreadable(error) from error

    def fingerprint(self, number: int) -> str:
        return of_content(self.read, number, f"{self._path}: {self.listing.names[number]}")

    def state(self, numbers: Sequence[int]) -> str | None:
        """Digest of place, names, sizes and times of these files; None if one may have changed just now."""
        digest = hashlib.sha256(os.fsencode(self._path.resolve()))
        newest, names = 0, self.listing.names
        try:
            for number in numbers:
                found = self._place(number).stat()
                times = found.st_mtime_ns, found.st_ctime_ns
                newest = max(newest, *times)
                digest.update(names.encoded(number) + f"\0{found.st_size} {times} {found.st_ino}\n".encode())
        except OSError:
            return None
        return digest.hexdigest() if time.time_ns() - newest > listing.SETTLED else None

    def close(self) -> None:
        """Nothing is held open."""

    def _place(self, number: int) -> Path:
        return self._path / self.listing.names[number]


class ZipFiles:
    """The files in a zip, whose directory is read once; copies for other processes carry it, or map it.

    listing: their names, and a row for each in which its first byte, its bytes in the zip, its bytes, its
    CRC-32 and its method follow.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: tuple[int, BinaryIO, threading.Lock] | None = None  # the process that opened it
        state = self._state()
        self.listing = listing.load(path, state) or listing.keep(path, listed(*directory(path)), state)

    def read(self, number: int) -> bytes:
        _, packed, size, crc, _ = self._row(number)
        data = self._unpacked(number, packed, size)
        if len(data) != size or zlib.crc32(data) != crc:
            raise Refused("is damaged in the zip (wrong CRC-32): copy or make the zip again")
        return data

    def head(self, number: int, size: int) -> bytes:
        """The first `size` bytes of a member, or all where it is shorter; a CRC-32 is not checked."""
        return self._unpacked(number, size, min(size, self._row(number)[2]))

    def fingerprint(self, number: int) -> str:
        _, _, size, crc, _ = self._row(number)
        return f"{size} {crc:08x}"

    def state(self, numbers: Sequence[int]) -> str | None:
        """Of a zip whose many CRCs are worth keeping as one, its place, size and times; None otherwise."""
        return self._state() if len(numbers) >= listing.KEPT else None

    def close(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None

    def __del__(self) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": None}

    def _state(self) -> str | None:
        try:
            return listing.state_of(self._path)
        except OSError:
            return None

    def _row(self, number: int) -> list[int]:
        return self.listing.table[number, 3:].tolist()

    def _unpacked(self, number: int, packed: int, size: int) -> bytes:
        """At most `size` bytes of a member, from its first `packed` bytes and 1 KiB more in the zip.

        Raises Refused where it is damaged or packed in a way that is not known.
        """
        offset, length, _, _, method = self._row(number)
        if method != zipfile.ZIP_STORED and method not in _UNPACKERS:
            how = "it has a password" if method < 0 else f"compression {method} is unknown"
            raise Refused(f"cannot be unpacked ({how}): make the zip again with `zip -0`")
        try:
            data = self._packed(offset, min(length, packed + 1024))
            if method == zipfile.ZIP_STORED:
                return data[:size]
            return _UNPACKERS[method]().decompress(data, size) if size else b""
        except (struct.error, zlib.error, EOFError, OSError, ValueError) as error:
            raise Refused(f"is damaged in the zip ({line(error)}): copy or make the zip again") from error

    def _packed(self, offset: int, length: int) -> bytes:
        """`length` bytes of the member whose local header is at `offset`."""
        file, lock = self._file()
        with lock:
            file.seek(offset)
            signature, name, extra = struct.unpack("<4s22xHH", file.read(30))
            if signature != b"PK\3\4":
                raise ValueError("no file begins where the directory says")
            file.seek(name + extra, os.SEEK_CUR)
            return file.read(length)

    def _file(self) -> tuple[BinaryIO, threading.Lock]:
        """The open zip. Threads take turns; processes have one each, for they would share its position."""
        if self._open is None or self._open[0] != os.getpid():
            self._open = os.getpid(), self._path.open("rb"), threading.Lock()
        return self._open[1:]


def _identity(folder: Path) -> tuple[int, int]:
    found = folder.stat()
    return found.st_dev, found.st_ino


def _unreadable(error: OSError) -> Refused:
    return Refused(f"cannot be read ({error.strerror}): restore it or allow reading")

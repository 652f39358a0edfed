"""Where the files of a data set lie: below a folder, or in a zip."""

import bz2
import hashlib
import itertools
import os
import struct
import threading
import time
import zipfile
import zlib
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from gan import foreign
from training.data.faults import DataError, Refused, line
from training.data.names import is_hidden

_UNPACKERS = {8: lambda: zlib.decompressobj(-15), 12: bz2.BZ2Decompressor}  # by the zip's number of a method
SETTLED = 2e9  # nanoseconds after which a change of a file is sure to show in its times


def number_of(name: str, names: Sequence[str]) -> int | None:
    """Where `name` is in sorted `names`, None if it is not there."""
    place = bisect_left(names, name)
    return place if place < len(names) and names[place] == name else None


class FolderFiles:
    """The files below a folder, named by their path relative to it with forward slashes.

    Links to folders are followed; each folder is read once, however many ways lead to it. Hidden folders are
    left out. names: sorted. Raises DataError for a folder that cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.names = sorted(self._walk())

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

    def read(self, name: str) -> bytes:
        try:
            return (self._path / name).read_bytes()
        except OSError as error:
            raise _unreadable(error) from error

    def head(self, name: str, size: int) -> bytes:
        """The first `size` bytes of a file, or all where it is shorter."""
        try:
            with (self._path / name).open("rb", buffering=0) as file:
                return file.read(size)
        except OSError as error:
            raise _unreadable(error) from error

    def fingerprint(self, name: str) -> str:
        try:
            content = self.read(name)
        except Refused as error:
            raise DataError(f"{self._path}: {name} {error}") from error
        return f"{len(content)} {hashlib.sha256(content).hexdigest()}"

    def state(self, names: Sequence[str]) -> str | None:
        """Digest of place, names, sizes and times of these files; None if one may have changed just now."""
        digest = hashlib.sha256(os.fsencode(self._path.resolve()))
        newest = 0
        try:
            for name in names:
                found = (self._path / name).stat()
                times = found.st_mtime_ns, found.st_ctime_ns
                newest = max(newest, *times)
                digest.update(os.fsencode(name) + f"\0{found.st_size} {times} {found.st_ino}\n".encode())
        except OSError:
            return None
        return digest.hexdigest() if time.time_ns() - newest > SETTLED else None

    def close(self) -> None:
        """Nothing is held open."""


class ZipFiles:
    """The files in a zip, whose directory is read once; copies for other processes carry it.

    names: sorted.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: tuple[int, BinaryIO, threading.Lock] | None = None  # the process that opened it
        together, self._table = _directory(path)
        self.names = together.split("\0") if together else []

    def read(self, name: str) -> bytes:
        _, packed, size, crc, _ = self._row(name)
        data = self._unpacked(name, packed, size)
        if len(data) != size or zlib.crc32(data) != crc:
            raise Refused("is damaged in the zip (wrong CRC-32): copy or make the zip again")
        return data

    def head(self, name: str, size: int) -> bytes:
        """The first `size` bytes of a member, or all where it is shorter; a CRC-32 is not checked."""
        return self._unpacked(name, size, min(size, self._row(name)[2]))

    def fingerprint(self, name: str) -> str:
        _, _, size, crc, _ = self._row(name)
        return f"{size} {crc:08x}"

    def state(self, names: Sequence[str]) -> None:
        """Nothing worth keeping: the directory of a zip has a CRC of each file."""

    def close(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None

    def __del__(self) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": None}

    def _row(self, name: str) -> list[int]:
        return self._table[number_of(name, self.names)].tolist()

    def _unpacked(self, name: str, packed: int, size: int) -> bytes:
        """At most `size` bytes of a member, from its first `packed` bytes and 1 KiB more in the zip.

        Raises Refused where it is damaged or packed in a way that is not known.
        """
        offset, length, _, _, method = self._row(name)
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


def _directory(path: Path) -> tuple[str, np.ndarray]:
    """Sorted names of a zip, by NUL, which none has, and what `_described` says of each, int64 [N, 5].

    One text, and not a list: names that lay among the objects of `zipfile` would keep all their memory.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            infos = {info.filename: info for info in archive.infolist() if not info.is_dir()}
    except (zipfile.BadZipFile, OSError, UnicodeDecodeError) as error:
        if found := foreign.explained(path, "a zip archive"):
            raise DataError(f"{path} {found}") from error
        raise DataError(
            f"{path} is not a readable zip ({line(error)}): copy or make it again, or name a folder"
        ) from error
    names = sorted(infos)
    rows = itertools.chain.from_iterable(_described(infos[name]) for name in names)
    return "\0".join(names), np.fromiter(rows, np.int64, 5 * len(names)).reshape(-1, 5)


def _described(info: zipfile.ZipInfo) -> tuple[int, int, int, int, int]:
    """Where a member begins, its bytes in the zip, its bytes, CRC-32, and its method, -1 for a password."""
    method = -1 if info.flag_bits & 1 else info.compress_type
    return info.header_offset, info.compress_size, info.file_size, info.CRC, method


def _identity(folder: Path) -> tuple[int, int]:
    found = folder.stat()
    return found.st_dev, found.st_ino


def _unreadable(error: OSError) -> Refused:
    return Refused(f"cannot be read ({error.strerror}): restore it or allow reading")

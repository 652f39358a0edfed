"""Sources in one file: zip, tar with or without WebDataset's names, MNIST's IDX and CIFAR's binary arrays."""

import gzip
import io
import os
import re
import stat
import struct
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gan import foreign
from gan.errors import UserError
from training.data.faults import line
from training.data.names import plain
from training.preparation.databases import LmdbSource, ParquetSource, is_lmdb
from training.preparation.sources import (
    MOST_BYTES,
    FileSource,
    FolderSource,
    Member,
    Source,
    seen_from_outside,
)

_CIFAR = {3073: 1, 3074: 2}  # bytes of a record -> bytes of labels before its 3 x 32 x 32 pixels
_IDX = b"\0\0\x08\x03"  # uint8, three axes


class ZipSource:
    """The files in a zip."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def members(self, *, hidden: bool) -> Iterator[Member]:
        """As `Source` has it; of two members with one name the last, as zip tools unpack it."""
        found = self.place.stat()
        try:
            with zipfile.ZipFile(self.place) as archive:
                infos = {info.filename: info for info in archive.infolist() if not info.is_dir()}
        except (zipfile.BadZipFile, OSError, UnicodeDecodeError, NotImplementedError) as error:
            said = foreign.explained(self.place, "a zip archive") or f"is not a readable zip ({line(error)})"
            raise UserError(f"{self.place} {said}: copy or make it again") from error
        for info in infos.values():
            name = plain(info.filename)
            faults, closed = seen_from_outside(name, hidden=hidden)
            if info.flag_bits & 1:
                faults, closed = (("unreadable", "it has a password"),), True
            elif stat.S_ISLNK(info.external_attr >> 16):
                faults, closed = (("loop", "a link within a zip"),), True
            elif info.file_size > MOST_BYTES:
                faults, closed = (("bomb", f"{info.file_size:,} bytes"),), True
            yield Member(
                path=name.encode("utf-8", "surrogateescape"),
                size=info.file_size,
                stamp=f"{found.st_size} {found.st_mtime_ns} {info.header_offset} {info.CRC}",
                place=(info.header_offset, info.compress_size, info.file_size, info.compress_type, info.CRC),
                faults=faults,
                closed=closed,
            )

    def read(self, path: bytes, place: tuple[int, ...]) -> bytes:
        """As `Source` has it, without the directory of the zip."""
        info = zipfile.ZipInfo()
        info.header_offset, info.compress_size, info.file_size, info.compress_type, info.CRC = place
        with self.place.open("rb") as file:
            file.seek(info.header_offset)
            header = file.read(30)
            if len(header) < 30 or not header.startswith(b"PK\3\4"):
                raise ValueError("no file begins where the directory says")
            file.seek(sum(struct.unpack("<HH", header[26:30])), os.SEEK_CUR)
            try:
                with zipfile.ZipExtFile(file, "r", info) as member:
                    data = member.read(info.file_size + 1)
            except Exception as error:  # zlib, lzma, bz2, zipfile: each has its own
                raise ValueError(f"damaged in the zip ({line(error)})") from error
        if len(data) != info.file_size:
            raise ValueError("damaged in the zip (another size)")
        return data

    def notes(self) -> dict[bytes, dict[str, Any]]:
        """Nothing."""
        return {}


class TarSource:
    """The files in a tar that is not compressed, such as a shard of WebDataset."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def members(self, *, hidden: bool) -> Iterator[Member]:
        """As `Source` has it. A tar that ends too early gives what comes before."""
        found = self.place.stat()
        with tarfile.open(self.place, "r:") as archive:
            while (info := _following(archive)) is not None:
                archive.members = []  # which would keep all of them
                if info.isdir():
                    continue
                name = plain(info.name)
                faults, closed = seen_from_outside(name, hidden=hidden)
                if not info.isreg():
                    faults, closed = (("loop", "a link within a tar"),), True
                elif info.size > MOST_BYTES:
                    faults, closed = (("bomb", f"{info.size:,} bytes"),), True
                elif info.offset_data + info.size > found.st_size:
                    faults, closed = (("truncated", "the tar ends before it"),), True
                yield Member(
                    path=name.encode("utf-8", "surrogateescape"),
                    size=info.size,
                    stamp=f"{found.st_size} {found.st_mtime_ns} {info.offset_data}",
                    place=(info.offset_data, info.size),
                    faults=faults,
                    closed=closed,
                )

    def read(self, path: bytes, place: tuple[int, ...]) -> bytes:
        """As `Source` has it."""
        start, size = place
        with self.place.open("rb") as file:
            file.seek(start)
            return file.read(size)

    def notes(self) -> dict[bytes, dict[str, Any]]:
        """Nothing."""
        return {}


def _following(archive: tarfile.TarFile) -> tarfile.TarInfo | None:
    try:
        return archive.next()
    except (tarfile.TarError, OSError, ValueError):
        return None


class ArraySource:
    """Equal images of uint8 in one file: MNIST's IDX (also .gz), CIFAR-10 and CIFAR-100 in binary.

    Members are NumPy files [C, H, W]. The classes are CIFAR's own, or in the file of labels beside an IDX.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self._content: bytes | None = None

    def _all(self) -> bytes:
        """The file, unpacked. Raises UserError where it is too large for memory, or broken."""
        if self._content is None:
            self._content = _unpacked(self.place)
        return self._content

    def _layout(self) -> tuple[int, int, int, tuple[int, int, int]]:
        """(bytes before the first record, bytes of a record, of its labels, (C, H, W))."""
        data = self._all()
        if data.startswith(_IDX):
            count, height, width = struct.unpack_from(">III", data, 4)
            if len(data) != 16 + count * height * width:
                given = len(data)
                raise UserError(f"{self.place} has {given} bytes for {count} images: fetch the file again")
            return 16, height * width, 0, (1, height, width)
        record = next(size for size in _CIFAR if len(data) % size == 0)
        return 0, record, _CIFAR[record], (3, 32, 32)

    def members(self, *, hidden: bool) -> Iterator[Member]:
        """As `Source` has it: named by their number."""
        first, record, labels, _ = self._layout()
        stamp = f"{self.place.stat().st_size} {self.place.stat().st_mtime_ns}"
        for number in range((len(self._all()) - first) // record):
            start = first + number * record + labels
            size = record - labels
            yield Member(path=_numbered(number), size=size, stamp=stamp, place=(start, size))

    def read(self, path: bytes, place: tuple[int, ...]) -> bytes:
        """A NumPy file of the image."""
        start, size = place
        array = np.frombuffer(self._all()[start : start + size], np.uint8).reshape(self._layout()[3])
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        return buffer.getvalue()

    def notes(self) -> dict[bytes, dict[str, Any]]:
        """The finer class of each image, by name where a list of names lies beside the file."""
        first, record, wide, _ = self._layout()
        data = self._all()
        if not wide:
            beside = self.place.with_name(self.place.name.replace("images", "labels").replace("idx3", "idx1"))
            if beside == self.place or not beside.is_file():
                return {}
            classes = _unpacked(beside)[8:]
        else:
            classes = data[first + wide - 1 :: record]
        names = self.place.parent / ("batches.meta.txt" if wide == 1 else "fine_label_names.txt")
        named = names.read_text(encoding="utf-8").split() if wide and names.is_file() else []
        return {
            _numbered(n): {"label": named[c] if c < len(named) else str(c)}
            for n, c in enumerate(classes[: (len(data) - first) // record])
        }


def _numbered(number: int) -> bytes:
    return f"{number:08d}.npy".encode()


def _unpacked(place: Path) -> bytes:
    try:
        with gzip.open(place) if place.suffix == ".gz" else place.open("rb") as file:
            data = file.read(4 * MOST_BYTES + 1)
    except (OSError, EOFError) as error:
        raise UserError(f"{place} cannot be read ({line(error)}): fetch the file again") from error
    if len(data) > 4 * MOST_BYTES:
        raise UserError(f"{place} has more than {4 * MOST_BYTES:,} bytes: make it several files")
    return data


def open_source(place: Path) -> Source:
    """The source at a path. Raises UserError for a file of a kind that is not known."""
    if is_lmdb(place):
        return LmdbSource(place)
    if place.is_dir():
        return FolderSource(place)
    try:
        with place.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise UserError(f"{place} cannot be read ({error.strerror}): mend the path") from error
    if head.startswith((b"PK\3\4", b"PK\5\6")):
        return ZipSource(place)
    if head.startswith(b"PAR1"):
        return ParquetSource(place)
    if head[257:262] == b"ustar" or place.suffix == ".tar":
        return TarSource(place)
    if head.startswith(_IDX) or re.search(r"idx3-ubyte(\.gz)?$", place.name):
        return ArraySource(place)
    if place.suffix == ".bin" and any(place.stat().st_size % size == 0 for size in _CIFAR):
        return ArraySource(place)
    if head.startswith(b"\x1f\x8b") or place.suffix in (".tgz", ".gz", ".xz", ".bz2", ".zst", ".7z", ".rar"):
        raise UserError(f"{place} is a compressed archive: unpack it, and give the folder")
    return FileSource(place)

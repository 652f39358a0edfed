"""The directory of a zip, in memory that is bounded by its size: about 400 bytes a member.

`zipfile` takes 600 bytes a member, and longer. What is out of the ordinary is left to it all the same: it
knows all of that, or says what is wrong. Source: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3.12 (directory),
4.3.14 to 4.3.16 (its end) and 4.5.3 (zip64).
"""

import itertools
import os
import struct
import zipfile
from array import array
from pathlib import Path

import numpy as np

from gan import foreign
from training.data.faults import DataError, line

_END, _END64, _LOCATOR = (struct.Struct(f) for f in ("<4s4H2LH", "<4sQ2H2L4Q", "<4sLQL"))
_HEAD = 46  # bytes of an entry before its name
_LARGE = 0xFFFFFFFF  # of a field: the value is in the extra of zip64
_NEWEST = 63  # version of the format that is known

Rows = tuple[list[str], np.ndarray]


def directory(path: Path) -> Rows:
    """Sorted names of a zip, and what it says of each, int64 [N, 5].

    A row: where a member begins, its bytes in the zip, its bytes, CRC-32, and its method, -1 for a password.
    Of members with one name it is the last. Raises DataError for what is no zip.
    """
    try:
        return _plain(path)
    except (OSError, ValueError, struct.error):
        return _by_zipfile(path)


def _plain(path: Path) -> Rows:
    """The directory of an ordinary zip. ValueError or struct.error for any other."""
    if os.sep != "/":
        raise ValueError("names are changed here")
    data = _entries(path)
    places, at, sizes = array("q"), 0, struct.Struct("<3H")
    while at < len(data):
        places.append(at)
        at += _HEAD + sum(sizes.unpack_from(data, at + 28))
    if at != len(data):
        raise ValueError("an entry beyond the end")
    raw, begin = np.frombuffer(data, np.uint8), np.frombuffer(places, np.int64)

    def field(offset: int, width: int) -> np.ndarray:
        return sum(raw[begin + offset + i].astype(np.int64) << 8 * i for i in range(width))

    if len(begin) and ((field(0, 4) != 0x02014B50).any() or field(6, 2).max() > _NEWEST):
        raise ValueError("another kind of entry")
    flags, name, extra = field(8, 2), field(28, 2), field(30, 2)
    rows = np.stack([field(42, 4), field(20, 4), field(24, 4), field(16, 4), field(10, 2)], axis=1)
    rows[flags & 1 == 1, 4] = -1
    _enlarge(rows, data, begin + _HEAD + name, extra)
    utf8 = (flags & 0x800 != 0).tolist()
    numbers = {}
    for i, (start, length) in enumerate(zip((begin + _HEAD).tolist(), name.tolist(), strict=True)):
        text = data[start : start + length]
        if b"\0" in text:
            raise ValueError("a name that ends early")
        if not text.endswith(b"/"):
            numbers[text.decode("ascii" if text.isascii() else "utf-8" if utf8[i] else "cp437")] = i
    names = sorted(numbers)
    return names, rows[[numbers[name] for name in names]].reshape(-1, 5)


def _entries(path: Path) -> bytes:
    """The bytes of all entries, which end where the record of the end begins."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(-min(size, _END.size + _LOCATOR.size + _END64.size + 0xFFFF), os.SEEK_END)
        tail = file.read()
        at = tail.rfind(b"PK\5\6")
        _, disk, first, here, count, length, start, comment = _END.unpack_from(tail, max(at, 0))
        if at < 0 or comment != len(tail) - at - _END.size:
            raise ValueError("another end")
        if at >= _LOCATOR.size and tail.startswith(b"PK\6\7", at - _LOCATOR.size):
            at -= _LOCATOR.size + _END64.size
            signature, _, _, _, disk, first, here, count, length, start = _END64.unpack_from(tail, max(at, 0))
            if at < 0 or signature != b"PK\6\6":
                raise ValueError("another end")
        if disk or first or here != count or start + length != size - len(tail) + at:
            raise ValueError("in several parts, or behind something else")
        file.seek(start)
        return file.read(length)


def _enlarge(rows: np.ndarray, data: bytes, begin: np.ndarray, extra: np.ndarray) -> None:
    """Put the sizes and places of zip64 into `rows`, from each entry's extra at `begin`, of so many bytes."""
    for i in np.flatnonzero(extra).tolist():
        at, end = int(begin[i]), int(begin[i] + extra[i])
        while at + 4 <= end:
            kind, length = struct.unpack_from("<2H", data, at)
            if kind == 0x7075 or at + 4 + length > end:
                raise ValueError("a second name, or a damaged extra")
            if kind == 1:
                columns = [column for column in (2, 1, 0) if rows[i, column] == _LARGE]
                values = struct.unpack_from(f"<{len(columns)}Q", data[at + 4 : at + 4 + length])
                for column, value in zip(columns, values, strict=True):
                    rows[i, column] = value
            at += 4 + length
    if (rows[:, :3] == _LARGE).any():
        raise ValueError("a size that is missing")


def _by_zipfile(path: Path) -> Rows:
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
    return names, np.fromiter(rows, np.int64, 5 * len(names)).reshape(-1, 5)


def _described(info: zipfile.ZipInfo) -> tuple[int, int, int, int, int]:
    method = -1 if info.flag_bits & 1 else info.compress_type
    return info.header_offset, info.compress_size, info.file_size, info.CRC, method

"""The names of a data set's files, sorted and compact: two arrays, which may be mapped from a file.

A list of a million names costs 100 bytes each, and every process that looks at one of them copies the memory
it lies in. An array costs what the names have, and is shared by all processes of a machine.
"""

import hashlib
import os
import time
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gan.errors import UserError
from gan.files import atomic_folder, cache_folder
from training.data.names import SUFFIXES, has_ending, is_hidden

IMAGE, OTHER, HIDDEN = range(3)  # kinds of files
START, END, KIND = range(3)  # columns of a table: where a name lies in the text, and the kind of the file
SETTLED = 2e9  # nanoseconds after which a change of a file is sure to show in its times
KEPT = 10_000  # files of which a listing is worth keeping
_FORMAT = 1


class Names(Sequence[str]):
    """Names by number, decoded as they are asked for.  text: uint8.  starts, ends: int64 [N], in it."""

    def __init__(self, text: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> None:
        self._text, self._starts, self._ends = text, starts, ends

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, number: int) -> str:
        return os.fsdecode(self.encoded(number))

    def encoded(self, number: int) -> bytes:
        """A name as the file system has it."""
        return self._text[self._starts[number] : self._ends[number]].tobytes()

    def taken(self, numbers: np.ndarray) -> "Names":
        """Those of these numbers, int64 [n], or of a mask, bool [N]."""
        return Names(self._text, self._starts[numbers], self._ends[numbers])

    def number(self, name: str) -> int | None:
        """Of a name among sorted ones; None if it is not there."""
        place = bisect_left(self, name)
        return place if place < len(self) and self[place] == name else None


@dataclass(frozen=True)
class Listing:
    """The files of a set in the order of their names.

    text: uint8, their names one after the other.  table: int64 [N, 3 or more], a row for each file: START,
    END and KIND, and whatever else its place says of it.
    """

    text: np.ndarray
    table: np.ndarray
    folder: Path | None = None  # from which they are mapped

    @property
    def names(self) -> Names:
        """By number."""
        return Names(self.text, self.table[:, START], self.table[:, END])

    def numbers(self, kind: int) -> np.ndarray:
        """Of the files of a kind, int64 [n], sorted."""
        return np.flatnonzero(self.table[:, KIND] == kind)

    def __reduce__(self) -> tuple:
        """For other processes, which map the same files."""
        whole = (Listing, (self.text, self.table))
        return whole if self.folder is None else (_mapped, (self.folder,))


def listed(names: Iterable[str], rows: np.ndarray | None = None) -> Listing:
    """A listing of sorted names, of which `rows`, int64 [N, n], says more."""
    encoded, kinds = [], []
    for name in names:
        encoded.append(os.fsencode(name))
        kinds.append(HIDDEN if is_hidden(name) else IMAGE if has_ending(name) else OTHER)
    places = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    head = np.stack([places[:-1], places[1:], np.array(kinds, np.int64)], axis=1)
    table = head if rows is None else np.concatenate([head, rows], axis=1)
    return Listing(np.frombuffer(b"".join(encoded), np.uint8), table)


def state_of(path: Path) -> str | None:
    """Hex digits that change with a file, by its place, size and times; None if it is too new to tell."""
    found = path.stat()
    times = found.st_mtime_ns, found.st_ctime_ns
    told = f"{path.resolve()}\0{found.st_size} {times} {found.st_ino}".encode(errors="surrogateescape")
    return hashlib.sha256(told).hexdigest() if time.time_ns() - max(times) > SETTLED else None


def load(path: Path, state: str | None) -> Listing | None:
    """The listing of a set that `keep` kept, mapped; None where there is none, or the set has changed since.

    state: hex digits that change with it, None where they cannot be told.
    """
    try:
        folder = _folder(path)
        if state is None or (folder / "key").read_text() != _key(state):
            return None
        return _mapped(folder)
    except (OSError, UserError, ValueError, EOFError):
        return None


def keep(path: Path, listing: Listing, state: str | None) -> Listing:
    """The same listing, kept in $GAN_CACHE/listings and mapped from there if it is long."""
    try:
        if len(listing.table) < KEPT or state is None:
            return listing
        with atomic_folder(_folder(path)) as temporary:
            np.save(temporary / "text.npy", listing.text)
            np.save(temporary / "table.npy", listing.table)
            (temporary / "key").write_text(_key(state))
        return load(path, state) or listing
    except (OSError, UserError):
        return listing


def _mapped(folder: Path) -> Listing:
    text, table = (np.load(folder / f"{name}.npy", "r", allow_pickle=False) for name in ("text", "table"))
    if text.dtype != np.uint8 or text.ndim != 1 or table.dtype != np.int64 or table.ndim != 2:
        raise ValueError("not a listing")
    if table[:, END].max(initial=0) > len(text):
        raise ValueError("names beyond the text")
    return Listing(text, table, folder)


def _folder(path: Path) -> Path:
    return cache_folder() / "listings" / hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:32]


def _key(state: str) -> str:
    return f"{_FORMAT} {' '.join(SUFFIXES)} {state}"

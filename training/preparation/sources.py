"""Where files to prepare lie: folders and single files here, archives and arrays in the modules beside it.

A source lists its members cheaply, with what is odd about them from outside, and reads one by the place that
the listing gave: processes that decode need no list of their own.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gan.errors import UsageError, UserError
from training.data.names import is_hidden

MOST_BYTES = 2**30  # of one file that is read into memory
SYSTEM = {"thumbs.db", "ehthumbs.db", "desktop.ini", ".ds_store", ".localized", ".directory", "icon\r"}
OWN = {b"prepare.json", b"state.sqlite"}  # what marks a working folder, of which nothing is read


@dataclass(frozen=True, kw_only=True)
class Member:
    """A file of a source. path: within the source, forward slashes, as bytes.  size: bytes.

    stamp: changes with the content.  place: where `Source.read` finds it.  faults: (kind, detail), as far as
    they show from outside; a member with `closed` is not read.
    """

    path: bytes
    size: int = 0
    stamp: str = ""
    place: tuple[int, ...] = ()
    faults: tuple[tuple[str, str], ...] = ()
    closed: bool = False


class Source(Protocol):
    """What an archive, a folder or a file of arrays has. Making one is cheap; copies go to processes."""

    place: Path

    def members(self, *, hidden: bool) -> Iterator[Member]:
        """All files in any order; `hidden`: also what is in hidden folders."""

    def read(self, path: bytes, place: tuple[int, ...]) -> bytes:
        """Bytes of a member. Raises OSError or ValueError where they cannot be had."""

    def notes(self) -> dict[bytes, dict[str, Any]]:
        """What the source itself knows of members, as `notes.Notes` has it: label, caption, custom, ..."""


def is_system(name: str) -> bool:
    """Whether a path is of what operating systems leave in folders."""
    last = name.rstrip("/").rpartition("/")[2].lower()
    return last in SYSTEM or "__MACOSX" in name.split("/")


def seen_from_outside(name: str, *, hidden: bool) -> tuple[tuple[tuple[str, str], ...], bool]:
    """(faults, closed) that a name alone tells."""
    if is_system(name):
        return (("system", name.rpartition("/")[2] or name),), True
    if is_hidden(name):
        return (("hidden", name.rpartition("/")[2] or name),), not hidden
    return (), False


class FolderSource:
    """The files below a folder. Links are followed, once each; those to a folder above end there."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def members(self, *, hidden: bool) -> Iterator[Member]:
        """As `Source` has it. Hidden folders come as one closed member each, unless `hidden`."""
        waiting: list[tuple[bytes, str]] = [(b"", "")]  # prefix, and the link that leads there
        root = os.fsencode(self.place)
        seen: set[tuple[int, int]] = set()
        while waiting:
            prefix, through = waiting.pop()
            folder = os.path.join(root, prefix)  # noqa: PTH118 (bytes)
            try:
                found = os.stat(folder)  # noqa: PTH116
                if (found.st_dev, found.st_ino) in seen:
                    yield _closed(prefix, "loop", f"leads to a folder that is read already: {through}")
                    continue
                seen.add((found.st_dev, found.st_ino))
                entries = sorted(os.scandir(folder), key=lambda entry: entry.is_symlink())
            except OSError as error:
                yield _closed(prefix, "unreadable", error.strerror or str(error))
                continue
            linked: list[tuple[bytes, str]] = []
            if {entry.name for entry in entries} >= OWN:
                continue
            for entry in entries:
                path = prefix + entry.name
                if isinstance(member := _looked_at(entry, path, through, hidden), Member):
                    yield member
                elif entry.is_symlink():
                    linked.insert(0, (path + b"/", os.fsdecode(path)))
                else:
                    waiting.append((path + b"/", through))
            waiting[:0] = linked  # after all real folders, so that a link never takes their place

    def read(self, path: bytes, place: tuple[int, ...]) -> bytes:
        """As `Source` has it."""
        with open(os.path.join(os.fsencode(self.place), path), "rb", buffering=0) as file:  # noqa: PTH118, PTH123
            return _bounded(file.read(MOST_BYTES + 1))

    def notes(self) -> dict[bytes, dict[str, Any]]:
        """Nothing."""
        return {}


class FileSource(FolderSource):
    """One image file."""

    def __init__(self, place: Path) -> None:
        super().__init__(place.parent)
        self._name = os.fsencode(place.name)

    def members(self, *, hidden: bool) -> Iterator[Member]:
        """The one member."""
        found = (self.place / os.fsdecode(self._name)).stat()
        yield Member(path=self._name, size=found.st_size, stamp=f"{found.st_size} {found.st_mtime_ns}")


def _looked_at(entry: "os.DirEntry[bytes]", path: bytes, through: str, hidden: bool) -> Member | None:
    """The member of a file, or of a folder that is not entered; None for a folder to enter."""
    name = os.fsdecode(path)
    faults, closed = seen_from_outside(name, hidden=hidden)
    link = os.fsdecode(entry.name) if entry.is_symlink() else through
    try:
        found = entry.stat()
    except OSError as error:
        return _closed(path, "loop" if entry.is_symlink() else "unreadable", error.strerror or str(error))
    if stat.S_ISDIR(found.st_mode):
        if closed:
            return Member(path=path + b"/", faults=faults, closed=True)
        return None
    if not stat.S_ISREG(found.st_mode):
        return _closed(path, "unreadable", "is no regular file")
    if found.st_size > MOST_BYTES:
        return _closed(path, "bomb", f"{found.st_size:,} bytes")
    if link and not closed:
        faults += (("link", link),)
    stamp = f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"
    return Member(path=path, size=found.st_size, stamp=stamp, faults=faults, closed=closed)


def _closed(path: bytes, kind: str, detail: str) -> Member:
    return Member(path=path or b"./", faults=((kind, detail),), closed=True)


def _bounded(data: bytes) -> bytes:
    if len(data) > MOST_BYTES:
        raise ValueError(f"more than {MOST_BYTES:,} bytes")
    return data


def refuse_within(places: Sequence[Path], out: Path) -> None:
    """Raises UsageError for a set in files that would lie in a source: they would be read the next time."""
    inside = [place for place in places if place.is_dir() and place in out.resolve().parents]
    if inside and out.suffix != ".zip":
        raise UsageError(f"--out {out} lies within the source {inside[0]}: choose another place for it")


def expanded(places: list[Path]) -> list[Path]:
    """Sources, a folder of nothing but shards (.tar) being one source a shard; absolute, in the given order.

    Raises UserError for one that does not exist, and where one is given twice.
    """
    found: list[Path] = []
    for place in places:
        if not place.exists():
            raise UserError(f"no source at {place}: mend the path")
        shards = sorted(place.glob("*.tar")) if place.is_dir() else []
        others = [p for p in place.iterdir() if p.suffix not in (".tar", ".json", ".txt")] if shards else [1]
        found += [shard.resolve() for shard in shards] if not others else [place.resolve()]
    for place in found:
        if found.count(place) > 1:
            raise UserError(f"{place} is given twice: name each source once")
    return found

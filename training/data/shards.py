"""Tar files as the package webdataset writes them, read by an index of their members like any other files.

A sample is the members whose names agree up to the first dot of the last part: 0001.jpg, 0001.cls. The class
of an image is the number in the .cls of its sample. A `dataset.json` beside the tars of a folder names
classes and licence, and the file of vectors beside it has a row for each image.
"""

import hashlib
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from training.data import listing
from training.data.faults import DataError, Refused, line
from training.data.fingerprints import of_content
from training.data.listing import Listing, Names, listed

BESIDE = (".cls", ".json", ".txt")  # endings of what goes with an image in its sample
_SHARD, _OFFSET, _SIZE = range(3, 6)  # columns of the table


class ShardFiles:
    """The files in one tar, named as there, or in those of a folder, named by the tar and as there.

    folder, shards: where the tars lie, and their paths below, sorted.  alone: whether it is one without a
    folder.  beside: files of the folder that lie there as they are.  listing: with the number of the tar, or
    of such a file, the first byte and the bytes of each member.
    """

    def __init__(
        self, folder: Path, shards: Sequence[str], *, alone: bool, beside: Sequence[str] = ()
    ) -> None:
        self._folder, self._shards, self._beside = folder, [*shards, *beside], frozenset(beside)
        self._place = folder / self._shards[0] if alone else folder
        state = self._state()
        found = listing.load(self._place, state)
        self.listing = found or listing.keep(self._place, self._indexed(alone), state)

    def read(self, number: int) -> bytes:
        return self._bytes(number, int(self.listing.table[number, _SIZE]))

    def head(self, number: int, size: int) -> bytes:
        """The first `size` bytes of a member, or all where it is shorter."""
        return self._bytes(number, min(size, int(self.listing.table[number, _SIZE])))

    def fingerprint(self, number: int) -> str:
        return of_content(self.read, number, f"{self._place}: {self.listing.names[number]}")

    def state(self, numbers: Sequence[int]) -> str | None:
        """Digest of places, sizes and times of all tars; None if one may have changed just now."""
        return self._state()

    def close(self) -> None:
        """Nothing is held open."""

    def _state(self) -> str | None:
        try:
            states = [listing.state_of(self._folder / shard) for shard in self._shards]
        except OSError:
            return None
        return None if None in states else hashlib.sha256("".join(states).encode()).hexdigest()

    def _bytes(self, number: int, size: int) -> bytes:
        shard, offset = self.listing.table[number, [_SHARD, _OFFSET]].tolist()
        try:
            with (self._folder / self._shards[shard]).open("rb", buffering=0) as file:
                file.seek(offset)
                data = file.read(size)
        except OSError as error:
            raise Refused(f"cannot be read ({error.strerror}): restore it or allow reading") from error
        if len(data) < size:
            raise Refused("is cut short in the tar: copy or make the tar again")
        return data

    def _indexed(self, alone: bool) -> Listing:
        found: dict[str, tuple[int, int, int]] = {}
        for number, shard in enumerate(self._shards):
            if shard in self._beside:
                found[shard] = number, 0, (self._folder / shard).stat().st_size
                continue
            prefix = "" if alone else f"{shard}/"
            for name, offset, size in _members(self._folder / shard):
                found[f"{prefix}{name}"] = number, offset, size
        names = sorted(found)
        return listed(names, np.array([found[name] for name in names], np.int64).reshape(-1, 3))


def sample(name: str) -> str:
    """The sample that a member belongs to: its name up to the first dot of the last part."""
    folder, slash, last = name.rpartition("/")
    return folder + slash + last.partition(".")[0]


def rows(names: Names) -> np.ndarray:
    """int64 [N]: the row of each image of a folder in a table that has them by their names in the tars."""
    inner = np.array([name.partition(".tar/")[2] for name in names])
    return np.argsort(np.argsort(inner))


def classes(files: ShardFiles, images: Names, others: Iterable[int]) -> list[tuple[str, int]]:
    """Name and class of each image whose sample has one. DataError for a class that is no number."""
    found, names = {}, files.listing.names
    for number in others:
        if (name := names[number]).endswith(".cls"):
            try:
                found[sample(name)] = int(files.read(number))
            except Refused as error:
                raise DataError(f"{name} {error}") from error
            except ValueError as error:
                raise DataError(f"{name} holds no class number: write one, 0, 1, 2, ...") from error
    return [(name, found[sample(name)]) for name in images if sample(name) in found]


def _members(path: Path) -> Iterator[tuple[str, int, int]]:
    """Name, first byte and bytes of each file in a tar. DataError for what is no tar, or one cut short."""
    try:
        with tarfile.open(path, "r:") as tar:
            while (member := tar.next()) is not None:
                tar.members.clear()  # which would keep all
                if member.issparse():
                    raise DataError(f"{path}: {member.name} is a sparse file: make the tar again without")
                if member.isreg():
                    yield member.name.removeprefix("./"), member.offset_data, member.size
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(
            f"{path} is not a readable tar ({line(error)}): copy or make it again, uncompressed"
        ) from error

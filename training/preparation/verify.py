"""Whether a data set is what its manifest says: names and sizes in a moment, contents and pixels if asked."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training.data.arrays import decode_array
from training.data.decoding import decode
from training.data.faults import DataError, Refused
from training.data.names import has_ending, plain
from training.preparation.archives import open_source
from training.preparation.sets import INDEX, read_index
from training.preparation.sources import Member, Source, expanded

MOST = 100_000  # images of a set that `check` looks at


def check(path: Path) -> None:
    """Raises DataError for a set of which files of its manifest are lost or have another size.

    What was added is no matter here, nor a set without a manifest. Sets of more than MOST images are not
    looked at: a list of that many files takes longer than training should wait.
    """
    manifest = read_index(path).get("manifest") if path.is_dir() or path.suffix == ".zip" else None
    if not isinstance(manifest, dict) or not 0 < len(manifest.get("files") or {}) <= MOST:
        return
    lost = list(Verification(path).lost())
    if lost:
        more = f", and {len(lost) - 1} more" if len(lost) > 1 else ""
        raise DataError(
            f"{path}: {lost[0]}{more}: copy or make the set again; gan data verify {path} lists everything"
        )


class Verification:
    """Problems of a set, one a line, as they are found. images: how many files the set has."""

    def __init__(self, path: Path) -> None:
        self._index = read_index(path)
        self._sources: list[Source] = [open_source(place) for place in expanded([path])]
        self._members: dict[str, tuple[Source, Member]] = {}
        for source in self._sources:
            for member in source.members(hidden=False):
                name = plain(member.path.decode("utf-8", "surrogateescape"))
                if not member.closed and has_ending(name) and name != self._index.get("vectors"):
                    self._members[name] = (source, member)
        self.images = len(self._members)
        manifest = self._index.get("manifest")
        self._manifest: Mapping[str, Any] = manifest if isinstance(manifest, dict) else {}
        files = self._manifest.get("files")
        self._files: Mapping[str, Any] = files if isinstance(files, dict) else {}

    def outline(self) -> Iterator[str]:
        """Problems that names and sizes show."""
        if not self._index:
            yield f"there is no {INDEX}: nothing says what the set should hold"
            return
        if not self._files:
            yield f"{INDEX} has no manifest of files: the set was made by another tool"
        else:
            yield from self._against_manifest()
        for what, names in self._named().items():
            if missing := [name for name in names if plain(str(name)) not in self._members]:
                yield f"{what} of {len(missing)} images that are not there, such as {missing[0]}"
        classes = self._index.get("classes") or []
        wrong = [
            pair[0]
            for pair in self._index.get("labels") or []
            if not (isinstance(pair[1], int) and 0 <= pair[1] < (len(classes) or 2**31))
        ]
        if wrong:
            yield f"{len(wrong)} labels are no number of a class, such as that of {wrong[0]}"

    def _against_manifest(self) -> Iterator[str]:
        count = self._manifest.get("count")
        if count is not None and count != self.images:
            yield f"{self.images} images, and the manifest says {count}"
        yield from self.lost()
        listed = {plain(name) for name in self._files}
        for name in self._members.keys() - listed:
            yield f"{name} is not in the manifest"

    def lost(self) -> Iterator[str]:
        """Files of the manifest that are not there, or have another size."""
        for name, said in self._files.items():
            if plain(name) not in self._members:
                yield f"{name} is missing"
            elif said.get("size") not in (None, size := self._members[plain(name)][1].size):
                yield f"{name} has {size} bytes, and the manifest says {said['size']}"

    def _named(self) -> dict[str, Sequence[str]]:
        """Names that the index has, by what they are named for."""
        labels, captions = self._index.get("labels") or [], self._index.get("captions") or {}
        return {"labels": [pair[0] for pair in labels], "captions": list(captions)}

    def contents(self) -> Iterator[list[str]]:
        """Problems of each image, which is read whole and decoded."""
        shape = tuple(self._manifest.get(name) for name in ("channels", "height", "width"))
        for name, (source, member) in sorted(self._members.items()):
            yield list(self._content(name, source, member, shape))

    def _content(self, name: str, source: Source, member: Member, shape: tuple[Any, ...]) -> Iterator[str]:
        try:
            data = source.read(member.path, member.place)
            wanted = self._files.get(name, {}).get("sha256")
            if wanted is not None and hashlib.sha256(data).hexdigest() != wanted:
                yield f"{name} is not what was written: another sha256"
            pixels: np.ndarray = decode_array(data) if name.lower().endswith(".npy") else decode(data)
        except (OSError, ValueError, Refused) as error:
            yield f"{name} {error}"
            return
        if None not in shape and pixels.shape != shape:
            yield f"{name} is {list(pixels.shape)}, and the manifest says {list(shape)}"

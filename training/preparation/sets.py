"""Data sets that are made already: their index, what they hold, parts and unions of them as new entries."""

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gan.errors import UserError, unknown
from training.data import uniform
from training.data.hub_sets import UNKNOWN
from training.data.images import ImageDataset, called, form, open_dataset
from training.preparation.assemble import licence_of
from training.preparation.sources import MOST_BYTES
from training.preparation.writer import About, Entry

INDEX = "dataset.json"


class MadeSet:
    """A data set in a zip or folder, with what its `dataset.json` says of each image.

    data: its images.  index: content of `dataset.json`, {} without.  files: of the manifest, by name.
    Raises DataError as `open_dataset` does, and for images of several sizes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data: ImageDataset = open_dataset(path)
        if not hasattr(self.data.source, "names"):
            raise UserError(f"{path} is one array, not a set of files: give a zip or a folder")
        uniform.check(self.data)
        self.index = read_index(path)
        manifest = self.index.get("manifest") or {}
        self.files: dict[str, dict[str, Any]] = manifest.get("files") or {}
        self._captions: dict[str, str] = self.index.get("captions") or {}

    def __len__(self) -> int:
        return len(self.data)

    def record(self, i: int) -> dict[str, Any]:
        """What is known of image i, for conditions."""
        name = called(self.data.source, i)
        said = self.files.get(name, {})
        channels, height, width = self.data.shape
        labels = self.data.labels
        return {
            **said.get("custom", {}),
            "path": name,
            "label": None if labels is None else self.data.classes[labels[i]],
            "caption": self._captions.get(name),
            "licence": said.get("licence"),
            "author": said.get("author"),
            "source_url": said.get("source"),
            "bytes": said.get("size"),
            "width": width,
            "height": height,
            "channels": channels,
        }

    def entry(self, i: int) -> Entry:
        """Image i as it lies in the set. Raises DataError where it cannot be read."""
        name = called(self.data.source, i)
        said = self.files.get(name, {})
        labels, vectors = self.data.labels, self.data.vectors
        return Entry(
            png=self.data.source.head(i, MOST_BYTES),
            source=said.get("source") or f"{self.path.name}: {name}",
            licence=self.licence(said),
            label=None if labels is None else int(labels[i]),
            caption=self._captions.get(name),
            vector=None if vectors is None else tuple(map(float, vectors[i])),
            details={key: said[key] for key in ("author", "custom") if key in said},
        )

    def licence(self, said: Mapping[str, Any]) -> str:
        """That of an image, of which the manifest says `said`: else that of the set."""
        own = said.get("licence")
        return own if own and own != UNKNOWN else self.data.licence or UNKNOWN

    def about(self, classes: Sequence[str], licences: Mapping[str, int]) -> About:
        """What a set made of this one says of itself."""
        channels, height, width = self.data.shape
        manifest = self.index.get("manifest") or {}
        return About(
            name="",
            licence=licence_of(licences),
            attribution=manifest.get("attribution") or "",
            source=manifest.get("source") or "see the files",
            height=height,
            width=width,
            channels=channels,
            classes=tuple(classes),
            making=manifest.get("making") or {},
        )


def read_index(path: Path) -> dict[str, Any]:
    """Content of the `dataset.json` of a zip or folder, {} without one. UserError for one that is broken."""
    try:
        if path.is_dir():
            file = path / INDEX
            found = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        else:
            with zipfile.ZipFile(path) as archive:
                found = json.loads(archive.read(INDEX)) if INDEX in archive.namelist() else {}
    except (OSError, ValueError, zipfile.BadZipFile, RecursionError) as error:
        raise UserError(f"{path}: {INDEX} cannot be read ({error}): mend or remove it") from error
    if not isinstance(found, dict):
        raise UserError(f"{path}: {INDEX} is no object: mend or remove it")
    return found


def chosen(
    made: MadeSet,
    *,
    classes: Sequence[str] = (),
    where: Callable[[dict[str, Any]], bool] | None = None,
    count: int | None = None,
    seed: int = 0,
) -> list[int]:
    """Numbers of the images of a part: of these classes, for which `where` is true, `count` of them.

    Which ones depends on `seed` and their content, not on their order. Raises UserError for a class that the
    set does not have, and where fewer than `count` are left.
    """
    for name in classes:
        if name not in made.data.classes:
            raise UserError(f"{made.path}: {unknown('class', name, made.data.classes)}")
    found = []
    for i in range(len(made)):
        record = made.record(i)
        if (not classes or record["label"] in classes) and (where is None or where(record)):
            found.append(i)
    if count is None:
        return found
    if len(found) < count:
        raise UserError(f"{made.path}: {len(found)} images are left, not {count}: ask for fewer by --count")
    drawn = sorted(found, key=lambda i: hashlib.sha256(f"{seed} ".encode() + made.entry(i).png).digest())
    return sorted(drawn[:count])


def part(made: MadeSet, numbers: Sequence[int], classes: Sequence[str]) -> Iterator[Entry]:
    """The entries of these images, with labels by their place in `classes`."""
    for i in numbers:
        yield _renumbered(made, made.entry(i), classes)


def union(sets: Sequence[MadeSet], classes: Sequence[str]) -> Iterator[Entry]:
    """The entries of all images, of equal files the first one, with labels by their place in `classes`."""
    seen: set[bytes] = set()
    for made in sets:
        for i in range(len(made)):
            entry = made.entry(i)
            digest = hashlib.sha256(entry.png).digest()
            if digest not in seen:
                seen.add(digest)
                yield _renumbered(made, entry, classes)


def _renumbered(made: MadeSet, entry: Entry, classes: Sequence[str]) -> Entry:
    if entry.label is None:
        return entry
    return replace(entry, label=classes.index(made.data.classes[entry.label]))


def union_classes(sets: Sequence[MadeSet]) -> list[str]:
    """Classes of all sets, in the order in which they come. UserError for sets that cannot be one."""
    first = sets[0]
    for made in sets[1:]:
        if made.data.shape != first.data.shape:
            one, other = form(first.data.shape), form(made.data.shape)
            raise UserError(
                f"{made.path} has images of {other}, {first.path} of {one}:"
                " prepare them together, gan data prepare A B --out C.zip --resolution R"
            )
        if (made.data.labels is None) != (first.data.labels is None):
            one, other = (first, made) if made.data.labels is None else (made, first)
            raise UserError(
                f"{one.path} has classes and {other.path} has none: make one set without, gan data prepare"
                f" {one.path} {other.path} --labels none --out C.zip --resolution R"
            )
        if (made.data.vectors is None) != (first.data.vectors is None):
            raise UserError(f"of {first.path} and {made.path} one has vectors: give both, or neither")
    return list(dict.fromkeys(name for made in sets for name in made.data.classes))


def licences(sets: Sequence[MadeSet]) -> dict[str, int]:
    """How many images have which licence."""
    counts: dict[str, int] = {}
    for made in sets:
        for i in range(len(made)):
            said = made.files.get(called(made.data.source, i), {})
            name = made.licence(said)
            counts[name] = counts.get(name, 0) + 1
    return counts

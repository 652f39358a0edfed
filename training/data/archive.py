"""A data set in files: a zip or a folder of 8-bit images, with or without `dataset.json`.

Images are PNG, JPEG or WebP, grey or RGB, with or without an alpha channel (1 to 4 channels), or NumPy files
(.npy) of uint8 [C, H, W] with any number of channels, at any depth below the top; other files are ignored,
and so are hidden ones. `dataset.json`, if there is one, lies at the top:
{"labels": [[name, int], ...] | null, "classes": [...], "vectors": "vectors.npy", "manifest": {...}}, of which
every key may be absent. Names there may be spelled with backslashes, `./`, or composed characters (NFC)
where the file has decomposed ones. Order is that of the sorted names. The file of vectors lies beside
`dataset.json` and holds floats [N, c_dim], a row for each image in that order.
"""

import functools
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from training.data import fingerprints
from training.data.arrays import decode_array, decode_vectors
from training.data.decoding import decode
from training.data.faults import DataError, Refused, line
from training.data.files import FolderFiles, ZipFiles
from training.data.names import has_ending, is_hidden, left_out, near, plain

MAX_CLASSES = 100_000  # a larger label is a mistake, and would make networks that no memory holds
INDEX = "dataset.json"
DESCRIBED = ("name", "licence", "height", "width", "channels", "count")  # of a manifest, what is kept


class Archive:
    """The images of a zip or folder by number, as `training.data.images.Images` has them.

    Holds at most one open file, reopened in each process that reads, so copies may go to worker processes.
    names: files of the images, sorted.  left_out: a line about files that are no images, or None.
    stray_index: a `dataset.json` that lies too deep to be read, or None.  manifest: what it says of the set.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files = ZipFiles(path) if path.is_file() else FolderFiles(path)
        visible = [name for name in self._files.names if not is_hidden(name)]
        self._index_file = _spelled(INDEX, visible)
        index = self._read_index()
        self.manifest: dict[str, Any] = {
            key: value for key, value in (index.get("manifest") or {}).items() if key in DESCRIBED
        }
        self.name: str | None = self.manifest.get("name")
        self.licence: str | None = self.manifest.get("licence")
        self._vectors: str | None = index.get("vectors")
        self._vectors_file = self._vectors and _spelled(self._vectors, visible)
        self.names = [name for name in visible if has_ending(name) and name != self._vectors_file]
        others = [name for name in visible if not has_ending(name) and name != self._index_file]
        self.left_out = left_out(others)
        deeper = [name for name in others if not self._index_file and plain(name).endswith(f"/{INDEX}")]
        self.stray_index: str | None = min(deeper, key=len, default=None)
        if not self.names:
            kinds = "holds no PNG, JPEG, WebP or .npy image"
            holds = f"{kinds}, only {len(others)} other files such as {others[0]}" if others else "is empty"
            raise DataError(f"{path} {holds}: mend the path" + (", or convert the files" if others else ""))

    def __len__(self) -> int:
        return len(self.names)

    @functools.cached_property
    def _labelled(self) -> tuple[list[str], np.ndarray | None]:
        return _labels(self.path, self._read_index(), self.names)

    @property
    def labels(self) -> np.ndarray | None:
        """Class of each image, int64 [N]; None where the set has none. DataError if they cannot be used."""
        return self._labelled[1]

    @property
    def classes(self) -> list[str]:
        """Names of the classes."""
        return self._labelled[0]

    @property
    def vectors(self) -> np.ndarray | None:
        """Floats [N, c_dim], a row for each image; None where the set has none."""
        if self._vectors is None:
            return None
        if self._vectors_file is None:
            raise DataError(
                f"{self.path}: {INDEX} names the vectors {self._vectors}, which are not there: add them"
            )
        try:
            return decode_vectors(self._files.read(self._vectors_file), len(self.names))
        except Refused as error:
            raise DataError(f"{self.path}: {self._vectors_file} {error}") from error

    @functools.cached_property
    def fingerprint(self) -> str:
        """sha256 of the content: images, labels and manifest, but not the path or file times.

        Covers the sorted names of the images and of `dataset.json` with size and CRC-32 (zip directory) or
        with size and content (folder, all of which is read, unless its files have the sizes and times that
        they had when it was read last). A zip and a folder of the same images differ.
        """
        more = [name for name in (self._index_file, self._vectors_file) if name is not None]
        names = sorted([*more, *self.names])
        return fingerprints.remembered(lambda: self._files.state(names), lambda: self._digest(names))

    def _digest(self, names: list[str]) -> str:
        digest = hashlib.sha256()
        for name in names:
            digest.update(os.fsencode(name) + f"\0{self._files.fingerprint(name)}\n".encode())
        return digest.hexdigest()

    def close(self) -> None:
        """Release the file; the next read opens it again."""
        self._files.close()

    def image(self, i: int) -> np.ndarray:
        """Image `i`, uint8 [C, H, W]. Raises DataError if it is damaged or not 8 bits deep."""
        name = self.names[i]
        try:
            data = self._files.read(name)
            return decode_array(data) if name.lower().endswith(".npy") else decode(data)
        except Refused as error:
            raise DataError(f"{self.path}: {name} {error}") from error

    def head(self, i: int, size: int) -> bytes:
        """The first `size` bytes of the file of image `i`. Raises DataError as `image` does."""
        try:
            return self._files.head(self.names[i], size)
        except Refused as error:
            raise DataError(f"{self.path}: {self.names[i]} {error}") from error

    def _read_index(self) -> dict[str, Any]:
        """Content of `dataset.json`, {} if there is none."""
        if self._index_file is None:
            return {}
        try:
            index = json.loads(self._files.read(self._index_file))
        except Refused as error:
            raise DataError(f"{self.path}: {INDEX} {error}") from error
        except ValueError as error:
            raise DataError(f"{self.path}: {INDEX} is not JSON ({line(error)}): mend or remove it") from error
        if not isinstance(index, dict) or not isinstance(index.get("manifest") or {}, dict):
            raise DataError(
                f'{self.path}: {INDEX} is not an object such as {{"labels": null}}: mend or remove it'
            )
        if not isinstance(index.get("vectors"), str | None):
            raise DataError(
                f"{self.path}: {INDEX} has {type(index['vectors']).__name__} as vectors: write the name of"
                " a .npy file beside it"
            )
        return index


def _labels(path: Path, index: dict[str, Any], names: list[str]) -> tuple[list[str], np.ndarray | None]:
    """Class names and the label of each image, int64 [N]; None where `index` has no labels."""
    pairs, classes = index.get("labels"), index.get("classes") or []
    if not pairs:
        return [], None
    try:
        exact = {name: label for name, label in pairs}  # noqa: C416 (checks that each is a pair)
        by_name = {plain(name): label for name, label in exact.items()}
    except (TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: labels in {INDEX} must be a list of [name, class number] pairs") from error
    labels = [exact.get(name, by_name.get(plain(name))) for name in names]
    for name, label in zip(names, labels, strict=True):
        if label is None:
            raise DataError(f"{path}: {_unlabelled(name, exact)}")
        if type(label) is not int or not 0 <= label < (len(classes) or MAX_CLASSES):
            known = f"0 to {len(classes) - 1}" if classes else f"0, 1, 2, ... below {MAX_CLASSES}"
            raise DataError(
                f"{path}: {name} has the label {label!r} in {INDEX}: write a class number, {known}"
            )
    return [str(c) for c in classes] or [str(c) for c in range(max(labels) + 1)], np.array(labels, np.int64)


def _unlabelled(name: str, indexed: Mapping[str, Any]) -> str:
    """What to say of an image without a label: also what the index may mean by another spelling."""
    other = near(name, indexed)
    if other is None:
        return f"{INDEX} has no label for {name}: add it, or set labels to null for all"
    return f"{INDEX} has no label for {name!a}, but for {other!a}: write the first in its place"


def _spelled(name: str, names: list[str]) -> str | None:
    """`name` as one of the files has it, None if none is meant."""
    return next((other for other in names if plain(other) == plain(name)), None)

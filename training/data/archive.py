"""A data set in files: a zip or a folder of 8-bit images, with or without `dataset.json`.

Images are PNG, JPEG or WebP, grey or RGB, with or without an alpha channel (1 to 4 channels), or NumPy files
(.npy) of uint8 [C, H, W] with any number of channels, at any depth below the top; other files are ignored,
and so are hidden ones. `dataset.json`, if there is one, lies at the top:
{"labels": [[name, int], ...] | null, "classes": [...], "vectors": "vectors.npy", "manifest": {...}}, of which
every key may be absent. Order is that of the sorted names. The file of vectors lies beside `dataset.json` and
holds floats [N, c_dim], a row for each image in that order.
"""

import functools
import hashlib
import json
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from training.data.decoding import decode, decode_array, decode_vectors
from training.data.faults import DataError, Refused, line
from training.data.files import FolderFiles, ZipFiles

MAX_CLASSES = 100_000  # a larger label is a mistake, and would make networks that no memory holds
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".npy")
INDEX = "dataset.json"


class Archive:
    """The images of a zip or folder by number, as `training.data.images.Images` has them.

    Holds at most one open file, reopened in each process that reads, so copies may go to worker processes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files = ZipFiles(path) if path.is_file() else FolderFiles(path)
        self._index = self._read_index()
        manifest = self._index.get("manifest") or {}
        self.name: str | None = manifest.get("name")
        self.licence: str | None = manifest.get("licence")
        self._vectors = self._index.get("vectors")
        self.names = sorted(name for name in self._files.names() if _is_image(name) and name != self._vectors)
        if not self.names:
            others = sorted(self._files.names())
            kinds = "holds no PNG, JPEG, WebP or .npy image"
            holds = f"{kinds}, only {len(others)} other files such as {others[0]}" if others else "is empty"
            raise DataError(f"{path} {holds}: mend the path" + (", or convert the files" if others else ""))

    def __len__(self) -> int:
        return len(self.names)

    @functools.cached_property
    def _labelled(self) -> tuple[list[str], np.ndarray | None]:
        return _labels(self.path, self._index, self.names)

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
        if self._vectors not in self._files.names():
            raise DataError(f"{self.path}: {INDEX} names the vectors {self._vectors}, which are not there")
        try:
            return decode_vectors(self._files.read(self._vectors), len(self.names))
        except Refused as error:
            raise DataError(f"{self.path}: {self._vectors} {error}") from error

    @functools.cached_property
    def fingerprint(self) -> str:
        """sha256 of the content: images, labels and manifest, but not the path or file times.

        Covers the sorted names of the images and of `dataset.json` with size and CRC-32 (zip directory) or
        with size and content (folder, all of which is read). A zip and a folder of the same images differ.
        """
        digest = hashlib.sha256()
        more = [name for name in (INDEX, self._vectors) if name in self._files.names()]
        for name in sorted([*more, *self.names]):
            digest.update(f"{name}\0{self._files.fingerprint(name)}\n".encode())
        return digest.hexdigest()

    def close(self) -> None:
        """Release the file; the next read opens it again."""
        self._files.close()

    def image(self, i: int) -> np.ndarray:
        """Image `i`, uint8 [C, H, W]. Raises DataError if it is damaged or not 8 bits deep."""
        try:
            data = self._files.read(self.names[i])
            image = decode_array(data) if self.names[i].lower().endswith(".npy") else decode(data)
        except Refused as error:
            raise DataError(f"{self.path}: {self.names[i]} {error}") from error
        return image

    def _read_index(self) -> dict[str, Any]:
        """Content of `dataset.json`, {} if there is none."""
        if INDEX not in self._files.names():
            return {}
        try:
            index = json.loads(self._files.read(INDEX))
        except Refused as error:
            raise DataError(f"{self.path}: {INDEX} {error}") from error
        except ValueError as error:
            raise DataError(f"{self.path}: {INDEX} is not JSON ({line(error)}): mend or remove it") from error
        if not isinstance(index, dict) or not isinstance(index.get("manifest") or {}, dict):
            raise DataError(
                f'{self.path}: {INDEX} is not an object such as {{"labels": null}}: mend or remove it'
            )
        return index


def _labels(path: Path, index: dict[str, Any], names: list[str]) -> tuple[list[str], np.ndarray | None]:
    """Class names and the label of each image, int64 [N]; None where `index` has no labels."""
    pairs, classes = index.get("labels"), index.get("classes") or []
    if not pairs:
        return [], None
    try:
        by_name = {name.replace("\\", "/"): label for name, label in pairs}
    except (TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: labels in {INDEX} must be a list of [name, class number] pairs") from error
    labels = [by_name.get(name) for name in names]
    for name, label in zip(names, labels, strict=True):
        if label is None:
            raise DataError(f"{path}: {INDEX} has no label for {name}: add it, or set labels to null for all")
        if type(label) is not int or not 0 <= label < (len(classes) or MAX_CLASSES):
            known = f"0 to {len(classes) - 1}" if classes else f"0, 1, 2, ... below {MAX_CLASSES}"
            raise DataError(
                f"{path}: {name} has the label {label!r} in {INDEX}: write a class number, {known}"
            )
    return [str(c) for c in classes] or [str(c) for c in range(max(labels) + 1)], np.array(labels, np.int64)


def _is_image(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return path.suffix.lower() in SUFFIXES and not hidden

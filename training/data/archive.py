"""Read a data set: a zip or a folder of 8-bit images of one size, with or without `dataset.json`.

Images are PNG, JPEG or WebP, grey or RGB, with or without an alpha channel (1 to 4 channels), or NumPy files
(.npy) of uint8 [C, H, W] with any number of channels, at any depth below the top; other files are ignored,
and so are hidden ones. `dataset.json`, if there is one, lies at the top:
{"labels": [[name, int], ...] | null, "classes": [...], "manifest": {...}}, of which every key may be absent.
Order is that of the sorted names.
"""

import functools
import hashlib
import json
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from training.data.decoding import decode, decode_array
from training.data.faults import DataError, Refused, line
from training.data.files import FolderFiles, ZipFiles

CACHE_BYTES = 256 * 2**20  # a set whose decoded images fit is decoded once and kept in memory
MAX_CLASSES = 100_000  # a larger label is a mistake, and would make networks that no memory holds
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".npy")
INDEX = "dataset.json"
_COLOURS = {1: "grey", 2: "grey with alpha", 3: "RGB", 4: "RGBA"}


class ImageDataset:
    """Images by number, decoded when asked for.

    Holds at most one open file, reopened in each process that reads, so copies may go to worker processes.
    `shape` is (C, H, W) of every image. `labels` is int64 [N] or None, `classes` names them; `licence` is
    None where the set does not say.
    """

    def __init__(self, path: Path, use_labels: bool) -> None:
        self.path = path
        self._files = ZipFiles(path) if path.is_file() else FolderFiles(path)
        index = self._read_index()
        manifest = index.get("manifest") or {}
        self.name: str = manifest.get("name") or path.stem
        self.licence: str | None = manifest.get("licence")
        self.names = sorted(filter(_is_image, self._files.names()))
        if not self.names:
            others = sorted(self._files.names())
            kinds = "holds no PNG, JPEG, WebP or .npy image"
            holds = f"{kinds}, only {len(others)} other files such as {others[0]}" if others else "is empty"
            raise DataError(f"{path} {holds}: mend the path" + (", or convert the files" if others else ""))
        self.shape: tuple[int, int, int] = self._decode(0).shape
        self.classes, self.labels = _labels(path, index, self.names) if use_labels else ([], None)
        self._cached = self._empty_cache()

    def __len__(self) -> int:
        return len(self.names)

    def image(self, i: int) -> np.ndarray:
        """Image `i`, uint8 [C, H, W] in [0, 255], read-only.

        Raises DataError if it is damaged, or differs from the first image in size or colour.
        """
        if self._cached is None:
            return self._checked(i)
        images, present = self._cached
        if not present[i]:
            images[i] = self._checked(i)
            present[i] = True
        image = images[i]
        image.setflags(write=False)
        return image

    @functools.cached_property
    def sha256(self) -> str:
        """Fingerprint of the content: images, labels and manifest, but not the path or file times.

        Covers the sorted names of the images and of `dataset.json` with size and CRC-32 (zip directory) or
        with size and content (folder, all of which is read). A zip and a folder of the same images differ.
        """
        digest = hashlib.sha256()
        used = [INDEX, *self.names] if INDEX in self._files.names() else self.names
        for name in sorted(used):
            digest.update(f"{name}\0{self._files.fingerprint(name)}\n".encode())
        return digest.hexdigest()

    def close(self) -> None:
        """Release the file and the memory; the next read opens it again."""
        self._files.close()
        self._cached = self._empty_cache()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_cached": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._cached = self._empty_cache()

    def _empty_cache(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Images [N, C, H, W], filled as they are read, and which of them are there [N]; None if too many."""
        shape = (len(self.names), *self.shape)
        if np.prod(shape) > CACHE_BYTES:
            return None
        return np.empty(shape, np.uint8), np.zeros(len(self.names), bool)

    def _checked(self, i: int) -> np.ndarray:
        image = self._decode(i)
        if image.shape != self.shape:
            raise DataError(
                f"{self.path}: {self.names[i]} is {_format(image.shape)}, but {self.names[0]} is "
                f"{_format(self.shape)}: convert all images to one size and colour, or remove it"
            )
        return image

    def _decode(self, i: int) -> np.ndarray:
        """Image `i` whatever its size. Raises DataError if it is damaged or not 8 bits deep."""
        try:
            data = self._files.read(self.names[i])
            image = decode_array(data) if self.names[i].lower().endswith(".npy") else decode(data)
        except Refused as error:
            raise DataError(f"{self.path}: {self.names[i]} {error}") from error
        image.setflags(write=False)
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


def open_dataset(path: str | Path, *, use_labels: bool = True) -> ImageDataset:
    """Open a zip or folder; only the first image is decoded, the others are checked as they are read.

    `use_labels` False leaves the labels aside, whatever is wrong with them. Raises DataError, in one line, if
    there is no such file, it is no zip or holds no image, or the first image or the labels cannot be used.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(
            f"no data set at {path}: mend the path, or make one with `gan data openmoji --out {path}`"
        )
    return ImageDataset(path, use_labels)


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


def _format(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[2]} {_COLOURS.get(shape[0], f'with {shape[0]} channels')}"

"""Data sets as training and scores read them: from files, or any object that gives images by number."""

import functools
import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from gan import distributed, hub
from gan.errors import UsageError
from training.data import hub_sets
from training.data.archive import MAX_CLASSES, Archive, files_in
from training.data.arrays import StackedArray, is_stacked
from training.data.faults import DataError, escaped
from training.data.files import FolderFiles
from training.data.mapstyle import MapStyle
from training.data.places import absent, lasting, local, title

Condition = Literal["any", "none", "labels", "vectors"]

CACHE_BYTES = 256 * 2**20  # a set whose decoded images fit is decoded once and kept in memory
_NAMED = 5  # classes that a line names
_COLOURS = {1: "grey", 2: "grey with alpha", 3: "RGB", 4: "RGBA"}


@runtime_checkable
class Images(Protocol):
    """What an own data set must have; labels, classes, vectors, name and licence are optional.

    fingerprint: text that changes with the content; a run goes on only with the data it began with.
    """

    fingerprint: str

    def __len__(self) -> int: ...

    def image(self, i: int) -> np.ndarray:
        """Image i, uint8 [C, H, W], the same in every call."""


class ImageDataset:
    """Images by number, all of one shape, with what is known of them.

    place: what messages call it: a path, or the object's class.  path: None for an object.
    shape: (C, H, W).  labels: class numbers, int64 [N], or None; classes: their names.
    vectors: conditions of the images, float32 [N, c_dim], or None; a set in use has labels or vectors.
    Both are read when they are asked for first, and raise DataError then where they cannot be used.
    name: None where the set does not say.
    Copies may go to worker processes. Raises DataError if the first image cannot be used.
    """

    def __init__(self, source: Images, place: str, path: Path | None = None, condition: Condition = "any"):
        self.source, self.place, self.path = source, escaped(place), path
        self.name: str = getattr(source, "name", None) or escaped(title(path) if path else place)
        if len(source) == 0:
            raise DataError(f"{place} is empty: give it images")
        self.shape: tuple[int, int, int] = self._read(0).shape
        self._condition: Condition = condition
        self._cached = self._empty_cache()

    def __len__(self) -> int:
        return len(self.source)

    @functools.cached_property
    def licence(self) -> str | None:
        """Of all images, "unknown" or None where nothing says one; of a set from a hub, its card may."""
        said = getattr(self.source, "licence", None)
        return said if self.path is None else hub_sets.licence(self.path, said)

    @functools.cached_property
    def _classified(self) -> tuple[np.ndarray | None, list[str]]:
        return _labels(self.source, self.place, self._condition)

    @functools.cached_property
    def labels(self) -> np.ndarray | None:
        """Class of each image, int64 [N]; None without classes."""
        return self._classified[0]

    @functools.cached_property
    def classes(self) -> list[str]:
        """Names of the classes, also of those that no image has; [] without classes."""
        return self._classified[1]

    @functools.cached_property
    def vectors(self) -> np.ndarray | None:
        """Condition of each image, float32 [N, c_dim]; None without vectors, or beside labels."""
        return _vectors(self.source, self.place, self._condition)

    @functools.cached_property
    def counts(self) -> np.ndarray:
        """Images of each class, int64 [K]; K is 0 without classes."""
        return np.bincount([] if self.labels is None else self.labels, minlength=len(self.classes))

    @property
    def c_dim(self) -> int:
        """Values of a condition: as many as classes, or as in a vector; 0 for none."""
        return len(self.classes) if self.vectors is None else self.vectors.shape[1]

    @property
    def left_out(self) -> str | None:
        """A line about files of the set that are no images, None where there are none."""
        found = self.source.left_out if isinstance(self.source, Archive) else None
        return found and escaped(f"{self.place}: {found}")

    @property
    def unseen(self) -> str | None:
        """A line about classes without images, None where every class has some."""
        absent = [name for name, count in zip(self.classes, self.counts, strict=True) if not count]
        if not absent:
            return None
        more = f" and {len(absent) - _NAMED} more" if len(absent) > _NAMED else ""
        names = ", ".join(absent[:_NAMED]) + more
        return f"warning: {self.place} has no image of {names}: nothing is learned of these classes"

    @property
    def index_remedy(self) -> str | None:
        """What to do about a `dataset.json` that lies too deep to be read, None where there is none."""
        stray = self.source.stray_index if isinstance(self.source, Archive) else None
        if stray is None:
            return None
        folder = stray.rpartition("/")[0]
        if self.path is not None and self.path.is_dir():
            return escaped(f"dataset.json lies deeper, in {folder}: give {self.path / folder}")
        return escaped(f"dataset.json lies deeper, in {folder}: unpack the zip and give that folder")

    @property
    def slug(self) -> str:
        """A short name for folders."""
        return re.sub(r"[^A-Za-z0-9._-]+", "-", title(self.path) if self.path else self.name)

    @functools.cached_property
    def sha256(self) -> str:
        """Fingerprint of the content as 64 hex digits; see the source's."""
        found = self.source.fingerprint
        return found if re.fullmatch(r"[0-9a-f]{64}", found) else hashlib.sha256(found.encode()).hexdigest()

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

    def raw(self, i: int) -> np.ndarray:
        """Image `i` as `image` has it, but of any size and colour."""
        if self._cached is not None and self._cached[1][i]:
            return self.image(i)
        return self._read(i)

    @property
    def in_memory(self) -> bool:
        """Whether each image is decoded once and kept: where all fit into CACHE_BYTES."""
        return self._cached is not None

    def conditioned(self, condition: Condition) -> "ImageDataset":
        """The same images with other conditions, or none."""
        other = ImageDataset(self.source, self.place, self.path, condition)
        if "sha256" in self.__dict__:  # already found, or told by another process
            other.sha256 = self.sha256
        return other

    def conditions(self, numbers: Sequence[int]) -> np.ndarray:
        """Vectors float32 [n, c_dim], or classes int64 [n], -1 where the set has neither."""
        if self.vectors is not None:
            return self.vectors[numbers]
        return np.full(len(numbers), -1) if self.labels is None else self.labels[numbers]

    def close(self) -> None:
        """Release the file and the memory; the next read opens it again."""
        getattr(self.source, "close", lambda: None)()
        self._cached = self._empty_cache()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_cached": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._cached = self._empty_cache()

    def _empty_cache(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Images [N, C, H, W], filled as they are read, and which of them are there [N]; None if too many."""
        shape = (len(self), *self.shape)
        if np.prod(shape) > CACHE_BYTES:
            return None
        return np.empty(shape, np.uint8), np.zeros(len(self), bool)

    def _checked(self, i: int) -> np.ndarray:
        image = self._read(i)
        if image.shape != self.shape:
            raise DataError(
                f"{self.place}: {called(self.source, i)} is {form(image.shape)}, but"
                f" {called(self.source, 0)} is {form(self.shape)}:"
                " convert all images to one size and colour, or remove it"
            )
        return image

    def _read(self, i: int) -> np.ndarray:
        """Image `i` whatever its size. DataError for what is no uint8 [C, H, W]."""
        image = self.source.image(i)
        if not (isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3):
            what = f"{getattr(image, 'dtype', type(image).__name__)} {list(getattr(image, 'shape', ()))}"
            raise DataError(f"{self.place}: image({i}) gives {what}: give a NumPy array uint8 [C, H, W]")
        image = image.view()
        image.setflags(write=False)
        return image


def share_fingerprint(dataset: ImageDataset) -> None:
    """Let the first of several processes alone find the fingerprint, for all. All must call this."""
    dataset.sha256 = distributed.from_first(lambda: dataset.sha256)


def open_together(data: Any, *, condition: Condition = "any") -> ImageDataset:
    """`open_dataset` in all processes of a job, which must all call this.

    The first one alone looks through a folder, or reads the directory of a zip or tars, which the others find
    in the cache where it is large.
    """
    if distributed.world() == 1 or not isinstance(data, str | Path):
        return open_dataset(data, condition=condition)
    if hub.is_name(data):  # fetched by the first, and at its commit by those of other machines
        data = distributed.from_first(lambda: lasting(local(data)))
    told = distributed.from_first(lambda: _looked_through(local(data)))
    return open_dataset(data, condition=condition, names=json.loads(told))


def _looked_through(path: Path) -> str:
    """The names of a folder's files, in JSON; null for anything else."""
    if path.is_dir():
        names = list(FolderFiles(path).listing.names)
        files_in(path, names)
        return json.dumps(names)
    if path.is_file() and not is_stacked(path):
        files_in(path)
    return "null"


def open_dataset(
    data: Any, *, condition: Condition = "any", names: Sequence[str] | None = None
) -> ImageDataset:
    """A data set of a path, a name `hf://datasets/...`, an object with `Images`, or a map-style one.

    A path is that of a zip, folder, tar, LMDB, parquet, .npy or .npz.
    A map-style data set, such as one of torchvision, a table of `datasets` or an array [N, ...], has `len`
    and gives an image, or an image with its label, by number; see `MapStyle`.
    condition: which conditions it has; any takes the labels, or else the vectors; none leaves both aside.
    names: of all files of a folder, sorted, where another process has looked for them already.
    Only the first image of a file is decoded, the others are checked as they are read, and conditions when
    they are used. Raises DataError, in one line, if there is no such file, it is no zip or holds no image, or
    the first image cannot be used; UsageError for an object that is none of these.
    """
    if isinstance(data, ImageDataset):
        return data
    if isinstance(data, str | Path):
        path = local(data)
        if not path.exists():
            raise DataError(absent(str(data)))
        source = StackedArray(path) if path.is_file() and is_stacked(path) else Archive(path, names)
        return ImageDataset(source, lasting(path), path, condition)
    place = type(data).__name__
    if isinstance(data, Images):
        return ImageDataset(data, place, condition=condition)
    if not (hasattr(data, "__len__") and hasattr(data, "__getitem__")):
        ways = "a path, a data set with len() and [i], or an object with image(i) and fingerprint"
        raise UsageError(f"cannot read images from a {place}: give {ways}")
    return ImageDataset(MapStyle(data), place, condition=condition)


def _labels(source: Any, place: str, condition: Condition) -> tuple[np.ndarray | None, list[str]]:
    """Class numbers int64 [N] and the names of the classes."""
    found = getattr(source, "labels", None) if condition in ("any", "labels") else None
    if found is None:
        return None, []
    labels = np.asarray(found)
    classes = [str(name) for name in getattr(source, "classes", None) or range(int(labels.max()) + 1)]
    if labels.shape != (len(source),) or labels.dtype.kind not in "iu":
        given = f"{labels.dtype} {list(labels.shape)}"
        raise DataError(f"{place}: labels are {given}: give one class number for each image")
    if labels.min() < 0 or labels.max() >= min(len(classes), MAX_CLASSES):
        given = f"{labels.min()} to {labels.max()} for {len(classes)} classes"
        raise DataError(f"{place}: labels are {given}: give numbers of classes, from 0 on")
    return labels.astype(np.int64), classes


def _vectors(source: Any, place: str, condition: Condition) -> np.ndarray | None:
    """Condition vectors float32 [N, c_dim]."""
    labelled = condition == "any" and getattr(source, "labels", None) is not None
    wanted = condition in ("any", "vectors") and not labelled
    found = getattr(source, "vectors", None) if wanted else None
    if found is None:
        return None
    vectors = np.asarray(found)
    if vectors.ndim != 2 or len(vectors) != len(source) or vectors.dtype.kind != "f":
        shape = f"{vectors.dtype} {list(vectors.shape)}"
        wanted = f"give one row of floats for each of {len(source)} images"
        raise DataError(f"{place}: vectors are {shape}: {wanted}")
    if not np.isfinite(vectors).all():
        row = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
        raise DataError(f"{place}: the vector of image {row} is not finite: mend or remove it")
    return vectors.astype(np.float32)


def called(source: Images, i: int) -> str:
    """What messages call image i: the name of its file, or its number."""
    names = getattr(source, "names", None)
    return names[i] if names else f"image {i}"


def form(shape: tuple[int, ...]) -> str:
    """Size and colour of [C, H, W], for messages: 8x8 RGB."""
    return f"{shape[1]}x{shape[2]} {_COLOURS.get(shape[0], f'with {shape[0]} channels')}"

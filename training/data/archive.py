"""A data set in files: zip, folder, tars, LMDB or parquet of 8-bit images, with or without `dataset.json`.

Images are PNG, JPEG or WebP, grey or RGB, with or without an alpha channel (1 to 4 channels), or NumPy files
(.npy) of uint8 [C, H, W] with any number of channels, at any depth below the top; other files are ignored,
and so are hidden ones. `dataset.json`, if there is one, lies at the top:
{"labels": [[name, int], ...] | null, "classes": [...], "vectors": "vectors.npy", "manifest": {...}}, of which
every key may be absent. Names there may be spelled with backslashes, `./`, or composed characters (NFC)
where the file has decomposed ones. Order is that of the sorted names. The file of vectors lies beside
`dataset.json` and holds floats [N, c_dim], a row for each image in that order. Without `dataset.json`,
classes come from the metadata of an ImageFolder, or from the .cls of a WebDataset.
"""

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training.data import fingerprints
from training.data.arrays import decode_array, decode_vectors
from training.data.decoding import decode
from training.data.faults import DataError, Refused, line
from training.data.files import FolderFiles, ZipFiles
from training.data.listing import IMAGE, OTHER, Names
from training.data.lmdb_files import LmdbFiles, is_lmdb
from training.data.metadata import is_metadata
from training.data.metadata import labels as metadata_labels
from training.data.names import left_out, near, plain
from training.data.parquet import ENDING, ParquetFiles
from training.data.shards import BESIDE, ShardFiles, classes

MAX_CLASSES = 100_000  # a larger label is a mistake, and would make networks that no memory holds
INDEX = "dataset.json"
Files = FolderFiles | ZipFiles | ShardFiles | LmdbFiles | ParquetFiles
DESCRIBED = ("name", "licence", "height", "width", "channels", "count")  # of a manifest, what is kept


class Archive:
    """The images of a zip, a folder or tars by number, as `training.data.images.Images` has them.

    Holds at most one open file, reopened in each process that reads, so copies may go to worker processes.
    names: files of the images, sorted.  left_out: a line about files that are no images, or None.
    stray_index: a `dataset.json` that lies too deep to be read, or None.  manifest: what it says of the set.
    """

    def __init__(self, path: Path, names: Iterable[str] | None = None) -> None:
        """names: of all files of a folder, sorted, where another process has looked for them already."""
        self.path = path
        self._files = files_in(path, names)
        listing = self._files.listing
        others, images = listing.numbers(OTHER).tolist(), listing.numbers(IMAGE)
        self._index = _spelled(INDEX, listing.names, others)
        index = self._read_index()
        self.manifest: dict[str, Any] = {
            key: value for key, value in (index.get("manifest") or {}).items() if key in DESCRIBED
        }
        self.name: str | None = self.manifest.get("name")
        self.licence: str | None = self.manifest.get("licence")
        self._vectors: str | None = index.get("vectors")
        self._vectors_number = None
        if self._vectors is not None:
            self._vectors_number = _spelled(self._vectors, listing.names, [*others, *images.tolist()])
        self._numbers = images if self._vectors_number is None else images[images != self._vectors_number]
        self.names = listing.names.taken(self._numbers)
        self._beside = [] if self._index is not None else [n for n in others if self._is_beside(n)]
        used = {self._index, self._vectors_number, *self._beside}
        more = [listing.names[n] for n in others if n not in used]
        self.left_out = left_out(more)
        deeper = [name for name in more if self._index is None and plain(name).endswith(f"/{INDEX}")]
        self.stray_index: str | None = min(deeper, key=len, default=None)
        if not len(self._numbers):
            kinds = "holds no PNG, JPEG, WebP or .npy image"
            holds = f"{kinds}, only {len(more)} other files such as {more[0]}" if more else "is empty"
            raise DataError(f"{path} {holds}: mend the path" + (", or convert the files" if more else ""))

    def __len__(self) -> int:
        return len(self.names)

    @functools.cached_property
    def _labelled(self) -> tuple[list[str], np.ndarray | None]:
        index, where = self._read_index(), INDEX
        if not index.get("labels") and self._beside:
            index, where = self._labels_beside(), "its metadata"
        return _labels(self.path, index, self.names, where)

    def _is_beside(self, number: int) -> bool:
        """Whether a file goes with images, of which it may say the class."""
        name = self._files.listing.names[number]
        return name.endswith(BESIDE) if isinstance(self._files, ShardFiles) else is_metadata(name)

    def _labels_beside(self) -> dict[str, Any]:
        """What the files beside the images say of their classes, as in `dataset.json`."""
        names = self._files.listing.names
        try:
            if isinstance(self._files, ShardFiles):
                return {"labels": classes(self._files, self.names, self._beside)}
            return metadata_labels({names[n]: self._files.read(n) for n in self._beside})
        except Refused as error:
            raise DataError(f"{self.path}: {error}") from error

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
        if self._vectors_number is None:
            raise DataError(
                f"{self.path}: {INDEX} names the vectors {self._vectors}, which are not there: add them"
            )
        try:
            return decode_vectors(self._files.read(self._vectors_number), len(self.names))
        except Refused as error:
            name = self._files.listing.names[self._vectors_number]
            raise DataError(f"{self.path}: {name} {error}") from error

    @functools.cached_property
    def fingerprint(self) -> str:
        """sha256 of the content: images, labels and manifest, but not the path or file times.

        Covers the sorted names of the images and of `dataset.json` with size and CRC-32 (zip directory) or
        with size and content (folder, all of which is read, unless its files have the sizes and times that
        they had when it was read last). A zip and a folder of the same images differ.
        """
        more = [number for number in (self._index, self._vectors_number) if number is not None]
        numbers = sorted([*more, *self._beside, *self._numbers.tolist()])
        return fingerprints.remembered(lambda: self._files.state(numbers), lambda: self._digest(numbers))

    def _digest(self, numbers: list[int]) -> str:
        digest, names = hashlib.sha256(), self._files.listing.names
        for number in numbers:
            digest.update(names.encoded(number) + f"\0{self._files.fingerprint(number)}\n".encode())
        return digest.hexdigest()

    def close(self) -> None:
        """Release the file; the next read opens it again."""
        self._files.close()

    def image(self, i: int) -> np.ndarray:
        """Image `i`, uint8 [C, H, W]. Raises DataError if it is damaged or not 8 bits deep."""
        name = self.names[i]
        try:
            data = self._files.read(self._numbers[i])
            return decode_array(data) if name.lower().endswith(".npy") else decode(data)
        except Refused as error:
            raise DataError(f"{self.path}: {name} {error}") from error

    def head(self, i: int, size: int) -> bytes:
        """The first `size` bytes of the file of image `i`. Raises DataError as `image` does."""
        try:
            return self._files.head(self._numbers[i], size)
        except Refused as error:
            raise DataError(f"{self.path}: {self.names[i]} {error}") from error

    def _read_index(self) -> dict[str, Any]:
        """Content of `dataset.json`, {} if there is none."""
        if self._index is None:
            return self._files.index if isinstance(self._files, ParquetFiles) else {}
        try:
            index = json.loads(self._files.read(self._index))
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


def files_in(path: Path, names: Iterable[str] | None = None) -> Files:
    """The files of a folder, zip, tar, LMDB or parquet, or of tars or parquets in a folder without images.

    names: of all files of a folder, sorted, where another process has looked for them already.
    """
    if is_lmdb(path):
        return LmdbFiles(path)
    if path.is_file():
        if path.suffix.lower() == ENDING:
            return ParquetFiles(path, [path])
        is_tar = path.suffix.lower() == ".tar"
        return ShardFiles(path.parent, [path.name], alone=True) if is_tar else ZipFiles(path)
    folder = FolderFiles(path, names)
    listing = folder.listing
    others = [listing.names[number] for number in listing.numbers(OTHER)]
    tars, tables = ([n for n in others if n.lower().endswith(ending)] for ending in (".tar", ENDING))
    tables = [name for name in tables if not is_metadata(name)]
    if (tars or tables) and not len(listing.numbers(IMAGE)):
        return ShardFiles(path, tars, alone=False) if tars else ParquetFiles(path, [path / t for t in tables])
    return folder


def _labels(
    path: Path, index: dict[str, Any], names: Sequence[str], where: str
) -> tuple[list[str], np.ndarray | None]:
    """Class names and the label of each image, int64 [N]; None without labels in `index`, called `where`."""
    pairs, classes = index.get("labels"), index.get("classes") or []
    if not pairs:
        return [], None
    try:
        exact = {name: label for name, label in pairs}  # noqa: C416 (checks that each is a pair)
        by_name = {plain(name): label for name, label in exact.items()}
    except (TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: labels in {where} must be a list of [name, class number] pairs") from error
    labels = [exact.get(name, by_name.get(plain(name))) for name in names]
    for name, label in zip(names, labels, strict=True):
        if label is None:
            raise DataError(f"{path}: {_unlabelled(name, exact, where)}")
        if type(label) is not int or not 0 <= label < (len(classes) or MAX_CLASSES):
            known = f"0 to {len(classes) - 1}" if classes else f"0, 1, 2, ... below {MAX_CLASSES}"
            raise DataError(
                f"{path}: {name} has the label {label!r} in {where}: write a class number, {known}"
            )
    return [str(c) for c in classes] or [str(c) for c in range(max(labels) + 1)], np.array(labels, np.int64)


def _unlabelled(name: str, indexed: Mapping[str, Any], where: str) -> str:
    """What to say of an image without a label: also what the index may mean by another spelling."""
    other = near(name, indexed)
    if other is None:
        return f"{where} has no label for {name}: add it, or set labels to null for all"
    return f"{where} has no label for {name!a}, but for {other!a}: write the first in its place"


def _spelled(name: str, names: Names, numbers: Sequence[int]) -> int | None:
    """The number of these under which `names` has what is meant by `name`, None if it is not there."""
    return next((number for number in numbers if plain(names[number]) == plain(name)), None)

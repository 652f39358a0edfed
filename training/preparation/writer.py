"""Write a data set: images and `dataset.json` in a zip (stored, not deflated), a folder or WebDataset shards.

    00000/img00000000.png ... 00001/img00001000.png ...
    dataset.json = {"labels": [[name, int], ...] | null, "classes": [...], "captions": {name: text},
                    "vectors": "vectors.npy"?,
                    "manifest": {"name"?, "licence", "attribution", "source", "height", "width", "channels",
                                 "count", "making"?, "files": {name: {"sha256", "source", "licence",
                                 "size" in bytes, "author"?, "custom"?}}}}

Shards hold the images of a folder each, 00000.tar, with .cls and .txt beside an image; `dataset.json` lies
beside the shards. The same entries give the same bytes: times are fixed, keys keep their order. A data set
appears whole or not at all.
"""

import contextlib
import hashlib
import io
import json
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gan.errors import UserError
from gan.files import atomic_folder, atomic_write

PER_FOLDER = 1000  # images
SHARDS = re.compile(r"%0?\d*d\.tar$")  # how the name of an OUT of shards ends, as in set-%05d.tar
VECTORS = "vectors.npy"
_SUFFIXES = {b"\x93NUMPY": ".npy", b"\xff\xd8\xff": ".jpg", b"RIFF": ".webp"}

Put = Callable[[str, bytes], None]


@dataclass(frozen=True, kw_only=True)
class About:
    """What `dataset.json` says of the whole set. Sizes in pixels; `channels`: 3 is RGB, 1 grey.

    name: "" for a set that is called as its file is.  making: how it was made, if worth telling.
    """

    name: str
    licence: str
    attribution: str
    source: str
    height: int
    width: int
    channels: int
    classes: tuple[str, ...] = ()  # names of the labels 0, 1, ...
    making: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One image: its file, where it comes from, and its class, caption, vector if it has them.

    png: a PNG; NumPy files for many channels, JPEG and WebP from sets of others.
    details: more for its line of the manifest, such as author.
    """

    png: bytes
    source: str
    licence: str
    label: int | None = None
    caption: str | None = None
    vector: tuple[float, ...] | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


def encode_png(image: Image.Image, level: int = 9) -> bytes:
    """`image` as a PNG file, without metadata. level: of compression, 0 to 9."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=False, compress_level=level)
    return buffer.getvalue()


def name_of(index: int, suffix: str = ".png") -> str:
    """Name of the image of that number in a set."""
    return f"{index // PER_FOLDER:05d}/img{index:08d}{suffix}"


def suffix_of(data: bytes) -> str:
    """Ending of the name of an image file, by its first bytes: those that sets of others have, too."""
    return next((suffix for start, suffix in _SUFFIXES.items() if data.startswith(start)), ".png")


def write_dataset(path: str | Path, entries: Iterable[Entry], about: About, *, force: bool = False) -> int:
    """Write `entries`, in order, to a zip if `path` ends in .zip, else to a folder; returns their number.

    A path that ends as SHARDS has it is a folder of WebDataset shards, named so. Entries are taken one by
    one, so a generator keeps memory flat. Raises UserError if `path` exists and not `force` or cannot be
    written, ValueError if only some entries have a label.
    """
    path = Path(path)
    refuse_existing(path, force)
    with _opened(path) as put:
        return _write(put, entries, about, shards=is_shards(path))


def is_shards(path: Path) -> bool:
    """Whether an OUT is one of WebDataset shards."""
    return SHARDS.search(path.name) is not None


def place_of(path: Path) -> Path:
    """The file or folder that an OUT is."""
    return path.parent if is_shards(path) else path


def refuse_existing(path: str | Path, force: bool) -> None:
    """Raises UserError if there is something at `path` and not `force`."""
    place = place_of(Path(path))
    if place.exists() and not force:
        raise UserError(f"{place} already exists: choose another --out, or replace it with --force")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Put]:
    """The function that writes a file of the set, given its name and content."""
    if is_shards(path):
        with atomic_folder(path.parent) as folder, _Shards(folder, path.name) as shards:
            yield shards.put
    elif path.suffix == ".zip":
        with atomic_write(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            yield lambda name, data: archive.writestr(_member(name), data)
    else:
        with atomic_folder(path) as folder:
            yield lambda name, data: _put_file(folder / name, data)


class _Shards:
    """A tar for each folder of names; what is in none lies beside."""

    def __init__(self, folder: Path, pattern: str) -> None:
        self._folder, self._pattern = folder, pattern
        self._prefix, self._tar = "", None

    def __enter__(self) -> "_Shards":
        return self

    def __exit__(self, *_: object) -> None:
        if self._tar is not None:
            self._tar.close()

    def put(self, name: str, data: bytes) -> None:
        prefix, slash, _ = name.partition("/")
        if not slash:
            _put_file(self._folder / name, data)
            return
        if prefix != self._prefix:
            if self._tar is not None:
                self._tar.close()
            self._prefix = prefix
            self._tar = tarfile.open(  # noqa: SIM115 (closed above or on exit)
                self._folder / (self._pattern % int(prefix)), "w", format=tarfile.USTAR_FORMAT
            )
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(data), 0o644
        self._tar.addfile(info, io.BytesIO(data))


def _write(put: Put, entries: Iterable[Entry], about: About, *, shards: bool) -> int:
    """Hand each image, then `dataset.json`, to `put(name, data)`."""
    labels, captions, files, vectors = [], {}, {}, []
    for index, entry in enumerate(entries):
        name = name_of(index, suffix_of(entry.png))
        put(name, entry.png)
        if entry.label is not None:
            labels.append([name, entry.label])
        if entry.caption is not None:
            captions[name] = entry.caption
        if entry.vector is not None:
            vectors.append(entry.vector)
        if shards:
            _beside(put, name.rpartition(".")[0], entry)
        files[name] = {
            "sha256": hashlib.sha256(entry.png).hexdigest(),
            "source": entry.source,
            "licence": entry.licence,
            "size": len(entry.png),
            **entry.details,
        }
    for what, number in (("label", len(labels)), ("vector", len(vectors))):
        if number and number != len(files):
            raise ValueError(f"{number} of {len(files)} entries have a {what}; all or none must")
    content = {"labels": labels or None, "classes": list(about.classes), "captions": captions}
    if vectors:
        buffer = io.BytesIO()
        np.save(buffer, np.array(vectors, np.float32), allow_pickle=False)
        put(VECTORS, buffer.getvalue())
        content["vectors"] = VECTORS
    content["manifest"] = _manifest(about, files)
    put("dataset.json", json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode())
    return len(files)


def _manifest(about: About, files: dict[str, Any]) -> dict[str, Any]:
    return {
        **({"name": about.name} if about.name else {}),
        "licence": about.licence,
        "attribution": about.attribution,
        "source": about.source,
        "height": about.height,
        "width": about.width,
        "channels": about.channels,
        "count": len(files),
        **({"making": dict(about.making)} if about.making else {}),
        "files": files,
    }


def _beside(put: Put, stem: str, entry: Entry) -> None:
    """Class and caption as WebDataset has them."""
    if entry.label is not None:
        put(f"{stem}.cls", str(entry.label).encode())
    if entry.caption is not None:
        put(f"{stem}.txt", entry.caption.encode())


def _member(name: str) -> zipfile.ZipInfo:
    """Zip entry with a fixed time and readable by all."""
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.create_system = 3  # Unix, wherever it is written
    info.external_attr = 0o644 << 16
    return info


def _put_file(path: Path, data: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)

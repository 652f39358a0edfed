"""Write a data set: PNGs and `dataset.json` in a zip (stored, not deflated) or a folder.

    00000/img00000000.png ... 00001/img00001000.png ...
    dataset.json = {"labels": [[name, int], ...] | null, "classes": [...], "captions": {name: text},
                    "manifest": {"name", "licence", "attribution", "source", "height", "width", "channels",
                                 "count", "files": {name: {"sha256", "source", "licence", "size" in bytes}}}}

The same entries give the same bytes: times in the zip are fixed, keys keep their order. A data set appears
whole or not at all.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from gan.errors import UserError
from gan.files import atomic_folder, atomic_write

PER_FOLDER = 1000  # images


@dataclass(frozen=True, kw_only=True)
class About:
    """What `dataset.json` says of the whole set. Sizes in pixels; `channels`: 3 is RGB, 1 grey."""

    name: str
    licence: str
    attribution: str
    source: str
    height: int
    width: int
    channels: int
    classes: tuple[str, ...] = ()  # names of the labels 0, 1, ...


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One image: its PNG file, where it comes from, and its class number and caption if it has them."""

    png: bytes
    source: str
    licence: str
    label: int | None = None
    caption: str | None = None


def encode_png(image: Image.Image) -> bytes:
    """`image` as a PNG file, without metadata."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=False, compress_level=9)
    return buffer.getvalue()


def write_dataset(path: str | Path, entries: Iterable[Entry], about: About, *, force: bool = False) -> int:
    """Write `entries`, in order, to a zip if `path` ends in .zip, else to a folder; returns their number.

    Entries are taken one by one, so a generator keeps memory flat. Raises UserError if `path` exists and not
    `force` or cannot be written, ValueError if only some entries have a label.
    """
    path = Path(path)
    refuse_existing(path, force)
    if path.suffix != ".zip":
        with atomic_folder(path) as folder:
            return _write(lambda name, data: _put_file(folder / name, data), entries, about)
    with atomic_write(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        return _write(lambda name, data: archive.writestr(_member(name), data), entries, about)


def refuse_existing(path: str | Path, force: bool) -> None:
    """Raises UserError if there is something at `path` and not `force`."""
    if Path(path).exists() and not force:
        raise UserError(f"{path} already exists: choose another --out, or replace it with --force")


def _write(put: Callable[[str, bytes], None], entries: Iterable[Entry], about: About) -> int:
    """Hand each image, then `dataset.json`, to `put(name, data)`."""
    labels, captions, files = [], {}, {}
    for index, entry in enumerate(entries):
        name = f"{index // PER_FOLDER:05d}/img{index:08d}.png"
        put(name, entry.png)
        if entry.label is not None:
            labels.append([name, entry.label])
        if entry.caption is not None:
            captions[name] = entry.caption
        files[name] = {
            "sha256": hashlib.sha256(entry.png).hexdigest(),
            "source": entry.source,
            "licence": entry.licence,
            "size": len(entry.png),
        }
    if labels and len(labels) != len(files):
        raise ValueError(f"{len(labels)} of {len(files)} entries have a label; all or none must")
    manifest = {
        "name": about.name,
        "licence": about.licence,
        "attribution": about.attribution,
        "source": about.source,
        "height": about.height,
        "width": about.width,
        "channels": about.channels,
        "count": len(files),
        "files": files,
    }
    content = {
        "labels": labels or None,
        "classes": list(about.classes),
        "captions": captions,
        "manifest": manifest,
    }
    put("dataset.json", json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode())
    return len(files)


def _member(name: str) -> zipfile.ZipInfo:
    """Zip entry with a fixed time and readable by all."""
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.create_system = 3  # Unix, wherever it is written
    info.external_attr = 0o644 << 16
    return info


def _put_file(path: Path, data: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)

"""One file of a source -> its record, a thumbnail for comparing, its image of the set: what a process does.

Everything that needs the pixels happens here, so that each file is decoded once.
"""

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from training.data.faults import line
from training.preparation import hashes, quality
from training.preparation.archives import open_source
from training.preparation.catalogue import display
from training.preparation.content import ContentFilter
from training.preparation.convert import Form, converted
from training.preparation.faces import framed
from training.preparation.policies import verdict
from training.preparation.reading import Picture, Unusable, read, rgb
from training.preparation.sources import Member, Source
from training.preparation.workers import Failure

MEASURES = ("sharpness", "brightness", "contrast", "colourfulness", "blank", "dark", "light")
PRESSED = 128  # pixels a side of what a feature network sees
_EMPTY = dict.fromkeys(
    ("sha256", "pixels_sha256", "width", "height", "mode", "format", "phash")
    + (*MEASURES, "content", "faces", "outlier")
)


@dataclass(frozen=True, kw_only=True)
class Item:
    """A file to examine: its number in the catalogue, its source, and what the listing says of it."""

    number: int
    source: Path
    member: Member


@dataclass(frozen=True, kw_only=True)
class Task:
    """What to do with each item.

    form: of the set.  policies: a file that they keep gets an image.  images: whether images are wanted.
    content: whether the content filter gives a score.  features: whether a network looks at each later on.
    faces: whether faces are counted; a form that is cut around one asks for it as well.
    """

    form: Form
    policies: Mapping[str, str]
    images: bool = True
    content: bool = False
    features: bool = False
    faces: bool = False


@dataclass(frozen=True, kw_only=True)
class Found:
    """What came of an item. image: the key and file of its image of the set, None where it has none."""

    number: int
    record: dict[str, Any]
    thumbnail: bytes | None = None
    image: tuple[str, bytes] | None = None


def examine(item: Item, task: Task) -> Found:
    """Read, decode, measure and convert a file. What is wrong with it becomes a fault of its record.

    Raises UserError where the content filter or faces are asked for and cannot be had.
    """
    record = blank(item)
    faults: list[tuple[str, str]] = list(item.member.faults)
    picture = None
    if not item.member.closed:
        try:
            data = _source(item.source).read(item.member.path, item.member.place)
            record["sha256"], record["bytes"] = hashlib.sha256(data).hexdigest(), len(data)
            picture = read(data, record["path"])
            faults += picture.faults
        except Unusable as error:
            faults.append((error.kind, error.detail))
        except OSError as error:
            faults.append(("unreadable", error.strerror or line(error)))
        except ValueError as error:
            faults.append(("corrupt", line(error)))
    record["faults"] = _told(faults)
    if picture is None:
        return Found(number=item.number, record=record)
    thumbnail = _measured(picture, task, record)
    frame = None
    if task.faces:
        seen, frame = framed(picture.pixels, task.form)
        record["faces"] = len(seen)
        if task.form.crop == "face" and not seen:
            faults.append(("faceless", ""))
            record["faults"] = _told(faults)
    image = None
    if task.images and verdict((kind for kind, _ in faults), task.policies)[0] == "keep":
        try:
            image = task.form.key(record["pixels_sha256"]), converted(picture.pixels, task.form, frame)
        except Unusable as error:
            record["faults"] = _told([*faults, (error.kind, error.detail)])
    return Found(number=item.number, record=record, thumbnail=thumbnail, image=image)


def convert_again(item: Item, form: Form) -> tuple[str, bytes] | None:
    """The key and file of the image of an item that was examined before; None if it has changed since."""
    try:
        picture = read(
            _source(item.source).read(item.member.path, item.member.place), display(item.member.path)
        )
        frame = framed(picture.pixels, form)[1] if form.crop == "face" else None
        return form.key(canonical(picture)), converted(picture.pixels, form, frame)
    except (Unusable, OSError, ValueError):
        return None


def pressed(item: Item, background: tuple[int, int, int]) -> tuple[str, np.ndarray] | None:
    """sha256 of the pixels of an item that was examined before, and the whole of it as uint8 [128, 128, 3].

    None if it cannot be read any more.
    """
    try:
        picture = read(
            _source(item.source).read(item.member.path, item.member.place), display(item.member.path)
        )
    except (Unusable, OSError, ValueError):
        return None
    image = Image.fromarray(rgb(picture.pixels, background))
    small = image.resize((PRESSED, PRESSED), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return canonical(picture), np.asarray(small)


def failed(item: Item, failure: Failure) -> Found:
    """The record of a file whose decoder hung or crashed."""
    kind = "bomb" if "memory" in failure.detail else "slow"
    faults = [*item.member.faults, (kind, failure.detail)]
    return Found(number=item.number, record={**blank(item), "faults": _told(faults)})


def blank(item: Item) -> dict[str, Any]:
    """The record of a file of which nothing is known but its place."""
    return {"path": display(item.member.path), "bytes": item.member.size, **_EMPTY, "faults": []}


def canonical(picture: Picture) -> str:
    """sha256 of the pixels, whatever the file: grey counts as RGB, opaque alpha not at all."""
    pixels = picture.pixels
    return hashes.exact(rgb(pixels) if pixels.shape[2] == 1 else pixels)


def _measured(picture: Picture, task: Task, record: dict[str, Any]) -> bytes:
    """Fill in what the pixels tell; the thumbnail, uint8 [32, 32, 3]."""
    colours = Image.fromarray(rgb(picture.pixels, task.form.background))
    record["pixels_sha256"] = canonical(picture)
    record["height"], record["width"] = picture.pixels.shape[:2]
    record["mode"], record["format"] = picture.mode, picture.format
    thumbnail = hashes.thumbnail(colours)
    record["phash"] = f"{int(hashes.hashes(thumbnail[None])[0]):016x}"
    measures = quality.measure(colours)
    record.update({name: round(float(measures[name]), 4) for name in MEASURES})
    if task.content:
        record["content"] = round(_filter().score(np.asarray(colours)), 4)
    return thumbnail.tobytes()


def _told(faults: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [
        {"kind": kind, "detail": display(detail.encode("utf-8", "surrogateescape"))}
        for kind, detail in faults
    ]


@functools.cache
def _filter() -> ContentFilter:
    return ContentFilter()


@functools.lru_cache(maxsize=64)
def _source(place: Path) -> Source:
    return open_source(place)

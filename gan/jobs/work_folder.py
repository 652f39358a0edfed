"""The folder that `gan data prepare` leaves beside its output: what became of every file it saw.

OUT.prepare/prepare.json    sources, options, version, stage
OUT.prepare/files.jsonl     one object a file
OUT.prepare/faults.jsonl    one object a fault
OUT.prepare/decisions.jsonl what a person decided, see `gan.jobs.decisions`
"""

import json
import math
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from gan.errors import UserError
from gan.files import read_json, refusal
from training.data.faults import Refused, line
from training.preparation.archives import open_source
from training.preparation.catalogue import display
from training.preparation.sources import FolderSource, Source
from training.preparation.state import working_folder

FILES, FAULTS, ABOUT = "files.jsonl", "faults.jsonl", "prepare.json"
VERDICTS = ("keep", "drop", "quarantine", "stop")
MEASURES = ("sharpness", "brightness", "contrast", "colourfulness")  # of those in files.jsonl
MAX_LINE = 2**20  # characters of one record
MAX_BYTES = 2**28  # of an image that is shown
_DUPLICATE = "duplicate of "


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One file of a source, as files.jsonl has it; None for what could not be measured.

    number: its line from 0 on.  source: which of the sources.  reason: why it is not kept.
    decoded: whether it holds a picture; one that does not cannot be kept.
    cluster: number of its group of duplicates; keeper: the one that is kept of them.
    sharpness, brightness, contrast, colourfulness, outlier: as `gan data prepare` measures them.
    """

    number: int
    path: str
    source: int
    verdict: str
    decoded: bool = True
    reason: str | None = None
    label: str | None = None
    caption: str | None = None
    cluster: int | None = None
    keeper: bool = False
    width: int | None = None
    height: int | None = None
    bytes: int | None = None
    mode: str | None = None
    format: str | None = None
    split: str | None = None
    licence: str | None = None
    faults: tuple[str, ...] = ()
    detail: str = ""
    sharpness: float | None = None
    brightness: float | None = None
    contrast: float | None = None
    colourfulness: float | None = None
    outlier: float | None = None

    @property
    def cause(self) -> str | None:
        """The reason without the file that it names: one word for all duplicates."""
        return "duplicate" if self.reason and self.reason.startswith(_DUPLICATE) else self.reason

    @property
    def size(self) -> tuple[int, int] | None:
        """(width, height), where both are known."""
        return (self.width, self.height) if self.width and self.height else None


@dataclass
class WorkFolder:
    """A folder of `gan data prepare`, read once. Raises UserError, naming file and line, where it is damaged.

    about: of prepare.json; its sources as paths.
    """

    path: Path
    about: dict[str, Any] = field(init=False)
    sources: list[Path] = field(init=False)

    def __post_init__(self) -> None:
        self.about = read_json(self.path / ABOUT, dict)
        found = self.about.get("sources")
        if not isinstance(found, list) or not all(isinstance(source, str) for source in found):
            raise UserError(f"{self.path / ABOUT} names no sources: run gan data prepare again")
        self.sources = [Path(source) for source in found]
        self._opened: dict[int, Source] = {}
        self._members: dict[int, dict[str, tuple[bytes, tuple[int, ...]]]] = {}  # of archives
        self._reading = threading.Lock()  # sources are for one thread at a time

    @property
    def name(self) -> str:
        """The name of the data set that is made."""
        return self.path.resolve().name.removesuffix(".prepare")

    @cached_property
    def files(self) -> list[Seen]:
        """All files, in the order of files.jsonl."""
        path = self.path / FILES
        return [_seen(record, number, path, len(self.sources)) for number, record in lines(path)]

    @cached_property
    def faults(self) -> list[dict[str, Any]]:
        """The objects of faults.jsonl; [] where there is none."""
        path = self.path / FAULTS
        return [record for _, record in lines(path)] if path.is_file() else []

    def content(self, seen: Seen) -> bytes:
        """The bytes of a file. Raises Refused where they cannot be had, or are too many."""
        if (seen.bytes or 0) > MAX_BYTES:
            raise Refused(f"has more than {MAX_BYTES:,} bytes")
        try:
            with self._reading:
                source = self._source(seen.source)
                return source.read(*self._place(source, seen))
        except OSError as error:
            raise Refused(f"cannot be read ({error.strerror})") from error
        except (UserError, ValueError) as error:
            raise Refused(f"cannot be read ({line(error)})") from error

    def _source(self, number: int) -> Source:
        if number not in self._opened:
            self._opened[number] = open_source(self.sources[number])
        return self._opened[number]

    def _place(self, source: Source, seen: Seen) -> tuple[bytes, tuple[int, ...]]:
        """What `Source.read` needs. Archives are listed once, folders for names that are no plain text."""
        parts = PurePosixPath(seen.path)
        if isinstance(source, FolderSource) and "\\" not in seen.path:
            if parts.is_absolute() or ".." in parts.parts:
                raise Refused("lies outside of its source")
            return os.fsencode(seen.path), ()
        if seen.source not in self._members:
            listed = ((display(m.path), (m.path, m.place)) for m in source.members(hidden=True))
            self._members[seen.source] = dict(listed)
        if seen.path not in self._members[seen.source]:
            raise Refused("is no longer there")
        return self._members[seen.source][seen.path]

    def close(self) -> None:
        """Forget the open sources; the next read opens them again."""
        self._opened.clear()
        self._members.clear()


def find(place: str | Path) -> Path | None:
    """The work folder that a user means: `place` itself, or the one beside a data set; None without one."""
    place = Path(place).absolute()
    return next((folder for folder in (place, working_folder(place)) if (folder / FILES).is_file()), None)


def opened(place: str | Path) -> WorkFolder:
    """The work folder of `place`, see `find`. Raises UserError, with the command that makes one."""
    found = find(place)
    if found is None:
        what = f"{place} has no work folder" if Path(place).exists() else f"there is nothing at {place}"
        raise UserError(
            f"{what}: prepare it first, gan data prepare {place} --out {Path(place).stem or 'data'}-256.zip"
            " --resolution 256, and name what that made"
        )
    return WorkFolder(found)


def lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(number from 1, object) of a JSON-lines file, one by one; UserError, naming the line, for other text.

    A last line without its end, as a killed writer leaves one, is left out.
    """
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            number = 0
            while line := file.readline(MAX_LINE):
                number += 1
                if not line.endswith("\n") and len(line) < MAX_LINE:
                    return
                record = json.loads(line)
                if not isinstance(record, dict):
                    raise ValueError("no object")
                yield number, record
    except OSError as error:
        raise UserError(refusal("read", path, error)) from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: line {number} is damaged ({error}): run gan data prepare again") from error


def _seen(record: dict[str, Any], line: int, path: Path, sources: int) -> Seen:
    """A record, checked. UserError where it lacks what every file has."""
    name, verdict = record.get("path"), record.get("verdict")
    source: Any = record.get("source")
    if not isinstance(name, str) or verdict not in VERDICTS or source not in range(sources):
        raise UserError(
            f"{path}: line {line} has no path, source or verdict of a file: run gan data prepare again"
        )
    faults = [fault for fault in record.get("faults") or [] if isinstance(fault, dict)]
    texts = ("reason", "label", "mode", "format", "split", "licence")
    more: dict[str, Any] = {
        **{key: _text(record.get(key)) for key in texts},
        **{key: _whole(record.get(key)) for key in ("width", "height", "bytes")},
        **{key: _finite(record.get(key)) for key in (*MEASURES, "outlier")},
    }
    return Seen(
        number=line - 1,
        path=name,
        source=source,
        verdict=sys.intern(verdict),
        decoded=record.get("pixels_sha256") is not None,
        caption=_text(record.get("caption")),
        cluster=_whole(record.get("cluster")),
        keeper=record.get("keeper") is True,
        faults=tuple(sys.intern(str(fault.get("kind"))) for fault in faults),
        detail="; ".join(str(fault.get("detail") or fault.get("kind")) for fault in faults),
        **more,
    )


def _text(value: Any) -> str | None:
    """A text, kept once however many files have it."""
    return sys.intern(value) if isinstance(value, str) else None


def _whole(value: Any) -> int | None:
    return value if type(value) is int else None


def _finite(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None

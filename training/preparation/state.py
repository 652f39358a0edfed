"""Which stage a preparation has reached, and whether what it wrote is still there: `prepare.json`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gan.files import atomic_bytes
from training.preparation import writer

FILE = "prepare.json"
VERSION = 1  # of the files in the working folder


def working_folder(out: Path) -> Path:
    """Where the work for a data set lies unless somebody says otherwise."""
    place = writer.place_of(out)
    return place.with_name(f"{place.name}.prepare")


def val_path(out: Path) -> Path:
    """Where the part lies that is held back: set.zip -> set-val.zip."""
    if writer.is_shards(out):
        return out.parent.with_name(f"{out.parent.name}-val") / out.name
    return out.with_name(f"{out.stem}-val{out.suffix}" if out.suffix == ".zip" else f"{out.name}-val")


class State:
    """The file `prepare.json` of a working folder, written with each stage."""

    def __init__(self, folder: Path, places: Sequence[Path], options: Mapping[str, Any]) -> None:
        self._path = folder / FILE
        self._told = {"version": VERSION, "sources": [str(place) for place in places], "options": options}
        self._before = _read(self._path)

    def reached(self, stage: str, out: Path | None = None) -> None:
        """Take down the stage that begins. out: of the stage that writes; known until all is written."""
        if out is not None:
            self._before["writing"] = str(out.resolve())
        kept = {name: self._before.get(name) for name in ("written", "writing")}
        told = {**self._told, "stage": stage, **kept}
        atomic_bytes(self._path, (json.dumps(told, indent=2, ensure_ascii=False) + "\n").encode())

    def done(self, plan: str, out: Path) -> None:
        """Take down that everything is written. plan: digest of what it was made of."""
        self._before["writing"] = None
        self._before["written"] = {"plan": plan, "out": str(out.resolve()), "stamp": _stamp(out)}
        self.reached("done")

    def is_written(self, plan: str, out: Path) -> bool:
        """Whether exactly this lies at `out` already."""
        written = self._before.get("written") or {}
        return _is_made(written, out) and written.get("plan") == plan

    def was_writing(self, out: Path) -> bool:
        """Whether an earlier run was killed while it wrote to `out`, which was free or given up to it."""
        return _is_writing(self._before, out)


def is_ours(folder: Path, out: Path) -> bool:
    """Whether what lies at `out` was made in this working folder: as it was then, or a killed run's."""
    told = _read(folder / FILE)
    return _is_made(told.get("written") or {}, out) or _is_writing(told, out)


def _is_made(written: Mapping[str, Any], out: Path) -> bool:
    stamp = _stamp(out)
    return stamp is not None and written.get("out") == str(out.resolve()) and written.get("stamp") == stamp


def _is_writing(told: Mapping[str, Any], out: Path) -> bool:
    return told.get("writing") == str(out.resolve())


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _stamp(out: Path) -> str | None:
    """Changes with what lies at `out`; None where nothing does."""
    place = writer.place_of(out)
    try:
        found = (place if place.is_file() else place / "dataset.json").stat()
    except OSError:
        return None
    return f"{found.st_size} {found.st_mtime_ns}"

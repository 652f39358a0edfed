"""Where the files of a data set lie: below a folder, or in a zip."""

import hashlib
import os
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gan import foreign
from training.data.faults import DataError, Refused, line


class FolderFiles:
    """The files below a folder, named by their path relative to it with forward slashes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._names = frozenset(self._walk())

    def _walk(self) -> Iterator[str]:
        for folder, _, files in os.walk(self._path):
            for file in files:
                yield Path(folder, file).relative_to(self._path).as_posix()

    def names(self) -> frozenset[str]:
        return self._names

    def read(self, name: str) -> bytes:
        try:
            return (self._path / name).read_bytes()
        except OSError as error:
            raise Refused(f"cannot be read ({error.strerror}): restore it or allow reading") from error

    def fingerprint(self, name: str) -> str:
        try:
            content = self.read(name)
        except Refused as error:
            raise DataError(f"{self._path}: {name} {error}") from error
        return f"{len(content)} {hashlib.sha256(content).hexdigest()}"

    def close(self) -> None:
        """Nothing is held open."""


class ZipFiles:
    """The files in a zip."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: tuple[int, zipfile.ZipFile] | None = None  # process that opened it, and the file
        infos = [info for info in self._zip().infolist() if not info.is_dir()]
        self._fingerprints = {info.filename: f"{info.file_size} {info.CRC:08x}" for info in infos}

    def names(self) -> frozenset[str]:
        return frozenset(self._fingerprints)

    def read(self, name: str) -> bytes:
        damaged = (zipfile.BadZipFile, zlib.error, EOFError, OSError)
        try:
            return self._zip().read(name)
        except damaged as error:
            raise Refused(f"is damaged in the zip ({line(error)}): copy or make the zip again") from error
        except (RuntimeError, NotImplementedError) as error:  # a password, an unknown compression
            raise Refused(f"cannot be unpacked ({line(error)}): make the zip again with `zip -0`") from error

    def fingerprint(self, name: str) -> str:
        return self._fingerprints[name]

    def close(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": None}

    def _zip(self) -> zipfile.ZipFile:
        """The open zip. Processes do not share one, because they would share its position."""
        if self._open is None or self._open[0] != os.getpid():
            try:
                self._open = os.getpid(), zipfile.ZipFile(self._path)
            except (zipfile.BadZipFile, OSError) as error:
                if found := foreign.explained(self._path, "a zip archive"):
                    raise DataError(f"{self._path} {found}") from error
                raise DataError(
                    f"{self._path} is not a readable zip ({line(error)}): "
                    "copy or make it again, or name a folder"
                ) from error
        return self._open[1]

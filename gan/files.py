"""Files and folders that appear whole or not at all, on any file system with an atomic rename.

A writer works on a temporary sibling named `.tmp-...-<pid>`, which is flushed to the disk and then renamed. A
killed writer leaves only such a sibling behind; `sweep` removes those.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from gan.errors import UserError

T = TypeVar("T", list, dict)

PREFIX = ".tmp-"
_REPLACED = re.compile(rf"{re.escape(PREFIX)}(.+)-replaced-\d+")
_CHUNK = 1 << 20  # bytes
MAX_JSON = 16 * 2**20  # bytes of a file that is read as a whole
_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


def cache_folder() -> Path:
    """$GAN_CACHE, or ~/.cache/gan: what can be had again. UserError for a user without a home."""
    try:
        return Path(os.environ.get("GAN_CACHE") or Path.home() / ".cache" / "gan")
    except RuntimeError as error:
        raise UserError("this user has no home folder: set GAN_CACHE to a folder") from error


@contextlib.contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield the temporary path of a file to create; on success it replaces `path`, on error it is removed.

    The temporary keeps the suffix of `path`, because image writers choose a format by it. Missing parent
    folders are made. Raises UserError, naming `path`, where the system refuses (permissions, full disk).
    """
    path = Path(path)
    temporary = path.with_name(f"{PREFIX}{path.stem}-{os.getpid()}{path.suffix}")
    try:
        with _named(path, temporary, "write"):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            _flush(temporary)
            temporary.replace(path)
            _flush(path.parent)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def atomic_bytes(path: str | Path, data: bytes) -> None:
    """Write `data` as the whole of `path`. Raises UserError as `atomic_write` does."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)


@contextlib.contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield an empty temporary folder; on success it becomes `path`, on error it is removed.

    A folder already at `path` is set aside, replaced and deleted: for a moment neither is there, but never a
    mixture of both. Raises UserError, naming `path`, where the operating system refuses.
    """
    path = Path(path)
    temporary = path.with_name(f"{PREFIX}{path.name}-{os.getpid()}")
    replaced = path.with_name(f"{PREFIX}{path.name}-replaced-{os.getpid()}")
    try:
        with _named(path, temporary, "write"):
            shutil.rmtree(temporary, ignore_errors=True)  # left by a killed process of the same number
            temporary.mkdir(parents=True)
            yield temporary
            for entry in sorted(temporary.rglob("*")):
                _flush(entry)
            _flush(temporary)
            if path.exists():
                shutil.rmtree(replaced, ignore_errors=True)
                path.replace(replaced)
            temporary.replace(path)
            _flush(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(replaced, ignore_errors=True)


def sweep(folder: str | Path) -> list[Path]:
    """Remove what killed writers left in `folder` and return it; a folder about to be replaced comes back.

    Call this from the one process that writes there, before its first write: a temporary of a writer at work
    is not told apart from a leftover.
    """
    leftovers = sorted(Path(folder).glob(f"{PREFIX}*"))
    for entry in leftovers:
        replaced = _REPLACED.fullmatch(entry.name)
        if replaced and not (entry.parent / replaced[1]).exists():
            entry.rename(entry.parent / replaced[1])
        elif entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                entry.unlink()
    return leftovers


def sha256(path: str | Path) -> str:
    """Hex digest of a file's content. Raises UserError, naming `path`, if it cannot be read."""
    path = Path(path)
    digest = hashlib.sha256()
    with _named(path, path, "read"), path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def read_json(path: str | Path, kind: type[T]) -> T:
    """The object or array, as `kind` says, that a JSON file holds. UserError, naming it, if it does not."""
    path = Path(path)
    try:
        with _named(path, path, "read"):
            data = parsed(path)
        if not isinstance(data, kind):
            raise ValueError(f"no JSON {'object' if kind is dict else 'array'}")
    except ValueError as error:  # malformed JSON or UTF-8
        raise UserError(f"{path} is damaged ({error}): restore it, or remove it") from error
    return data


def write_json(path: str | Path, data: Mapping[str, Any]) -> None:
    """An object as indented JSON; not atomic: for files of a folder that appears as a whole."""
    Path(path).write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def name_again(path: Path, other: Path) -> None:
    """Let `other` be the file at `path` as well, or a copy where the file system has one name a file."""
    try:
        other.hardlink_to(path)
    except OSError:
        shutil.copy2(path, other)


def parsed(path: Path) -> Any:
    """What a JSON file holds. ValueError for one that is malformed, or large or deep beyond all use."""
    if (size := path.stat().st_size) > MAX_JSON:
        raise ValueError(f"it has {size:,} bytes, more than {MAX_JSON:,}")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def json_lines(path: str | Path) -> tuple[list[dict[str, Any]], int]:
    """The objects of a JSON-lines file, and how many lines are none: a killed writer leaves half a line.

    No file has none of either.
    """
    path, found = Path(path), []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    for line in lines:
        with contextlib.suppress(ValueError):
            found.append(json.loads(line))
    found = [record for record in found if isinstance(record, dict)]
    return found, len(lines) - len(found)


def _flush(path: Path) -> None:
    """Force a file's content, or a folder's list of names, to the disk."""
    if os.name == "nt" and path.is_dir():  # Windows cannot open a folder; its renames are journalled
        return
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _named(path: Path, touched: Path, verb: str) -> Iterator[None]:
    """Turn an OSError about `path`, `touched`, their parents or no file into a UserError naming `path`.

    An OSError about any other file belongs to the caller's own work and passes unchanged.
    """
    try:
        yield
    except OSError as error:
        about = Path(os.fsdecode(error.filename)) if isinstance(error.filename, (str, bytes)) else touched
        if {path, touched}.isdisjoint((about, *about.parents)) and about not in path.parents:
            raise
        raise UserError(refusal(verb, path, error)) from error


def refusal(verb: str, path: str | Path, error: OSError) -> str:
    """'cannot write x.png: No space left on device; make room there': one line with reason and remedy.

    verb: write or read.
    """
    if error.errno in _FULL:
        remedy = "make room there, or choose another place"
    elif error.errno in _FORBIDDEN:
        remedy = f"choose another path, or allow to {verb} this one"
    elif isinstance(error, (FileExistsError, NotADirectoryError)):
        remedy = "a part of this path is a file, not a folder; choose another"
    elif isinstance(error, IsADirectoryError):
        remedy = "it is a folder; name a file"
    else:
        remedy = "mend the path" if verb == "read" else "choose another path"
    return f"cannot {verb} {path}: {error.strerror or error}; {remedy}"

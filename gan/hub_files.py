"""Files of a repository on a hub, fetched once at a commit into $GAN_CACHE/hub.

    models--user--name/revisions.json    branch or tag -> commit, as it was when the hub was asked last
    models--user--name/COMMIT.json       every file of that commit: path, size, digest
    models--user--name/COMMIT/...        those that were wanted
    models--user--name/.part/COMMIT/...  those that are on their way

What a repository holds is a stranger's word: only files that the caller chooses are fetched, their names stay
inside the folder, their sizes are bounded before anything is fetched, and what came is compared with the
digests that the hub gave. Nothing is executed.
"""

import hashlib
import json
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gan import files, hub
from gan.errors import UserError
from gan.hub import Name, Unreachable

MOST_FILES = 20_000  # that are fetched one by one
_SPARE = 2**28  # bytes of the disk that stay free
_CHUNK = 2**20


@dataclass(frozen=True)
class File:
    """path: in the repository.  size: bytes.  sha256: of a large file, else blob: git's digest, both hex."""

    path: str
    size: int
    sha256: str = ""
    blob: str = ""


@dataclass(frozen=True)
class Listing:
    """What a repository held at a commit."""

    commit: str
    files: tuple[File, ...]


@dataclass(frozen=True)
class Fetched:
    """name: with the commit as its revision.  folder: where the files lie.  paths: of them, relative."""

    name: Name
    folder: Path
    paths: tuple[str, ...]


Choice = Callable[[Listing], Sequence[File]]  # raises UserError where nothing suits
Bound = Callable[[str], int]  # path -> how many bytes it may have


def fetch(name: Name, choose: Choice, most: Bound, part: str = "") -> Fetched:
    """The files that `choose` takes of a repository, fetched unless they are there already.

    part: keeps choices apart that must not lie in one folder. Raises UserError, with the remedy, where there
    is no such repository or revision, a file is too large, has no proper name or does not arrive as it was
    listed; `gan.hub.Unreachable` where the hub cannot be asked and not all is there.
    """
    listing = listed(name)
    pinned = name.at(listing.commit)
    chosen = list(choose(listing))
    _check(pinned, chosen, most)
    folder = _folder(name) / (listing.commit + (f"-{part}" if part else ""))
    missing = [file for file in chosen if not _is_there(folder / file.path, file)]
    if missing:
        if hub.is_offline():
            raise _not_cached(name, "HF_HUB_OFFLINE is set")
        _check_room(pinned, folder, sum(file.size for file in missing))
        for file in missing:
            _download(pinned, file, folder)
    return Fetched(pinned, folder, tuple(file.path for file in chosen))


def listed(name: Name) -> Listing:
    """What the repository holds at that revision, from the hub, or from when it was asked last.

    A commit is asked for once. UserWarning where the hub does not answer and an older answer is taken.
    """
    if name.pinned and (kept := _kept(name, name.revision)):
        return kept
    reason = "HF_HUB_OFFLINE is set"
    if not hub.is_offline():
        try:
            return _asked(name)
        except Unreachable as error:
            reason = str(error)
    commit = name.revision if name.pinned else _revisions(_folder(name)).get(name.revision, "")
    if kept := _kept(name, commit):
        warnings.warn(f"{reason}: taking {name.at(commit)}, the last that was fetched", stacklevel=2)
        return kept
    raise _not_cached(name, reason)


def name_of(path: Path) -> Name | None:
    """The name, at its commit, of a file or folder that `fetch` has put there; None for any other path."""
    try:
        repository, commit, *inside = path.resolve().relative_to(_root().resolve()).parts
    except ValueError:
        return None
    kind, _, repo = repository.partition("s--")
    name = Name(kind, repo.replace("--", "/", 1), commit.partition("-")[0], "/".join(inside))
    return name if name.pinned and kind in ("model", "dataset") else None


def inventory() -> list[str]:
    """Names that are cached, one for each revision that was asked for."""
    found = []
    for path in sorted(_root().glob("*/revisions.json")):
        kind, _, repo = path.parent.name.partition("s--")
        for revision, commit in _revisions(path.parent).items():
            if (path.parent / commit).is_dir() or next(path.parent.glob(f"{commit}-*"), None):
                found.append(str(Name(kind, repo.replace("--", "/", 1), revision)))
    return found


def _asked(name: Name) -> Listing:
    """The hub's answer, kept for later."""
    api = hub.api()
    with hub.asking(name):
        info = api.repo_info(
            name.repo, repo_type=name.kind, revision=name.revision, files_metadata=True, timeout=30
        )
    if not name.at(str(info.sha)).pinned:
        raise UserError(f"{hub.endpoint()} names no commit of {name}: is it a Hugging Face hub?")
    found = [
        File(
            sibling.rfilename,
            -1 if sibling.size is None else sibling.size,
            sibling.lfs.sha256 if sibling.lfs else "",
            sibling.blob_id or "",
        )
        for sibling in info.siblings or []
    ]
    listing = Listing(str(info.sha), tuple(found))
    folder = _folder(name)
    text = json.dumps({"files": [asdict(file) for file in found]})
    files.atomic_bytes(folder / f"{listing.commit}.json", text.encode())
    revisions = {**_revisions(folder), name.revision: listing.commit}
    files.atomic_bytes(folder / "revisions.json", json.dumps(revisions, indent=2).encode())
    return listing


def _kept(name: Name, commit: str) -> Listing | None:
    path = _folder(name) / f"{commit}.json"
    if not commit or not path.is_file():
        return None
    return Listing(commit, tuple(File(**entry) for entry in files.read_json(path, dict)["files"]))


def _revisions(folder: Path) -> Mapping[str, Any]:
    path = folder / "revisions.json"
    return files.read_json(path, dict) if path.is_file() else {}


def _check(name: Name, chosen: Sequence[File], most: Bound) -> None:
    """UserError for files that are too many, too large or misnamed, before any of them is fetched."""
    by_hand = f"if you trust it, `hf download {name.repo} --revision {name.revision}` and give the folder"
    if len(chosen) > MOST_FILES:
        raise UserError(f"{name} has {len(chosen):,} files, more than {MOST_FILES:,}: {by_hand}")
    for file in chosen:
        if not hub.is_inside(file.path):
            raise UserError(f"{name} names a file {file.path[:80]!r}, which may lie elsewhere: not fetched")
        if file.size < 0:
            raise UserError(f"{name}: {hub.endpoint()} does not say how large {file.path} is: not fetched")
        if file.size > most(file.path):
            raise UserError(
                f"{name}: {file.path} has {file.size:,} bytes, more than {most(file.path):,}: {by_hand}"
            )


def _check_room(name: Name, folder: Path, size: int) -> None:
    parent = next(place for place in folder.parents if place.is_dir())
    if size + _SPARE > (free := shutil.disk_usage(parent).free):
        raise UserError(
            f"{name} needs {size:,} bytes and {parent} has {free:,} free: make room, or set GAN_CACHE to a"
            " larger disk"
        )


def _download(name: Name, file: File, folder: Path) -> None:
    """Fetch one file to its place in `folder`. UserError where it is not what the hub listed."""
    hub.api()  # says what is missing
    from huggingface_hub import hf_hub_download

    way = folder.parent / ".part" / name.revision
    arrived, path = way / file.path, folder / file.path
    try:
        with hub.asking(name):
            hf_hub_download(
                name.repo,
                file.path,
                repo_type=name.kind,
                revision=name.revision,
                endpoint=hub.endpoint(),
                local_dir=way,
            )
        if right := _is_there(arrived, file) and _is_right(arrived, file):
            path.parent.mkdir(parents=True, exist_ok=True)
            arrived.replace(path)
    except Unreachable as error:
        raise Unreachable(f"cannot fetch {file.path} of {name} as a whole: {error}; try again") from error
    except FileNotFoundError:
        right = False  # moved by another process
    except OSError as error:  # of the disk, or a body that ends early
        reason = error.strerror or "it does not arrive whole"
        raise UserError(f"cannot fetch {file.path} of {name}: {reason}; try again") from error
    if not right and not _is_there(path, file):  # unless another process has put it there
        arrived.unlink(missing_ok=True)
        raise UserError(
            f"{file.path} of {name} is not what {hub.endpoint()} lists (size or digest): fetch it again, and"
            " if that does not help, it is damaged there"
        )


def _is_there(path: Path, file: File) -> bool:
    return path.is_file() and path.stat().st_size == file.size


def _is_right(path: Path, file: File) -> bool:
    if file.sha256:
        return files.sha256(path) == file.sha256
    if not file.blob:
        return True
    digest = hashlib.sha1(f"blob {file.size}\0".encode(), usedforsecurity=False)  # as git names content
    with path.open("rb") as opened:
        while chunk := opened.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest() == file.blob


def _not_cached(name: Name, reason: str) -> Unreachable:
    cached = ", ".join(inventory()) or "nothing"
    way = "unset it" if "OFFLINE" in reason else "connect"
    return Unreachable(
        f"{reason}, and {name} is not cached (cached: {cached}): {way}, or give a folder on this machine"
    )


def _root() -> Path:
    return files.cache_folder() / "hub"


def _folder(name: Name) -> Path:
    return _root() / f"{name.kind}s--{name.repo.replace('/', '--')}"

"""What a data set or a folder of images is, at a glance: from its index and the heads of a few files."""

import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from gan.errors import UserError
from training.data import hub_sets
from training.data.names import SUFFIXES
from training.data.uniform import shape_of_header
from training.preparation.archives import ArraySource, FileSource, TarSource, ZipSource, open_source
from training.preparation.databases import LmdbSource, ParquetSource
from training.preparation.reading import suffixes
from training.preparation.sets import read_index
from training.preparation.sources import Member, Source, expanded
from training.preparation.verify import Verification

SECONDS = 0.5  # for looking into files
_SAMPLE = 2000  # files looked into at most
_KINDS = {
    ZipSource: "zip",
    TarSource: "shards",
    ArraySource: "array file",
    FileSource: "file",
    LmdbSource: "LMDB",
    ParquetSource: "Parquet",
}
_UNNAMED = ("LMDB", "Parquet")  # whose members need no ending


def overview(path: Path) -> dict[str, Any]:
    """What lies at `path`.

    kind, prepared (by this tool), images, bytes, formats (files by ending), sizes ({"3x64x64": files} of
    those looked at), looked_at, classes ({name: images}), captions, vectors, licence, problems, remedy.
    Raises UserError where nothing can be read.
    """
    sources = [open_source(place) for place in expanded([path])]
    kind = _KINDS.get(type(sources[0]), "folder")
    index = read_index(path) if kind in ("zip", "folder") or path.is_dir() else {}
    manifest: Any = index.get("manifest") if isinstance(index.get("manifest"), dict) else {}
    members = [(source, m) for source in sources for m in source.members(hidden=False) if not m.closed]
    images = [
        (s, m)
        for s, m in members
        if (kind in _UNNAMED or _suffix(m) in suffixes()) and m.path != b"vectors.npy"
    ]
    if not images:
        raise UserError(f"{path} holds no images, only {len(members)} other files: mend the path")
    sizes, looked = _sizes(images)
    told = {
        "path": str(path),
        "kind": kind,
        "prepared": bool(manifest.get("files")),
        "images": len(images),
        "bytes": sum(member.size for _, member in images),
        "formats": dict(Counter(_suffix(member) for _, member in images).most_common()),
        "sizes": dict(sizes.most_common()),
        "looked_at": looked,
        "classes": _classes(index),
        "captions": len(index.get("captions") or {}),
        "vectors": bool(index.get("vectors")),
        "licence": hub_sets.licence(path, manifest.get("licence")),
    }
    problems = list(Verification(path).outline()) if index else []
    return {**told, "problems": problems + _problems(told), "remedy": _remedy(path, told)}


def _suffix(member: Member) -> str:
    return PurePosixPath(member.path.decode("utf-8", "surrogateescape")).suffix.lower()


def _sizes(images: list[tuple[Source, Member]]) -> tuple[Counter[str], int]:
    """Shapes of files spread over all, as many as SECONDS allow."""
    sizes: Counter[str] = Counter()
    step = max(1, len(images) // _SAMPLE)
    started, looked = time.monotonic(), 0
    for source, member in images[::step]:
        if time.monotonic() - started > SECONDS:
            break
        looked += 1
        try:
            shape = shape_of_header(
                member.path.decode("utf-8", "replace"), source.read(member.path, member.place)
            )
        except (OSError, ValueError):
            shape = None
        sizes["x".join(map(str, shape)) if shape else "not read as it is"] += 1
    return sizes, looked


def _classes(index: Mapping[str, Any]) -> dict[str, int]:
    names = [str(name) for name in index.get("classes") or []]
    counts: Counter[Any] = Counter(
        pair[1] for pair in index.get("labels") or [] if isinstance(pair, list) and len(pair) == 2
    )
    if not counts:
        return {}
    names = names or [str(number) for number in sorted(counts, key=str)]
    return {name: counts.get(number, 0) for number, name in enumerate(names)}


def _problems(told: Mapping[str, Any]) -> list[str]:
    found = []
    if len(told["sizes"]) > 1:
        found.append(f"images of {len(told['sizes'])} kinds")
    others = sum(count for suffix, count in told["formats"].items() if suffix not in SUFFIXES)
    if others:
        found.append(f"{others} files of formats that training does not read")
    if told["kind"] in ("array file", "file", "Parquet"):
        found.append("no data set yet")
    if empty := [name for name, count in told["classes"].items() if not count]:
        found.append(f"{len(empty)} classes without images, such as {empty[0]}")
    return found


def _remedy(path: Path, told: Mapping[str, Any]) -> str | None:
    """The command that makes a set of it, None for what is one."""
    if (
        len(told["sizes"]) == 1
        and "not read as it is" not in told["sizes"]
        and set(told["formats"]) <= set(SUFFIXES)
    ):
        return None if told["kind"] in ("zip", "folder", "shards") else _command(path)
    return _command(path)


def _command(path: Path) -> str:
    return f"gan data prepare {path} --out {path.stem}-256.zip --resolution 256"

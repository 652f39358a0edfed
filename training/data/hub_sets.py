"""Data sets on a hub: what of a repository is fetched, and the file or folder that it becomes.

A repository holds one of these, the first that is there: one zip; tables of parquet, of which those of the
split `train` are taken where there are several splits; images with their `dataset.json` or metadata. A path
behind the name takes one file or one folder: `hf://datasets/user/name@revision/data/test-00000.parquet`. The
card of the repository comes along, for what it says of the images.
"""

import contextlib
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from gan import hub
from gan.errors import UserError
from gan.hub import Name
from gan.hub_files import File, fetch, listed, name_of
from training.data.metadata import is_metadata
from training.data.names import SUFFIXES, is_hidden
from training.data.parquet import ENDING

MOST_SET = 2**38  # bytes of a zip, a tar or a table
MOST_IMAGE = 2**28  # of a picture, and of what is said of all of them
MOST_CARD = 2**20
CARD = "README.md"
INDEX = ("dataset.json", "vectors.npy")
PACKED = (".zip", ".tar", ENDING)
TRAIN = "train"
UNKNOWN = "unknown"  # the licence of images of which none is told
_SPLIT = re.compile(r"(?:.*/)?(?P<split>[A-Za-z]\w*)(?:-\d+-of-\d+|-\d+)?\.parquet", re.IGNORECASE)
_SHOWN = 8
_FRONT = re.compile(r"---\n(.*?)\n---", re.DOTALL)  # what a card tells the hub
_LICENCE = re.compile(r"^(license|license_name): *['\"]?([\w.+-]{1,100})['\"]? *$", re.MULTILINE)


def fetched(place: str | Path) -> Path:
    """The file or folder of `hf://datasets/user/name@revision/path`, from the hub or the cache.

    Raises UserError, with the remedy, as `gan.hub_files.fetch`, and where there is nothing to train on, or it
    is not clear what is meant.
    """
    name = hub.parse(place, "dataset")
    listing = listed(name)
    name = name.at(listing.commit)
    whole, chosen = chosen_of(name, listing.files)
    # Files of a split lie apart from those of others, which a folder is read with.
    part = TRAIN if chosen and len(chosen) < len(whole) and chosen[0].path.endswith(ENDING) else ""
    found = fetch(name, lambda _: chosen, most, "" if len(chosen) == 1 else part)
    _card(found.name)
    if len(chosen) == 1 and chosen[0].path.endswith(PACKED):
        return found.folder / chosen[0].path
    return found.folder / name.inside


def card(path: Path) -> str:
    """The card of the repository that `path` was fetched from; "" without one, and for any other path."""
    name = name_of(path)
    place = None if name is None else _card(name)
    return place.read_text(encoding="utf-8", errors="replace") if place and place.is_file() else ""


def licence(path: Path, said: str | None) -> str | None:
    """The licence of a set: what it says itself, else what the card of the repository it is from names."""
    if said and said != UNKNOWN:
        return said
    front = _FRONT.match(card(path))
    named = dict(_LICENCE.findall(front[1])) if front else {}
    known = named.get("license_name") if named.get("license") == "other" else named.get("license")
    return known if known and known != UNKNOWN else said


def _card(name: Name) -> Path | None:
    """The file of the card, fetched unless it is there; None where that cannot be: a set is read without."""
    with contextlib.suppress(UserError):
        found = fetch(
            name,
            lambda listing: [file for file in listing.files if file.path == CARD and file.size],
            lambda _: MOST_CARD,
            "card",
        )
        return found.folder / CARD
    return None


def chosen_of(name: Name, files: Sequence[File]) -> tuple[list[File], list[File]]:
    """All files of the kind that is taken, and those of them that are. UserError where it is not clear."""
    exact = [file for file in files if file.path == name.inside]
    if exact:
        return _known(name, exact)
    start = f"{name.inside}/" if name.inside else ""
    within = [f for f in files if f.path.startswith(start) and not is_hidden(f.path)]
    if not within:
        raise UserError(f"{name} is empty: {_holds(name, files)}")
    zips = [file for file in within if file.path.lower().endswith(".zip")]
    if len(zips) == 1:
        return zips, zips
    images = [f for f in within if f.path.lower().endswith(SUFFIXES) and _last(f) not in INDEX]
    tables = [f for f in within if f.path.lower().endswith(ENDING) and not is_metadata(f.path)]
    shards = [file for file in within if file.path.lower().endswith(".tar")]
    if zips or not (images or tables or shards):
        raise UserError(f"{name}: it is not clear which file to take: {_holds(name, within)}")
    if tables and not images:
        return tables, _of_split(name, tables)
    beside = [f for f in within if _last(f) in INDEX or is_metadata(f.path)]
    taken = [*(images or shards), *beside]
    return taken, taken


def _known(name: Name, exact: list[File]) -> tuple[list[File], list[File]]:
    if not name.inside.lower().endswith((*PACKED, *SUFFIXES)):
        raise UserError(f"{name} is no set of images: name a {', '.join(PACKED)} or a folder")
    return exact, exact


def _of_split(name: Name, tables: list[File]) -> list[File]:
    splits = {file.path: (m["split"] if (m := _SPLIT.fullmatch(file.path)) else "") for file in tables}
    if len(set(splits.values())) == 1 or len(tables) == 1:
        return tables
    if TRAIN not in splits.values():
        raise UserError(f"{name} has several tables and none is named {TRAIN}: {_holds(name, tables)}")
    return [file for file in tables if splits[file.path] == TRAIN]


def _holds(name: Name, files: Sequence[File]) -> str:
    """What to write instead, by what there is."""
    packed = [file.path for file in files if file.path.lower().endswith(PACKED)]
    if packed:
        name = Name(name.kind, name.repo, name.revision, packed[0])
        return f"name one of {', '.join(packed[:_SHOWN])}, such as {name}"
    return f"it holds {', '.join(file.path[:60] for file in files[:_SHOWN]) or 'nothing'}"


def _last(file: File) -> str:
    return PurePosixPath(file.path).name


def most(path: str) -> int:
    """Bytes that a file of a set, by its path, may have to be fetched."""
    if path.lower().endswith(PACKED) or path.endswith("vectors.npy"):
        return MOST_SET
    return MOST_IMAGE

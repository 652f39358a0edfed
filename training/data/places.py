"""Where a data set lies: a path, or a name on a hub that becomes one; and what to say where none lies."""

import difflib
import re
from pathlib import Path

from gan import hub, hub_files
from training.data import hub_sets


def local(place: str | Path) -> Path:
    """The path of a data set, of which `hf://datasets/user/name@revision` is fetched first.

    Raises UserError, with the remedy, where the hub does not have it.
    """
    return hub_sets.fetched(place) if hub.is_name(place) else Path(place)


def lasting(path: Path) -> str:
    """What to write down for a path: of what came from a hub the name, with its commit."""
    return str(hub_files.name_of(path) or path)


def pinned(place: str) -> str:
    """A name on a hub with the commit that it means now; any other place as it is."""
    if not hub.is_name(place) or hub.parse(place, "dataset").pinned:
        return place
    return lasting(local(place))


def title(path: Path) -> str:
    """What a set is called after its place: the stem of the path, or the repository's name."""
    name = hub_files.name_of(path)
    return path.stem if name is None else name.repo.partition("/")[2]


def is_there(place: str) -> bool:
    """Whether a data set that was written down may still be opened; a name on a hub may."""
    return hub.is_name(place) or Path(place).exists()


def absent(place: str) -> str:
    """One line for a `place` where nothing is: a mistyped path, a URL, or the name of a hub's data set."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", place):
        way = f", for example with `curl -LO {place}`," if re.match("(https?|ftp):", place) else ""
        return f"{place} is a URL, and data is read from files: download it{way} and give the file"
    path = Path(place)
    names = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    if close := difflib.get_close_matches(path.name, names, n=1):
        return f"no data set at {place}: is {path.parent / close[0]} meant?"
    if re.fullmatch(r"[\w-]+/[\w.-]+", place) and not path.parent.exists() and not path.suffix:
        return (
            f"no data set at {place}: mend the path; if it is a name on the Hugging Face Hub, write"
            f" hf://datasets/{place}"
        )
    lacking = "" if path.parent.is_dir() else f", for there is no folder {path.parent}"
    make = "`gan data openmoji`, data/openmoji-32.zip"
    return f"no data set at {place}{lacking}: mend the path, or make one to try with {make}"

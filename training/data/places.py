"""What to say where no data set lies."""

import difflib
import re
from pathlib import Path


def absent(place: str) -> str:
    """One line for a `place` where nothing is: a mistyped path, a URL, or the name of a hub's data set."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", place):
        return (
            f"{place} is a URL, and data is read from this machine only: download it, for example with"
            f" `curl -LO {place}`, and give the file"
        )
    path = Path(place)
    folder = path.parent
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    if close := difflib.get_close_matches(path.name, names, n=1):
        return f"no data set at {place}: is {folder / close[0]} meant? Mend the path"
    if re.fullmatch(r"[\w-]+/[\w.-]+", place) and not folder.exists() and not path.suffix:
        load = f"`data = datasets.load_dataset({place!r}, split='train')`"
        return (
            f"no data set at {place}: mend the path; if it is a name on the Hugging Face Hub, {load} and then"
            " `gan.train('demo', data)` train on it in Python"
        )
    there = f", for there is no folder {folder}" if not folder.is_dir() else ""
    return f"no data set at {place}{there}: mend the path, or make one to try with `gan data openmoji`"

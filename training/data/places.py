"""What to say where no data set lies."""

import difflib
import re
from pathlib import Path


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
            f"no data set at {place}: mend the path; if it is a name on the Hugging Face Hub, load it in"
            f" Python with `data = datasets.load_dataset({place!r}, split='train')` and train on it with"
            " `gan.train('demo', data)`"
        )
    lacking = "" if path.parent.is_dir() else f", for there is no folder {path.parent}"
    make = "`gan data openmoji`, data/openmoji-32.zip"
    return f"no data set at {place}{lacking}: mend the path, or make one to try with {make}"

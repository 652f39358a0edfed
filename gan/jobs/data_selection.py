"""Which files of a data set are shown on the page of `gan data report`, of far more."""

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from gan.jobs.work_folder import MEASURES, Seen
from training.preparation.quality import OUTLIER

SHOWN = 8  # pictures of a row
CAUSES, CLUSTERS = 16, 12  # rows of a section
FAR = 4.0  # robust standard deviations from the median that make an outlier
NAMES = {  # measure -> (title of the least, title of the most)
    "sharpness": ("Dullest", "Sharpest"),
    "brightness": ("Darkest", "Brightest"),
    "colourfulness": ("Greyest", "Most colourful"),
}


def by_cause(files: Iterable[Seen]) -> list[tuple[str, list[Seen]]]:
    """Files that are left out, by why, the most frequent cause first."""
    found: dict[str, list[Seen]] = defaultdict(list)
    for seen in files:
        if seen.verdict != "keep":
            found[seen.cause or "no reason told"].append(seen)
    return sorted(found.items(), key=lambda pair: (-len(pair[1]), pair[0]))


def by_cluster(files: Iterable[Seen]) -> list[tuple[int, list[Seen]]]:
    """Groups of duplicates, the largest first, the one that is kept before the others."""
    found: dict[int, list[Seen]] = defaultdict(list)
    for seen in files:
        if seen.cluster is not None:
            found[seen.cluster].append(seen)
    groups = [(number, group) for number, group in found.items() if len(group) > 1]
    for _, group in groups:
        group.sort(key=lambda seen: (not seen.keeper, seen.number))
    return sorted(groups, key=lambda pair: (-len(pair[1]), pair[0]))


def extremes(files: Sequence[Seen]) -> list[tuple[str, list[tuple[Seen, str]]]]:
    """(title, files with what is said of each) at both ends of each of NAMES, of the files that are kept."""
    kept, rows = [seen for seen in files if seen.verdict == "keep"], []
    for measure, titles in NAMES.items():
        known = sorted((s for s in kept if getattr(s, measure) is not None), key=_by(measure))
        for title, chosen in zip(titles, (known[:SHOWN], known[: -SHOWN - 1 : -1]), strict=True):
            rows.append((title, [(seen, f"{measure} {getattr(seen, measure):.4g}") for seen in chosen]))
    return [row for row in rows if row[1]]


def outliers(files: Sequence[Seen]) -> list[tuple[Seen, str]]:
    """The kept files that lie furthest from all others, and in what: in their features, where they are known.

    Else in one of MEASURES: by the distance from the median in units of 1.4826 times the median absolute
    deviation, which is the standard deviation of a normal distribution; sharpness by its logarithm.
    """
    kept = [seen for seen in files if seen.verdict == "keep"]
    if known := [(seen.outlier, seen) for seen in kept if seen.outlier is not None]:
        known.sort(key=lambda pair: (-pair[0], pair[1].number))
        return [(seen, f"outlier {value:.3g}") for value, seen in known[:SHOWN] if value > OUTLIER]
    found: dict[int, tuple[float, Seen, str]] = {}
    for measure in MEASURES:
        pairs = [(seen, _scaled(measure, v)) for seen in kept if (v := getattr(seen, measure)) is not None]
        if not pairs:
            continue
        middle = statistics.median(value for _, value in pairs)
        spread = 1.4826 * statistics.median(abs(value - middle) for _, value in pairs)
        for seen, value in pairs:
            far = abs(value - middle) / spread if spread else 0.0
            if far > max(FAR, found.get(seen.number, (FAR,))[0]):
                found[seen.number] = far, seen, measure
    best = sorted(found.values(), key=lambda entry: (-entry[0], entry[1].number))[:SHOWN]
    return [(seen, f"{measure} {getattr(seen, measure):.4g}") for _, seen, measure in best]


def _by(measure: str) -> Callable[[Seen], tuple[float, int]]:
    return lambda seen: (getattr(seen, measure), seen.number)


def _scaled(measure: str, value: float) -> float:
    return math.log(max(value, 1e-9)) if measure == "sharpness" else value

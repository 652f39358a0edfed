"""What the page of `gan data review` asks for: files by filters, their pictures, and decisions about them.

Nothing here knows of HTTP. One `Review` may be used by several threads.
"""

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gan.errors import UsageError, unknown
from gan.jobs.decisions import NAME, Decisions
from gan.jobs.thumbnails import of_file, placeholder
from gan.jobs.work_folder import Seen, WorkFolder
from training.data.faults import Refused

SIDES = {"small": 192, "large": 768}  # pixels of a picture
SHOWN = 100_000  # files that a page lists at most
WINDOW = 400  # files that are told about at once
KEPT_BYTES = 2**26  # of pictures that are kept in memory
MOST_OPTIONS = 500  # labels that are offered
ORDERS: dict[str, Callable[[Seen], Any]] = {
    "path": lambda seen: seen.number,
    "cluster": lambda seen: (seen.cluster is None, seen.cluster, not seen.keeper, seen.number),
    "sharpest": lambda seen: (seen.sharpness is None, -(seen.sharpness or 0.0)),
    "dullest": lambda seen: (seen.sharpness is None, seen.sharpness),
    "brightest": lambda seen: (seen.brightness is None, -(seen.brightness or 0.0)),
    "darkest": lambda seen: (seen.brightness is None, seen.brightness),
    "smallest": lambda seen: (seen.width is None, (seen.width or 0) * (seen.height or 0)),
}


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which files to show: all that have every value given; "" lets all pass.

    verdict: as it is after decisions.  reason: as `Seen.cause`.  text: a part of path, label or caption.
    cluster: a number, or any.  decided: whether a person has decided.  order: of ORDERS.
    """

    verdict: str = ""
    reason: str = ""
    label: str = ""
    text: str = ""
    cluster: str = ""
    decided: str = ""
    order: str = "path"

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise UsageError(unknown("order", self.order, ORDERS))


class Review:
    """A work folder and the decisions about its files."""

    def __init__(self, work: WorkFolder) -> None:
        self.work = work
        self.decisions = Decisions(work.path / NAME)
        self._numbers = {(seen.source, seen.path): seen.number for seen in work.files}
        self._lock = threading.Lock()  # of decisions and pictures kept
        self._pictures: OrderedDict[tuple[int, str], tuple[str, bytes]] = OrderedDict()
        self._kept = 0  # bytes

    def facts(self) -> dict[str, Any]:
        """The name, how many files there are by verdict, reason, label, and how many are decided."""
        files = self.work.files
        labels = Counter(label for seen in files if (label := self._label(seen)))
        return {
            "name": self.work.name,
            "files": len(files),
            "verdicts": Counter(self._verdict(seen) for seen in files),
            "reasons": Counter(seen.cause for seen in files if seen.cause).most_common(),
            "labels": sorted(label for label, _ in labels.most_common(MOST_OPTIONS)),
            "clusters": len({seen.cluster for seen in files if seen.cluster is not None}),
            "decided": len(self.decided()),
        }

    def decided(self) -> list[int]:
        """Numbers of the files about which a decision holds."""
        found = (self._numbers.get(key) for key in self.decisions.decided())
        return sorted(number for number in found if number is not None)

    def select(self, filters: Filters) -> tuple[list[int], int]:
        """Numbers of the files that pass, in order, SHOWN at most, and how many pass."""
        wanted = filters.text.casefold()
        found = [seen for seen in self.work.files if self._passes(seen, filters, wanted)]
        if filters.order != "path":
            found.sort(key=ORDERS[filters.order])
        return [seen.number for seen in found[:SHOWN]], len(found)

    def items(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """What the page says of files. Raises UsageError for a number that is none, or too many."""
        if len(numbers) > WINDOW:
            raise UsageError(f"at most {WINDOW} files at once")
        return [self._item(self._seen(number)) for number in numbers]

    def decide(
        self, number: int, kind: str, label: str | None = None, of: int | None = None
    ) -> dict[str, Any]:
        """Write a decision about a file, see `Decisions.add`; the item as it is then.

        Raises UsageError also where a file is to be kept that holds no picture.
        """
        seen = self._seen(number)
        if kind == "keep" and not seen.decoded:
            raise UsageError(
                "this file cannot be decoded, so there is nothing to keep: mend it in its source"
            )
        with self._lock:
            self.decisions.add((seen.source, seen.path), kind, label, of)
            return self._item(seen)

    def refresh(self) -> list[dict[str, Any]]:
        """Items about which somebody else has written a decision since."""
        with self._lock:
            keys = dict.fromkeys(self.decisions.refresh())
            return [self._item(self.work.files[self._numbers[key]]) for key in keys if key in self._numbers]

    def picture(self, number: int, size: str) -> tuple[str, bytes]:
        """(media type, bytes) of a file's picture, or of a placeholder that says why there is none."""
        seen = self._seen(number)
        if size not in SIDES:
            raise UsageError(unknown("size", size, SIDES))
        with self._lock:
            if (number, size) in self._pictures:
                self._pictures.move_to_end((number, size))
                return self._pictures[number, size]
        try:
            made = "image/webp", of_file(self.work, seen, SIDES[size])
        except Refused as error:
            made = "image/svg+xml", placeholder(str(error))
        self._keep((number, size), made)
        return made

    def _keep(self, key: tuple[int, str], made: tuple[str, bytes]) -> None:
        """Keep a picture in memory; the ones not asked for longest go where there are too many."""
        with self._lock:
            self._kept += len(made[1]) - len(self._pictures.get(key, ("", b""))[1])
            self._pictures[key] = made
            while self._kept > KEPT_BYTES:
                _, (_, old) = self._pictures.popitem(last=False)
                self._kept -= len(old)

    def _seen(self, number: int) -> Seen:
        if not 0 <= number < len(self.work.files):
            raise UsageError(f"there is no file {number}")
        return self.work.files[number]

    def _verdict(self, seen: Seen) -> str:
        """After decisions."""
        held = self.decisions.of((seen.source, seen.path))
        return (held and held.fate) or seen.verdict

    def _label(self, seen: Seen) -> str | None:
        held = self.decisions.of((seen.source, seen.path))
        return (held and held.label) or seen.label

    def _passes(self, seen: Seen, filters: Filters, wanted: str) -> bool:
        if filters.verdict and self._verdict(seen) != filters.verdict:
            return False
        if filters.reason and seen.cause != filters.reason:
            return False
        if filters.label and self._label(seen) != filters.label:
            return False
        if filters.cluster and not (
            seen.cluster is not None if filters.cluster == "any" else str(seen.cluster) == filters.cluster
        ):
            return False
        if filters.decided:
            held = self.decisions.of((seen.source, seen.path)) is not None
            if held != (filters.decided == "yes"):
                return False
        texts = (seen.path, self._label(seen), seen.caption) if wanted else ()
        return not wanted or any(wanted in text.casefold() for text in texts if text)

    def _item(self, seen: Seen) -> dict[str, Any]:
        held = self.decisions.of((seen.source, seen.path))
        return {
            "number": seen.number,
            "path": seen.path,
            "source": str(self.work.sources[seen.source]),
            "verdict": self._verdict(seen),
            "scanned": seen.verdict,  # before decisions
            "reason": seen.reason,
            "detail": seen.detail,
            "label": self._label(seen),
            "caption": seen.caption,
            "cluster": seen.cluster,
            "keeper": seen.keeper,
            "width": seen.width,
            "height": seen.height,
            "sharpness": seen.sharpness,
            "brightness": seen.brightness,
            "decoded": seen.decoded,
            "fate": held and held.fate,
            "relabelled": bool(held and held.label),
            "serial": held and held.serial,  # None where nobody has decided
        }

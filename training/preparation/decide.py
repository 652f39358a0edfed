"""Records of the scan, notes, options and decisions -> the verdict on each file. Needs no pixels.

A file is kept unless a person says no; a fault's policy, a condition or a missing field of provenance speaks
against it; or a copy of it is kept. A person's yes goes before all of it but missing pixels.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training.preparation.catalogue import display, read_lines
from training.preparation.examine import MEASURES
from training.preparation.notes import Notes, named
from training.preparation.policies import verdict

FIELDS = ("licence", "author", "source_url")
COLUMNS: tuple[str, ...] = (
    *("path", "source", "bytes", "sha256", "pixels_sha256", "width", "height", "mode", "format", "phash"),
    *MEASURES,
    "content",
    "faces",
    "outlier",
    "label",
    "caption",
    *FIELDS,
)  # that every record has, for conditions
BLANK = 0.995  # share of one colour from which on a picture shows nothing
BLURRED = 10.0  # sharpness below which hardly an edge is seen
EXTREME = 3.0  # the longer side by the shorter one
ENLARGED = 2.0  # factor by which a picture is enlarged at most


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What decides. height, width: of the set, pixels.  policies: of each kind of fault.

    where: a condition on a record.  require: fields that must be known.  val: part held back, 0..1.
    refused: why a file must not be used, whatever a person says; None for one that may.
    content: score from which the content filter speaks against a file; a file without a score is refused.
    """

    height: int
    width: int
    policies: Mapping[str, str]
    where: Callable[[dict[str, Any]], bool] | None = None
    require: tuple[str, ...] = ()
    val: float = 0.0
    refused: Callable[[int, dict[str, Any]], str | None] | None = None
    content: float | None = None


@dataclass(kw_only=True)
class Verdicts:
    """By number of a file. verdicts: (verdict, reason).  clusters: (number of cluster, keeper?)."""

    verdicts: dict[int, tuple[str, str | None]] = field(default_factory=dict)
    leaders: dict[int, str] = field(default_factory=dict)  # sha256 of the pixels that decide on the split
    names: dict[int, str] = field(default_factory=dict)  # another path that differs by capitals alone
    clusters: dict[int, tuple[int, bool]] = field(default_factory=dict)
    wanted: set[int] = field(default_factory=set)  # kept because a person said so

    def is_kept(self, number: int) -> bool:
        """Whether a file is kept so far."""
        return self.verdicts.get(number, ("", None))[0] == "keep"


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Files that show one picture. members: their numbers, the one to keep first.

    path, pixels_sha256: of that one.  drops: whether the others go.  against: why all of them go, or None.
    """

    members: tuple[int, ...]
    path: str
    pixels_sha256: str
    drops: bool = True
    against: str | None = None


class Decisions:
    """The last word of a person on each file, by (path, source)."""

    def __init__(self, lines: Iterable[Mapping[str, Any]]) -> None:
        self._told: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
        for told in lines:
            words = self._told.setdefault((str(told.get("path")), int(told.get("source") or 0)), [])
            if told.get("decision") == "undo":
                del words[-1:]
            elif told.get("decision") in ("keep", "drop", "relabel"):
                words.append(told)

    def fate(self, path: str, source: int) -> str | None:
        """keep, drop, or None where nobody decided."""
        words = [w["decision"] for w in self._told.get((path, source), []) if w["decision"] != "relabel"]
        return words[-1] if words else None

    def label(self, path: str, source: int) -> str | None:
        """The new class, None where nobody gave one."""
        words = [w.get("label") for w in self._told.get((path, source), []) if w["decision"] == "relabel"]
        return str(words[-1]) if words and words[-1] is not None else None


def decisions_in(folder: Path) -> Decisions:
    """Those of a working folder."""
    return Decisions(read_lines(folder / "decisions.jsonl"))


def described(
    record: dict[str, Any], source: int, path: bytes, notes: Notes, decisions: Decisions
) -> dict[str, Any]:
    """The record with what is said of the file beside its pixels."""
    said = notes.of(source, path, record["sha256"])
    label = decisions.label(record["path"], source)
    return {
        **record,
        "source": source,
        "label": said.get("label") if label is None else label,
        "caption": said.get("caption"),
        **{name: said.get(name) for name in FIELDS},
        "custom": said.get("custom", {}),
    }


def judged(record: Mapping[str, Any], rules: Rules, twin: str | None) -> list[dict[str, str]]:
    """The faults of a record, those that follow from its measures and from other names among them."""
    faults = list(record["faults"])
    if twin is not None:
        faults.append({"kind": "name", "detail": f"beside {twin}"})
    if record["pixels_sha256"] is None:
        return faults
    width, height = record["width"], record["height"]
    factor = max(rules.width / width, rules.height / height)
    if factor > ENLARGED:
        faults.append({"kind": "tiny", "detail": f"{width}x{height}"})
    if max(width / height, height / width) > EXTREME:
        faults.append({"kind": "aspect", "detail": f"{width}x{height}"})
    if record["blank"] >= BLANK:
        faults.append({"kind": "blank", "detail": f"{record['blank']:.1%} of one colour"})
    elif record["sharpness"] < BLURRED:
        faults.append({"kind": "blurred", "detail": f"sharpness {record['sharpness']:.2g}"})
    return faults


def first_verdicts(
    records: Iterable[tuple[int, int, bytes, dict[str, Any]]],
    rules: Rules,
    notes: Notes,
    decisions: Decisions,
    twins: Mapping[int, bytes],
) -> Verdicts:
    """The verdict on each file by itself. records: (number, source, path, record)."""
    found = Verdicts(names={number: display(path) for number, path in twins.items()})
    for number, source, path, scanned in records:
        if _is_side(scanned, source, path, notes):
            continue
        record = described(scanned, source, path, notes, decisions)
        record["faults"] = judged(record, rules, found.names.get(number))
        fate = decisions.fate(record["path"], source)
        found.verdicts[number] = _by_itself(number, record, rules, fate)
        if fate == "keep" and found.is_kept(number):
            found.wanted.add(number)
    return found


def _is_side(record: Mapping[str, Any], source: int, path: bytes, notes: Notes) -> bool:
    """Whether a file only speaks of images."""
    return record["pixels_sha256"] is None and (source, named(path)) in notes.used


def _by_itself(number: int, record: dict[str, Any], rules: Rules, fate: str | None) -> tuple[str, str | None]:
    """(verdict, reason)."""
    kinds = [fault["kind"] for fault in record["faults"]]
    what, fault = verdict(kinds, rules.policies)
    if record["pixels_sha256"] is None:
        return ("drop", f"fault:{kinds[0]}") if what == "keep" else (what, f"fault:{fault}")
    if rules.refused is not None and (why := rules.refused(number, record)):
        return "drop", why
    if fate == "keep":
        return "keep", None
    if fate == "drop":
        return "drop", "decision"
    if what != "keep":
        return what, f"fault:{fault}"
    if rules.content is not None and (record["content"] is None or record["content"] >= rules.content):
        return "drop", "content"
    for name in rules.require:
        if known(record, name) is None:
            return "drop", f"require:{name}"
    if rules.where is not None and not rules.where(flat(record)):
        return "drop", "where"
    return "keep", None


def known(record: Mapping[str, Any], name: str) -> Any:
    """A field of a record, or of its custom ones; None where it is empty. `source` is the address."""
    value = record.get("source_url" if name == "source" else name)
    value = record["custom"].get(name) if value is None else value
    return None if value == "" else value


def flat(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record for conditions: custom fields beside the others, which go first."""
    return {**record["custom"], **record}


def drop_copies(found: Verdicts, clusters: Iterable[Cluster]) -> None:
    """Keep one file of each cluster, and those that a person wants; all go to one side of a split."""
    for index, cluster in enumerate(clusters):
        for number in cluster.members:
            kept = number == cluster.members[0] and cluster.against is None
            found.clusters[number] = (index, kept)
            found.leaders[number] = cluster.pixels_sha256
            if not kept and cluster.drops and number not in found.wanted:
                found.verdicts[number] = ("drop", cluster.against or f"duplicate of {cluster.path}")


def is_val(pixels_sha256: str, part: float) -> bool:
    """Whether an image is held back: decided by its content alone."""
    return int(pixels_sha256[:13], 16) / 16**13 < part


def final(
    records: Iterable[tuple[int, int, bytes, dict[str, Any]]],
    rules: Rules,
    notes: Notes,
    decisions: Decisions,
    found: Verdicts,
    name_of: Callable[[str, int], str],
) -> Iterator[tuple[int, dict[str, Any]]]:
    """(number, object of `files.jsonl`) in the order of `records`.

    name_of: (split, index) -> name in the set.
    """
    counts: Counter[str] = Counter()
    for number, source, path, scanned in records:
        if number not in found.verdicts:
            continue
        record = described(scanned, source, path, notes, decisions)
        what, reason = found.verdicts[number]
        cluster, keeper = found.clusters.get(number, (None, False))
        split = out = None
        if what == "keep":
            leader = found.leaders.get(number, record["pixels_sha256"])
            split = "val" if is_val(leader, rules.val) else "train"
            out = name_of(split, counts[split])
            counts[split] += 1
        yield (
            number,
            {
                "path": record["path"],
                "source": source,
                **{key: record[key] for key in ("bytes", "sha256", "pixels_sha256", "width", "height")},
                **{key: record[key] for key in ("mode", "format")},
                "faults": judged(record, rules, found.names.get(number)),
                **{key: record[key] for key in ("phash", *MEASURES)},
                **{key: record[key] for key in ("content", "faces", "outlier", "label", "caption")},
                "verdict": what,
                "reason": reason,
                "cluster": cluster,
                "keeper": keeper,
                "split": split,
                "out": out,
                **{key: record[key] for key in (*FIELDS, "custom")},
            },
        )


class Summary:
    """Counts of what `final` yields."""

    def __init__(self, policies: Mapping[str, str]) -> None:
        self._policies = policies
        self.files, self.kept = 0, 0
        self._faults: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._classes: Counter[str] = Counter()
        self._splits: Counter[str] = Counter()
        self.fields: dict[str, Counter[str]] = {name: Counter() for name in ("licence", "format", "mode")}
        self.unlabelled: list[str] = []  # a few of the files
        self.folders: set[str] = set()  # in which they lie, at the top of the sources

    def count(self, record: Mapping[str, Any]) -> None:
        """Take in a record."""
        self.files += 1
        self._faults.update({fault["kind"] for fault in record["faults"]})
        if record["verdict"] != "keep":
            reason = record["reason"].partition(" ")[0]
            self._reasons[reason] += 1
            return
        self.kept += 1
        self._splits[record["split"]] += 1
        for name, counter in self.fields.items():
            counter[record[name] or "unknown"] += 1
        if "/" in record["path"] and len(self.folders) < 1000:
            self.folders.add(record["path"].split("/")[0])
        if record["label"] is None:
            self.unlabelled = [*self.unlabelled, record["path"]][:3]
        else:
            self._classes[record["label"]] += 1

    def told(self) -> dict[str, Any]:
        """The object of `summary.json`."""
        return {
            "files": self.files,
            "kept": self.kept,
            "faults": {
                kind: {"files": count, "policy": self._policies[kind]}
                for kind, count in sorted(self._faults.items(), key=lambda item: (-item[1], item[0]))
            },
            "reasons": dict(sorted(self._reasons.items(), key=lambda item: (-item[1], item[0]))),
            "classes": {name: self._classes[name] for name in ordered(self._classes)},
            "splits": dict(sorted(self._splits.items())),
        }


def ordered(classes: Iterable[str]) -> list[str]:
    """Names of classes in their order: numbers by value, other names by letter."""
    names = sorted(set(classes))
    if all(name.isdecimal() for name in names):
        names.sort(key=int)
    return names

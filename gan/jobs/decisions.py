"""What a person decided about files: a log that only grows, so that nothing is lost.

    {"path": "a/b.png", "source": 0, "decision": "keep", "time": "2026-01-31T12:00:00Z"}
    {"path": "a/c.png", "source": 0, "decision": "relabel", "label": "cat", "time": ...}

Of keep and drop the last one about a file holds, of relabels the last label. An undo takes back whichever
came last, and then the one before holds again. A decision is on the disk before `add` returns. Several
writers may append: each reads what others wrote.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from gan.errors import UsageError, UserError, unknown
from gan.jobs.json_log import JsonLog

NAME = "decisions.jsonl"
KINDS = ("keep", "drop", "relabel", "undo")
LONGEST = 200  # characters of a label
Key = tuple[int, str]  # source and path of a file


class _Line(NamedTuple):
    """A line of the log that is not undone."""

    serial: int
    kind: str
    label: str | None


@dataclass(frozen=True, slots=True)
class Held:
    """What holds for a file.

    serial: number of the line that an undo takes back.  fate: keep or drop.  label: the new one.
    """

    serial: int
    fate: str | None
    label: str | None


class Superseded(UserError):
    """Somebody else decided about the file since: look at it again."""


class Decisions:
    """The log at `path`, which need not exist yet.  lost: lines that are no decision."""

    def __init__(self, path: Path) -> None:
        self.path, self.lost = path, 0
        self._stacks: dict[Key, list[_Line]] = {}
        self._log, self._lines = JsonLog(path), 0  # lines of the log so far
        self.refresh()

    def of(self, key: Key) -> Held | None:
        """What holds for a file; None where nobody has decided."""
        stack = self._stacks.get(key)
        if not stack:
            return None
        fates = [line.kind for line in stack if line.kind != "relabel"]
        labels = [line.label for line in stack if line.kind == "relabel"]
        return Held(stack[-1].serial, fates[-1] if fates else None, labels[-1] if labels else None)

    def decided(self) -> list[Key]:
        """The files about which a decision holds."""
        return [key for key, stack in self._stacks.items() if stack]

    def refresh(self) -> list[Key]:
        """Take in what was appended to the log since, by whoever; the files that it is about.

        A last line without its end is another writer's at work, and waits.
        """
        return [key for line in self._log.new_lines() if (key := self._take(line)) is not None]

    def add(self, key: Key, kind: str, label: str | None = None, of: int | None = None) -> Held | None:
        """Write a decision, flushed to the disk; what holds for the file from now on.

        label: of a relabel.  of: for an undo, the serial of the decision that it takes back.
        Raises UsageError for a kind or label that is none, Superseded where another decision than `of` holds.
        """
        if kind not in KINDS:
            raise UsageError(unknown("decision", kind, KINDS))
        label = (label or "").strip() or None
        if (kind == "relabel") != (label is not None):
            raise UsageError("a relabel needs a label, and nothing else has one")
        if label and (len(label) > LONGEST or not label.isprintable()):
            raise UsageError(f"a label has at most {LONGEST} characters, all on one line")
        self.refresh()
        held = self.of(key)
        if kind == "undo" and (held is None or (of is not None and held.serial != of)):
            raise Superseded("another decision holds for this file by now")
        record = {"path": key[1], "source": key[0], "decision": kind}
        record |= {"label": label} if label else {}
        self._log.append(record)
        self.refresh()
        return self.of(key)

    def _take(self, line: bytes) -> Key | None:
        """Apply a line; the file that it is about, None for a line that is no decision."""
        self._lines += 1
        try:
            record = json.loads(line)
            key, kind, label = (record["source"], record["path"]), record["decision"], record.get("label")
            stack = self._stacks.setdefault(key, [])
            if kind not in KINDS or (kind == "relabel") != isinstance(label, str):
                raise ValueError(kind)
        except (ValueError, TypeError, KeyError, RecursionError):
            self.lost += bool(line.strip())
            return None
        if kind != "undo":
            stack.append(_Line(self._lines, kind, label))
        elif stack:
            stack.pop()
        return key

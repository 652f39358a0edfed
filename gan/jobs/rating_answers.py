"""What raters answer: a log that only grows, and what it comes to.

    {"rater": 0, "trial": 3, "answer": "left", "ms": 1830, "time": "2026-01-31T12:00:00Z"}
    {"rater": 0, "trial": 3, "answer": null, "time": ...}                       taken back

    pairs          left, right, tie
    real-or-fake   real, fake
    quality        1, 2, 3, 4, 5
    flags          {"flags": ["artifact", ...], "note": "six fingers"}; no flag: nothing is wrong

An answer is on the disk before the page goes on; nothing else is kept, so a killed server loses nothing.
"""

import json
import threading
from typing import Any

from gan.errors import UsageError, UserError
from gan.jobs.json_log import JsonLog
from gan.jobs.rating import ANSWERS, Study

CHOICES: dict[str, tuple[Any, ...]] = {
    "pairs": ("left", "right", "tie"),
    "real-or-fake": ("real", "fake"),
    "quality": (1, 2, 3, 4, 5),
}
FLAGS = ("artifact", "broken", "inappropriate", "memorised")
LONGEST = 200  # characters of a note
MAX_MS = 3_600_000  # of an answer; one that took longer was interrupted


class Superseded(UserError):
    """Another tab of the same rater has gone on since."""


class Answers:
    """The log of a study, for several threads.  lost: lines that are no answer."""

    def __init__(self, study: Study) -> None:
        self.study, self.lost = study, 0
        self._log = JsonLog(study.path / ANSWERS)
        self._held: list[dict[int, dict[str, Any]]] = [{} for _ in study.about["raters"]]
        self._seen: list[set[int]] = [set() for _ in self._held]  # answered at some time
        self._lock = threading.Lock()
        self._refresh()

    def of(self, rater: int) -> dict[int, dict[str, Any]]:
        """Line of each trial that is answered, in the order of answering."""
        return dict(self._held[rater])

    def state(self, rater: int) -> dict[str, Any]:
        """What the page of a rater shows; nothing in it tells a source.

        trial: the one to answer, None at the end; after: the one behind it.  seen: whether its picture has
        been shown, so that a limited time is over.
        """
        with self._lock:
            self._refresh()
            return self._state(rater)

    def answer(self, rater: int, trial: int, answer: Any, ms: int) -> dict[str, Any]:
        """Write an answer, flushed to the disk -> the state from then on.

        Raises UsageError for what is no answer, Superseded for a trial that is not the one to answer.
        """
        record = {"rater": rater, "trial": trial, "answer": checked(self.study.kind, answer)}
        with self._lock:
            self._refresh()
            if self._next(rater) != trial:
                raise Superseded("this one is answered by now")
            self._log.append(record | {"ms": min(max(ms, 0), MAX_MS)})
            self._refresh()
            return self._state(rater)

    def undo(self, rater: int, trial: int) -> dict[str, Any]:
        """Take back the answer to `trial`, the last one given -> the state. Superseded where it is not."""
        with self._lock:
            self._refresh()
            if not self._held[rater] or next(reversed(self._held[rater])) != trial:
                raise Superseded("this is not the last answer by now")
            self._log.append({"rater": rater, "trial": trial, "answer": None})
            self._refresh()
            return self._state(rater)

    def picture(self, rater: int, trial: int, side: int) -> bytes:
        """The PNG of a trial, left (0) or right (1). UsageError where it is not its turn yet."""
        with self._lock:
            first, after = self._ahead(rater)
        pictures = self.study.trials(rater)[trial] if trial in (first, after) and trial is not None else []
        if not 0 <= side < len(pictures):
            raise UsageError("this picture is not to be seen now")
        return self.study.picture(pictures[side])

    def _state(self, rater: int) -> dict[str, Any]:
        trial, after = self._ahead(rater)
        held = self._held[rater]
        return {
            "kind": self.study.kind,
            "limit": self.study.limit,
            "total": len(self.study.trials(rater)),
            "done": len(held),
            "trial": trial,
            "after": after,
            "seen": trial in self._seen[rater],
            "last": next(reversed(held), None),
        }

    def _ahead(self, rater: int) -> tuple[int | None, int | None]:
        open_trials = (t for t in range(len(self.study.trials(rater))) if t not in self._held[rater])
        return next(open_trials, None), next(open_trials, None)

    def _next(self, rater: int) -> int | None:
        return self._ahead(rater)[0]

    def _refresh(self) -> None:
        for line in self._log.new_lines():
            try:
                record = json.loads(line)
                rater, trial, answer = record["rater"], record["trial"], record["answer"]
                if type(rater) is not int or rater not in range(len(self._held)):
                    raise UsageError("no rater")
                if type(trial) is not int or trial not in range(len(self.study.trials(rater))):
                    raise UsageError("no trial")
                record["answer"] = answer if answer is None else checked(self.study.kind, answer)
            except (ValueError, TypeError, KeyError, RecursionError, UserError):
                self.lost += bool(line.strip())
                continue
            self._held[rater].pop(trial, None)
            if answer is not None:
                self._held[rater][trial] = record
                self._seen[rater].add(trial)


def checked(kind: str, answer: Any) -> Any:
    """The answer as it is kept. UsageError where it is none of that kind of study."""
    if kind != "flags":
        if isinstance(answer, bool) or answer not in CHOICES[kind]:
            raise UsageError(f"an answer is one of {', '.join(map(str, CHOICES[kind]))}")
        return CHOICES[kind][CHOICES[kind].index(answer)]  # 2.0 is kept as 2
    flags, note = (answer.get("flags"), answer.get("note", "")) if isinstance(answer, dict) else (None, "")
    if not isinstance(flags, list) or not all(flag in FLAGS for flag in flags):
        raise UsageError(f"flags are a list of {', '.join(FLAGS)}")
    if not isinstance(note, str) or len(note) > LONGEST or not note.isprintable():
        raise UsageError(f"a note has at most {LONGEST} characters, all on one line")
    return {"flags": [flag for flag in FLAGS if flag in flags], "note": note.strip()}


def is_right(kind: str, pictures: list[dict[str, Any]], answer: Any) -> bool:
    """Whether an answer to a catch trial is what everybody would say. pictures: from left to right."""
    if kind == "pairs":
        return answer == ("right" if pictures[0]["spoiled"] else "left")
    if kind == "quality":
        return answer <= 2
    return answer == "fake" if kind == "real-or-fake" else bool(answer["flags"])

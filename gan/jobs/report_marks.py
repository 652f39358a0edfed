"""What happened to a run and when: marks on every chart of `gan report`, and their list."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gan.jobs.charts import Mark, number, spread
from gan.jobs.report_files import Record, RunFiles

MOST = 40  # of a run
TONES = {"collapsed": "bad", "diverged": "bad", "drifting": "warn"}  # of states of health
BEGAN = re.compile(r"\d+ images, .*, from (\d+(?:\.\d+)?) kimg$")  # the line with which each session begins
TICK = re.compile(r"kimg (\d+(?:\.\d+)?)/")
LEAKED = "share of fakes that look augmented"


def marks(run: RunFiles, several: bool = False) -> list[Mark]:
    """Changes of health, phases, resumes, non-finite steps and what augmentation did, by kimg.

    At most MOST, the serious ones first. several: whether the page has other runs.
    """
    found = [
        *_health(run.events),
        *_phases(run.phases),
        *_steps(run.stats),
        *_augmentation(run),
        *_log(run.log),
    ]
    found = [mark for mark in found if number(mark.kimg)]
    serious = [mark for mark in found if mark.tone != "plain"]
    rest = [mark for mark in found if mark.tone == "plain"]
    kept = spread(serious, MOST)
    kept += spread(rest, MOST - len(kept)) if MOST - len(kept) > 1 else []
    name = run.name if several else ""
    return sorted((Mark(kimg=m.kimg, what=m.what, tone=m.tone, run=name) for m in kept), key=lambda m: m.kimg)


def _health(events: Sequence[Record]) -> Iterator[Mark]:
    for event in events:
        state = str(event.get("state") or "")
        parts = [str(event[key]) for key in ("reason", "action") if event.get(key) not in (None, "", "none")]
        yield Mark(
            kimg=event.get("kimg", math.nan), what=": ".join([state, *parts]), tone=TONES.get(state, "plain")
        )


def _phases(phases: Sequence[Record] | str) -> Iterator[Mark]:
    for place, phase in enumerate(phases if isinstance(phases, list) else [], 2):
        if isinstance(phase, Mapping):
            yield Mark(kimg=phase.get("kimg", math.nan), what=f"phase {place}: {', '.join(changes(phase))}")


def changes(phase: Mapping[str, Any]) -> list[str]:
    """'batch 4 -> 8' of each change of a phase."""
    found = phase.get("changes")
    return [
        f"{change.get('field')} {change.get('old')} -> {change.get('new')}"
        for change in (found if isinstance(found, list) else [])
        if isinstance(change, Mapping)
    ]


def _steps(stats: Sequence[Record]) -> Iterator[Mark]:
    for record in stats:
        count = record.get("nonfinite_steps")
        if number(count) and count > 0:
            what = f"{count:g} step{'s' * (count != 1)} with numbers that are not finite"
            yield Mark(kimg=record.get("kimg", math.nan), what=what, tone="warn")


def _augmentation(run: RunFiles) -> Iterator[Mark]:
    """When it began, and when its probability reached the largest that is allowed."""
    known = [record for record in run.stats if number(record.get("augment/p")) and number(record.get("kimg"))]
    settings = run.config.get("augment")
    most = settings.get("max") if isinstance(settings, Mapping) else None
    if known and (first := next((r for r in known if r["augment/p"] > 0), None)):
        yield Mark(kimg=first["kimg"], what="augmentation begins")
    if number(most) and (full := next((r for r in known if r["augment/p"] >= most > 0), None)):
        yield Mark(kimg=full["kimg"], what=f"augmentation at its largest probability, {most:g}", tone="warn")


def _log(lines: Sequence[str]) -> Iterator[Mark]:
    """Sessions after the first, and leaks of the augmentation, at the tick that was told last."""
    kimg, sessions = 0.0, 0
    for line in lines:
        if tick := TICK.match(line):
            kimg = float(tick[1])
        elif begun := BEGAN.search(line):
            sessions += 1
            if sessions > 1:
                yield Mark(kimg=float(begun[1]), what="resumed")
        elif LEAKED in line:
            yield Mark(kimg=kimg, what=line.strip(), tone="warn")

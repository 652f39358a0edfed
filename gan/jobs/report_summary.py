"""The first lines of the page of `gan report`: what was trained on what, how far, how long, and how well."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath
from typing import Any

from gan import shapes
from gan.jobs import report_scores
from gan.jobs.charts import number
from gan.jobs.report_curves import pace
from gan.jobs.report_files import RunFiles

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Fact:
    """state: of health, where the fact is one."""

    name: str
    value: str
    remark: str = ""
    state: str = ""


def summary(run: RunFiles) -> list[Fact]:
    """The facts that are known."""
    stats, scores = run.stats, report_scores.distinct(run.scores)
    last, found = (stats[-1] if stats else {}), report_scores.best(scores)
    memory = f"{last['memory_gib']:.3g} GiB" if number(last.get("memory_gib")) else ""
    facts = [
        Fact("Preset", str(run.config.get("preset") or "none")),
        _data(run.config, run.data),
        Fact("Resolution", _resolution(run.config)),
        _progress(run.config, last),
        _time(last, stats),
        Fact("Best score", *(report_scores.told(*found) if found else ("none yet",))),
        _health(last, run.events),
        Fact("Peak memory", memory),
        Fact("Report made", f"{datetime.now().astimezone():%Y-%m-%d %H:%M %Z}"),
    ]
    return [fact for fact in facts if fact.value]


def duration(seconds: float) -> str:
    """8.4 -> '8.4 s', 65 -> '1 min 5 s', 3700 -> '1 h 1 min'."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60:,} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"


def _data(config: Record, data: Record) -> Fact:
    path = config["data"].get("path") if isinstance(config.get("data"), Mapping) else None
    name = data.get("name") or (PurePath(str(path)).stem if path else "unknown")
    images = data.get("images")
    count = f"{images:,} images" if isinstance(images, int) else "number of images not recorded"
    return Fact("Data set", str(name), count)


def _resolution(config: Record) -> str:
    """Columns x rows of the images, as sizes of pictures are told; "" where the settings do not tell."""
    network = config.get("generator")
    if not isinstance(network, Mapping):
        return ""
    level, base = network.get("resolution"), network.get("base", [4, 4])
    if not isinstance(level, int) or not isinstance(base, Sequence) or [type(n) for n in base] != [int, int]:
        return ""
    rows, columns = shapes.size_at((base[0], base[1]), level)
    return f"{columns} × {rows} pixels"


def _progress(config: Record, last: Record) -> Fact:
    kimg, goal = last.get("kimg"), config.get("kimg")
    if not number(kimg):
        return Fact("Images shown", "no tick yet")
    part = f" of {goal:g}" if number(goal) else ""
    return Fact("Images shown", f"{kimg:g}{part} kimg", "1 kimg: a thousand real images")


def _time(last: Record, stats: Sequence[Record]) -> Fact:
    if not number(last.get("seconds")):
        return Fact("Training time", "")
    found = pace(stats)
    more = f"{found:.3g} s per thousand images, median of the ticks" if found else ""
    return Fact("Training time", duration(last["seconds"]), more)


def _health(last: Record, events: Sequence[Record]) -> Fact:
    """The state after the last tick, with the reason that the last event gave for it."""
    state = last.get("health")
    if not state:
        return Fact("Health", "not judged yet")
    reason = events[-1].get("reason") if events and events[-1].get("state") == state else None
    return Fact("Health", str(state), str(reason or ""), str(state))

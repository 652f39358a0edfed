"""The first lines of the page of `gan report`: what was trained on what, how far, how long, and how well."""

import statistics
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import PurePath
from typing import Any

from gan import shapes
from gan.jobs import report_scores
from gan.jobs.charts import number
from gan.jobs.report_parts import text

Record = Mapping[str, Any]


def summary(
    config: Record, data: Record, stats: Sequence[Record], events: Sequence[Record], scores: Sequence[Record]
) -> str:
    """HTML of the facts that are known.

    config: of config.yaml.  data: what the newest checkpoint tells of the data set.  stats, events, scores:
    records of stats.jsonl, health.jsonl and metrics.jsonl, oldest first.
    """
    last, found = (stats[-1] if stats else {}), report_scores.best(scores)
    facts = {
        "Preset": text(config.get("preset") or "none"),
        "Data set": _data(config, data),
        "Resolution": _resolution(config),
        "Images shown": _progress(config, last),
        "Training time": _time(last, stats),
        "Best score": report_scores.told(*found) if found else "none yet",
        "Health": _health(last, events),
        "Peak memory": f"{last['memory_gib']:.3g} GiB" if number(last.get("memory_gib")) else "",
        "Report made": f"{datetime.now().astimezone():%Y-%m-%d %H:%M %Z}",
    }
    items = "".join(f"<div><dt>{name}</dt><dd>{fact}</dd></div>" for name, fact in facts.items() if fact)
    return f'<dl class="summary">{items}</dl>'


def duration(seconds: float) -> str:
    """8.4 -> '8.4 s', 65 -> '1 min 5 s', 3700 -> '1 h 1 min'."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60:,} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"


def pace(stats: Sequence[Record]) -> float | None:
    """Median over the ticks of the seconds that thousand images took; None where none was measured."""
    found = [record["sec_per_kimg"] for record in stats if number(record.get("sec_per_kimg"))]
    return statistics.median(found) if found else None


def _data(config: Record, data: Record) -> str:
    path = config["data"].get("path") if isinstance(config.get("data"), Mapping) else None
    name = data.get("name") or (PurePath(str(path)).stem if path else "unknown")
    images = data.get("images")
    count = f"{images:,} images" if isinstance(images, int) else "number of images not recorded"
    return f"{text(name)}<small>{count}</small>"


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


def _progress(config: Record, last: Record) -> str:
    kimg, goal = last.get("kimg"), config.get("kimg")
    if not number(kimg):
        return "no tick yet"
    part = f" of {goal:g}" if number(goal) else ""
    return f"{kimg:g}{part} kimg<small>1 kimg: a thousand real images</small>"


def _time(last: Record, stats: Sequence[Record]) -> str:
    if not number(last.get("seconds")):
        return ""
    found = pace(stats)
    more = f"<small>{found:.3g} s per thousand images, median of the ticks</small>" if found else ""
    return f"{duration(last['seconds'])}{more}"


def _health(last: Record, events: Sequence[Record]) -> str:
    """The state after the last tick, with the reason that the last event gave for it."""
    state = last.get("health")
    if not state:
        return "not judged yet"
    reason = events[-1].get("reason") if events and events[-1].get("state") == state else None
    more = f"<small>{text(reason)}</small>" if reason else ""
    return f'<span class="{text(state)}">{text(state)}</span>{more}'

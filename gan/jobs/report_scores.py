"""Scores on the page of `gan report`: which are one curve, which is the best, and their table."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gan.jobs.charts import Chart, Curve, Mark, chart, number, plain
from gan.models.seen import MARK

Record = dict[str, Any]
# Values of one curve agree in all of these: others do not compare.
COMPARABLE = ("label", "metric", "convention", "num_fake", "num_real", "data_sha256", "detector_sha256")
SHA = 8  # characters shown of the fingerprint of data
OTHERS = {"precision": "pr", "recall": "pr", "density": "dc", "coverage": "dc"}  # metrics by other names


def distinct(records: Iterable[Record]) -> list[Record]:
    """Equal records once, in the order of their first."""
    return list({json.dumps(record, sort_keys=True): record for record in records}.values())


def curves(records: Sequence[Record]) -> list[list[Record]]:
    """Records of each set that compares, by kimg; those without a kimg or a finite value are in none."""
    found: dict[str, list[Record]] = {}
    for record in records:
        if number(record.get("kimg")) and number(record.get("value")):
            found.setdefault(_set(record), []).append(record)
    return [sorted(rows, key=lambda record: record["kimg"]) for rows in found.values()]


def best(records: Sequence[Record]) -> tuple[Record, str] | None:
    """The best of the longest curve whose metric has a better direction, "lower" or "higher".

    None if there is no such curve; the first of several as long. Scores on features that D saw are left out.
    """
    honest = [record for record in records if not record.get("seen_by_d")]
    rated = [(rows, way) for rows in curves(honest) if (way := better(str(rows[0].get("metric"))))]
    if not rated:
        return None
    rows, way = max(rated, key=lambda pair: len(pair[0]))
    pick = min if way == "lower" else max
    return pick(rows, key=lambda record: record["value"]), way


def better(metric: str) -> str:
    """ "lower" or "higher"; "" for a diagnosis, a score of reals, and what is not in METRICS."""
    from metrics.catalogue import METRICS

    function = METRICS.get(OTHERS.get(metric, metric))
    return function.spec.better if function else ""


def charts(records: Mapping[str, Sequence[Record]], marks: Sequence[Mark]) -> list[Chart]:
    """One chart for each set that compares, with the intervals that are known.

    records: of each run, by its name, which stands in the legend where there are several.
    """
    found: dict[str, list[tuple[str, list[Record]]]] = {}
    for run, rows in records.items():
        for curve in curves(rows):
            found.setdefault(_set(curve[0]), []).append((run if len(records) > 1 else "", curve))
    made = [chart(_title(e[0][1][0]), [_curve(*one) for one in e], marks, False) for e in found.values()]
    return [one for one in made if one]


def rows(records: Mapping[str, Sequence[Record]]) -> list[dict[str, Any]]:
    """One row per record; what tells one from another is beside the value."""
    flattered = any(record.get("seen_by_d") for each in records.values() for record in each)
    sure = any(_interval(record) for each in records.values() for record in each)
    return [
        {
            **({"run": run} if len(records) > 1 else {}),
            "kimg": record.get("kimg"),
            "score": record.get("label") or record.get("metric"),
            "value": record.get("value"),
            **({"95 % interval": shown_interval(record)} if sure else {}),
            "convention": record.get("convention"),
            "fakes": record.get("num_fake"),
            "real images": record.get("num_real"),
            "data": _short(record),
            **({"features": MARK if record.get("seen_by_d") else ""} if flattered else {}),
        }
        for run, each in records.items()
        for record in each
    ]


def side_by_side(records: Mapping[str, Sequence[Record]]) -> list[dict[str, Any]]:
    """One row for each set that compares, with each run's best value, or its last without a direction."""
    found: dict[str, dict[str, Any]] = {}
    for run, each in records.items():
        for curve in curves(each):
            way = better(str(curve[0].get("metric")))
            pick = {"lower": min, "higher": max}.get(way)
            record = pick(curve, key=lambda r: r["value"]) if pick else curve[-1]
            told_once = {"score": _title(curve[0]), "better": way or "no direction"}
            row = found.setdefault(_set(curve[0]), told_once)
            interval = shown_interval(record)
            row[run] = (
                f"{record['value']:.5g}{f' ({interval})' if interval else ''} at {record['kimg']:g} kimg"
            )
    return [{**dict.fromkeys(("score", "better", *records), ""), **row} for row in found.values()]


def shown_interval(record: Record) -> str:
    """'3.1 to 3.4', or "" where the record has no interval."""
    ends = _interval(record)
    return f"{plain(ends[0], 4)} to {plain(ends[1], 4)}" if ends else ""


def told(record: Record, way: str) -> tuple[str, str]:
    """The best score: its value, and label, convention, kimg and direction."""
    label = record.get("label") or record.get("metric")
    parts = [str(label), str(record.get("convention") or ""), f"at {record['kimg']:g} kimg"]
    return f"{float(record['value']):.5g}", f"{', '.join(filter(None, parts))}; {way} is better"


def _curve(run: str, records: Sequence[Record]) -> Curve:
    label = str(records[0].get("metric"))
    points = [(record["kimg"], record["value"]) for record in records]
    ends = [_interval(record) for record in records]
    return Curve(name=label, run=run, points=points, intervals=ends if any(ends) else ())


def _interval(record: Record) -> tuple[float, float] | None:
    ends = record.get("interval")
    return tuple(ends) if isinstance(ends, list) and len(ends) == 2 and all(map(number, ends)) else None


def _set(record: Record) -> str:
    """The same for records that compare."""
    return repr([record.get(key) for key in COMPARABLE])


def _title(record: Record) -> str:
    label = record.get("label") or record.get("metric")
    parts = [str(label), str(record.get("convention") or "")]
    parts += [f"{record['num_fake']} fakes"] if record.get("num_fake") else []
    parts += [f"data {_short(record)}"] if _short(record) else []
    parts += [MARK] if record.get("seen_by_d") else []
    return ", ".join(part for part in parts if part)


def _short(record: Record) -> str:
    return str(record.get("data_sha256") or "")[:SHA]

"""Scores on the page of `gan report`: which are one curve, which is the best, and their table."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from gan.jobs.charts import chart, number
from gan.jobs.report_parts import table, text
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
            found.setdefault(repr([record.get(key) for key in COMPARABLE]), []).append(record)
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


def section(records: Sequence[Record]) -> str:
    """One chart for each curve, and one row per record; what tells one from another is beside the value."""
    if not records:
        return "<p>None: train with --metrics, or use gan evaluate.</p>"
    charts = [chart(_title(rows[0]), rows, {"last": "value"}) for rows in curves(records)]
    flattered = any(record.get("seen_by_d") for record in records)
    rows = [
        {
            "kimg": record.get("kimg"),
            "score": record.get("label") or record.get("metric"),
            "value": record.get("value"),
            "convention": record.get("convention"),
            "fakes": record.get("num_fake"),
            "real images": record.get("num_real"),
            "data": _short(record),
            **({"features": MARK if record.get("seen_by_d") else ""} if flattered else {}),
        }
        for record in records
    ]
    note = (
        '<p class="note">Only values of one score, convention, number of fakes and data compare: each has a'
        f" chart of its own. Data are named by the first {SHA} characters of their fingerprint."
    )
    note += f" {MARK}: on features that the discriminator saw, which flatters.</p>" if flattered else "</p>"
    return f'{note}<div class="charts">{"".join(charts)}</div>{table(rows, "Scores")}'


def told(record: Record, way: str) -> str:
    """HTML of the best score: value, label, and at how many kimg."""
    label = record.get("label") or record.get("metric")
    where = f"{text(label)}, at {record['kimg']:g} kimg; {way} is better"
    return f"{text(float(record['value']))}<small>{where}</small>"


def _title(record: Record) -> str:
    label = record.get("label") or record.get("metric")
    parts = [str(label), str(record.get("convention") or "")]
    parts += [f"{record['num_fake']} fakes"] if record.get("num_fake") else []
    parts += [f"data {_short(record)}"] if _short(record) else []
    parts += [MARK] if record.get("seen_by_d") else []
    return ", ".join(part for part in parts if part)


def _short(record: Record) -> str:
    return str(record.get("data_sha256") or "")[:SHA]

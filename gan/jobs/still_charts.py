"""Charts that stand still, for pages without scripts: histograms of two groups, and intervals."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gan.jobs.chart_library import drawing
from gan.jobs.charts import LOOK, plain

BARS = 28  # of a histogram at most
WIDE = 100  # largest over smallest value beyond which the scale is logarithmic
ROW, WIDTH = 48, 400  # pixels of an interval's row with its name
LABELS = 36  # pixels of a histogram's numbers at least, so that one beside another is as large


@dataclass(frozen=True, kw_only=True)
class Still:
    """A drawing.  label: what it shows, in words.  svg: "" where the words say it all."""

    title: str
    label: str
    svg: str
    note: str = ""


def histogram(title: str, kept: Sequence[float], left: Sequence[float]) -> Still | None:
    """Two groups of numbers, one on the other; None without any.

    title: with the unit.  left: of the files that are left out.
    """
    values = sorted([*kept, *left])
    if not values:
        return None
    low, high = values[0], values[-1]
    if low == high:
        return Still(title=title, label=f"all {plain(low, 3)}", svg="")
    middle = f"median {plain(statistics.median(values), 3)}"
    label = f"{title}: from {plain(low, 3)} to {plain(high, 3)}, {middle}"
    scale = {"type": "log"} if low > 0 and high / low > WIDE else {"type": "linear", "zero": False}
    rows = bars(kept, left, scale["type"] == "log")
    spec = {
        "width": 340,
        "height": 130,
        "background": None,
        "config": LOOK,
        "data": {"values": rows},
        "mark": {"type": "bar", "stroke": "var(--page)", "strokeWidth": 1},
        "encoding": {
            "x": {
                "field": "start",
                "type": "quantitative",
                "title": None,
                "scale": {**scale, "nice": False, "domain": [low, high]},
                "axis": {"tickCount": 5, "grid": False},
            },
            "x2": {"field": "end"},
            "y": {
                "field": "from",
                "type": "quantitative",
                "title": None,
                "axis": {"tickCount": 3, "minExtent": LABELS},
            },
            "y2": {"field": "to"},
            "color": {
                "field": "group",
                "scale": {"domain": ["kept", "left out"], "range": ["var(--c1)", "var(--c2)"]},
                "legend": None,
            },
        },
    }
    note = "logarithmic" if scale["type"] == "log" else ""
    return Still(title=title, label=label, svg=drawing(spec), note=note)


def bars(kept: Sequence[float], left: Sequence[float], logarithmic: bool) -> list[dict[str, Any]]:
    """How many values of each group lie in each of equal parts of the scale, `left` on top of `kept`.

    A row a bar: start and end along the scale, from and to in numbers of values, group.
    """
    values = [*kept, *left]
    place, back = (math.log, math.exp) if logarithmic else (float, float)
    start, end = place(min(values)), place(max(values))
    count = min(BARS, len(set(values)))
    edges = [back(start + (end - start) * i / count) for i in range(count + 1)]
    rows, below = [], [0] * count
    for name, group in (("kept", kept), ("left out", left)):
        found = [0] * count
        for value in group:
            share = (place(value) - start) / (end - start)
            found[min(int(share * count), count - 1)] += 1
        for index, height in enumerate(found):
            if height:
                bar = {"start": edges[index], "end": edges[index + 1], "from": below[index]}
                rows.append({**bar, "to": below[index] + height, "group": name})
        below = [a + b for a, b in zip(below, found, strict=True)]
    return rows


def intervals(rows: Sequence[Mapping[str, Any]], label: str, axis: Mapping[str, Any] | None = None) -> Still:
    """A dot and the ends of its interval a row, below their name: as narrow as a phone, so that all is read.

    rows: name, value, low, high (None where it is not known).  axis: of Vega-Lite; None for no scale.
    """
    row = {"y": {"field": "name", "type": "nominal", "sort": None, "axis": None}}

    def across(name: str) -> dict[str, Any]:
        scale = {"zero": False, **({"domain": [-1, 1]} if axis is None else {})}
        return {"field": name, "type": "quantitative", "title": None, "axis": axis, "scale": scale}

    layer: list[dict[str, Any]] = [
        {
            "mark": {
                "type": "text",
                "align": "left",
                "baseline": "bottom",
                "dy": -10,
                "limit": WIDTH,
                "fontSize": 12,
                "fill": "var(--text)",
            },
            "encoding": {**row, "x": {"value": 0}, "text": {"field": "name"}},
        },
        {
            "transform": [{"filter": "isValid(datum.low)"}],
            "mark": {"type": "rule", "strokeWidth": 2, "stroke": "var(--c1)"},
            "encoding": {**row, "x": across("low"), "x2": {"field": "high"}},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 80, "fill": "var(--c1)", "opacity": 1},
            "encoding": {**row, "x": across("value")},
        },
    ]
    if axis is None:  # the line of no difference
        middle = {"x": {"datum": 0, "type": "quantitative", "axis": None}}
        tick = {"type": "tick", "orient": "vertical", "size": 14, "thickness": 1, "color": "var(--muted)"}
        layer.insert(0, {"mark": tick, "encoding": {**row, **middle}})
    frame = {"width": WIDTH, "height": ROW * max(len(rows), 1), "background": None, "config": LOOK}
    return Still(
        title="", label=label, svg=drawing({**frame, "data": {"values": list(rows)}, "layer": layer})
    )

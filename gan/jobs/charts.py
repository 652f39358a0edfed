"""Curves of runs as Vega-Lite specifications, in the colours of the page that holds them.

A specification has no data: `Chart.curves` holds them in columns, and the page's script makes rows of them,
as they are or smoothed. Colours are the CSS variables of `gan.jobs.report_style`, so that light, dark and
print need no script.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from gan.jobs.report_style import CURVES, DASHES

POINTS = 400  # of a curve at most
TOGETHER = 800  # points of one curve in all runs of a chart
DOTS = 20  # points of a curve, up to which each is a dot
ROWS = 12  # of the table of numbers under a chart, for each run
HEIGHT, LINE = 240, 16  # pixels of a chart with a legend of one line, and of each line more
TONES = {"bad": "var(--bad)", "warn": "var(--warn)", "plain": "var(--muted)"}  # of marks
LOOK = {  # of every chart: what is no curve has the colours of the page's text
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--muted)",
        "titleColor": "var(--muted)",
        "titleFontWeight": "normal",
        "gridColor": "var(--rule)",
        "domainColor": "var(--muted)",
        "tickColor": "var(--muted)",
        "labelFontSize": 12,
        "titleFontSize": 12,
    },
    "legend": {
        "labelColor": "var(--text)",
        "labelFontSize": 12,
        "labelLimit": 320,
        "symbolType": "stroke",
        "symbolSize": 400,
        "symbolStrokeWidth": 2,
        "symbolOpacity": 1,
        "layout": {
            "top": {"direction": "vertical", "margin": 4}
        },  # that of runs, then that of what is measured
    },
}
WHEEL = "wheel![event.ctrlKey]"  # alone it scrolls the page
DRAG = "[mousedown, window:mouseup] > window:mousemove!"  # a finger scrolls the page
Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One curve of one run.

    name: what is measured.  run: "" where a chart has one run.  points: (kimg, value), by kimg.
    intervals: (low, high) of each point, or () where they are not known.
    """

    name: str
    run: str = ""
    points: Sequence[Point]
    intervals: Sequence[Point | None] = ()


@dataclass(frozen=True, kw_only=True)
class Mark:
    """What happened to a run at `kimg`.  tone: of TONES."""

    kimg: float
    what: str
    tone: str = "plain"
    run: str = ""


@dataclass(frozen=True, kw_only=True)
class Chart:
    """What a page needs of one chart.

    spec: Vega-Lite without data.  curves: columns kimg, value, low, high of each, with its name and run.
    smooth: whether the page may smooth them.  log: for x and y, the logarithmic scale that holds the values.
    columns, rows: a table of numbers, of `points` that the longest curve has.
    """

    title: str
    spec: Mapping[str, Any]
    curves: Sequence[Mapping[str, Any]]
    log: Mapping[str, Mapping[str, Any]]
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    points: int
    smooth: bool
    marks: Sequence[Mark] = field(default=())

    def data(self) -> dict[str, Any]:
        """What its script reads, as JSON has it."""
        marks = [{"kimg": m.kimg, "what": m.what, "tone": TONES[m.tone], "run": m.run} for m in self.marks]
        return {
            "spec": self.spec,
            "curves": self.curves,
            "log": self.log,
            "smooth": self.smooth,
            "marks": marks,
        }


def chart(
    title: str, curves: Sequence[Curve], marks: Sequence[Mark] = (), smooth: bool = True
) -> Chart | None:
    """Curves over kimg in one chart; None where none has a point.

    title: with the unit.  Curves of one run differ by colour and dashes; of several, colours are runs, and
    dashes what is measured. More of either than there are colours is a ValueError.
    """
    curves = [curve for curve in curves if curve.points]
    if not curves:
        return None
    names = list(dict.fromkeys(curve.name for curve in curves))
    runs = [run for run in dict.fromkeys(curve.run for curve in curves) if run]
    if max(len(names), len(runs)) > len(CURVES):
        raise ValueError(f"{title}: at most {len(CURVES)} curves, and runs, have colours of their own")
    columns, rows = _numbers(curves, names, bool(runs))
    points = max(len(curve.points) for curve in curves)
    first, last = (pick(p[0] for c in curves for p in c.points) for pick in (min, max))
    return Chart(
        title=title,
        spec=_spec(title, names, runs, any(curve.intervals for curve in curves), points <= DOTS),
        curves=[_columns(curve, min(POINTS, TOGETHER // max(len(runs), 1))) for curve in curves],
        log={
            "x": _logarithmic([p[0] for c in curves for p in c.points]),
            "y": _logarithmic([p[1] for c in curves for p in c.points]),
        },
        columns=columns,
        rows=rows,
        points=points,
        smooth=smooth,
        marks=[mark for mark in marks if first <= mark.kimg <= last],
    )


def measured(records: Sequence[Mapping[str, Any]], key: str) -> list[Point]:
    """(kimg, value) of the records that have both as finite numbers."""
    return [(r["kimg"], r[key]) for r in records if number(r.get("kimg")) and number(r.get(key))]


def plain(value: float, digits: int) -> str:
    """A number of that many digits, without an exponent from 0.0001 to 999,999."""
    if 1000 <= abs(value) < 999_999.5:
        decimals = max(digits - len(str(int(abs(value)))), 0)
        return f"{value:,.{decimals}f}"
    return f"{value:.{digits}g}"


def number(value: Any) -> TypeGuard[float]:
    """Whether a value of a record is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def thinned(points: Sequence[Point], most: int) -> list[Point]:
    """At most so many points, each the mean of its neighbours."""
    size = math.ceil(len(points) / most)
    groups = [points[i : i + size] for i in range(0, len(points), max(size, 1))]
    return [tuple(sum(column) / len(group) for column in zip(*group, strict=True)) for group in groups]


def spread(items: Sequence[Any], most: int) -> list[Any]:
    """At most so many of them, evenly spaced, first and last included."""
    if len(items) <= most:
        return list(items)
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]


def _columns(curve: Curve, most: int) -> dict[str, Any]:
    points = thinned(curve.points, most)
    found: dict[str, Any] = {"name": curve.name, "run": curve.run}
    found |= {"kimg": [_short(p[0]) for p in points], "value": [_short(p[1]) for p in points]}
    if curve.intervals and len(points) == len(curve.points):
        found["low"], found["high"] = (
            [pair and _short(pair[end]) for pair in curve.intervals] for end in (0, 1)
        )
    return found


def _short(value: float) -> float:
    """Six digits: more than a screen can show."""
    return float(f"{value:.6g}")


def _logarithmic(values: Sequence[float]) -> dict[str, Any]:
    """The scale of Vega-Lite: linear around 0 below the smallest size of a value, where 0 or less occur."""
    if min(values) > 0:
        return {"type": "log"}
    return {"type": "symlog", "constant": min((abs(v) for v in values if v), default=1.0)}


def _numbers(
    curves: Sequence[Curve], names: Sequence[str], several: bool
) -> tuple[list[str], list[list[str]]]:
    """Heads and cells of a table: kimg and one column for each name, for some kimg of each run."""
    found: dict[str, dict[float, dict[str, float]]] = {}
    for curve in curves:
        for kimg, value in curve.points:
            found.setdefault(curve.run, {}).setdefault(kimg, {})[curve.name] = value
    rows = []
    for run, by_kimg in found.items():
        for kimg, values in spread(sorted(by_kimg.items()), ROWS):
            cells = [plain(values[name], 5) if name in values else "" for name in names]
            rows.append([*([run] if several else []), f"{kimg:g}", *cells])
    return [*(["run"] if several else []), "kimg", *names], rows


def _spec(
    title: str, names: Sequence[str], runs: Sequence[str], intervals: bool, dots: bool
) -> dict[str, Any]:
    """Marks, intervals, curves, the same as measured (faint, while smoothed), what the pointer is near."""
    y = {"field": "value", "type": "quantitative", "title": None, "scale": {"zero": False}}
    looks = _looks(names, runs)
    colour = {**looks["color"], "legend": None}  # of what is in the legend already
    raw = {"type": "line", "strokeWidth": 1, "opacity": 0.35, "clip": True}
    zoom = {"type": "interval", "zoom": WHEEL, "translate": DRAG}
    layers = [
        _marked(bool(runs)),
        {
            "data": {"name": "curves"},
            "params": [{"name": "zoom", "select": zoom, "bind": "scales"}],
            "mark": {"type": "line", "strokeWidth": 2, "clip": True},
            "encoding": {"y": y, **looks},
        },
        {
            "data": {"name": "raw"},
            "mark": raw,
            "encoding": {"y": y, **looks},
        },
        _pointed(y, colour, _told(bool(runs), intervals), dots),
    ]
    if intervals:
        ends = {"y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": looks["color"]}
        sure = {"filter": "isValid(datum.low)"}
        rule = {"type": "rule", "clip": True}
        layers.insert(1, {"data": {"name": "curves"}, "transform": [sure], "mark": rule, "encoding": ends})
    scale = {"zero": False, "nice": False}
    lines = len(runs) + (math.ceil(len(names) / 2) if len(names) > 1 else 0)
    return {
        "description": f"{title}, over thousands of images shown",
        "width": "container",
        "height": HEIGHT + LINE * max(lines - 1, 0),
        "autosize": {"type": "fit", "contains": "padding"},
        "background": None,
        "config": LOOK,
        "encoding": {"x": {"field": "kimg", "type": "quantitative", "title": "kimg", "scale": scale}},
        "layer": layers,
    }


def _marked(several: bool) -> dict[str, Any]:
    """A dotted line for each mark."""
    told = [{"field": "run", "title": "run"}] if several else []
    told += [{"field": "what", "title": "event"}, {"field": "kimg", "type": "quantitative"}]
    return {
        "data": {"name": "marks"},
        "mark": {"type": "rule", "strokeWidth": 2, "strokeDash": [2, 3], "clip": True},
        "encoding": {"stroke": {"field": "tone", "type": "nominal", "scale": None}, "tooltip": told},
    }


def _pointed(y: Mapping[str, Any], colour: Any, told: Sequence[Any], dots: bool) -> dict[str, Any]:
    """A dot at what the pointer is nearest to, with its values; all are there where they are few."""
    hover = {"type": "point", "on": "pointermove", "nearest": True, "clear": "pointerout"}
    near = {"condition": {"param": "hover", "empty": False, "value": 1}, "value": 1 if dots else 0}
    return {
        "data": {"name": "curves"},
        "params": [{"name": "hover", "select": hover}],
        "mark": {"type": "point", "filled": True, "size": 50, "clip": True},
        "encoding": {"y": y, "fill": colour, "opacity": near, "tooltip": told},
    }


def _looks(names: Sequence[str], runs: Sequence[str]) -> dict[str, Any]:
    """Colours and dashes: by name and both alike, or where there are runs, colours of runs."""
    dashes = [DASHES[place] for place in CURVES]
    legend = {"title": None, "orient": "top"}
    colours = [f"var(--{place})" for place in CURVES]
    who = ("run", runs) if runs else ("name", names)
    several = max(len(names), len(runs)) > 1

    def scale(field_name: str, values: Sequence[str], found: Sequence[Any]) -> dict[str, Any]:
        limits = {"domain": list(values), "range": list(found[: len(values)])}
        columns = 1 if field_name == "run" else 2
        shown = {"legend": {**legend, "columns": columns} if several else None}
        return {"field": field_name, "type": "nominal", "scale": limits, **shown}

    dashed = scale("name", names, dashes)
    if runs and len(names) == 1:
        dashed["legend"] = None
    return {"color": scale(*who, colours), "strokeDash": dashed}


def _told(several: bool, intervals: bool) -> list[dict[str, Any]]:
    """What the pointer reads of a point, as measured."""
    numbers = ["kimg", "raw", *(["low", "high"] if intervals else [])]
    titles = {"raw": "value", "low": "95 % from", "high": "to", "name": "curve"}
    words = ["run", "name"] if several else ["name"]
    texts = [{"field": key, "type": "nominal", "title": titles.get(key, key)} for key in words]
    return texts + [
        {"field": key, "type": "quantitative", "title": titles.get(key, key), "format": ".5~g"}
        for key in numbers
    ]

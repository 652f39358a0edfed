"""Curves get the colours, scales, numbers and marks that they should, however many points they have."""

import json

import pytest

from gan.jobs.charts import POINTS, ROWS, Curve, Mark, chart, measured, plain, spread, thinned
from gan.jobs.report_curves import CHARTS

UP = [(k, 2.0 * k) for k in range(5)]


def layer(made, data, mark="line"):
    """Layers of a chart that draw those data with that mark."""
    kinds = [
        (one, one["mark"] if isinstance(one["mark"], str) else one["mark"]["type"])
        for one in made.spec["layer"]
    ]
    return [one for one, kind in kinds if one["data"]["name"] == data and kind == mark]


def test_one_run_has_a_colour_and_dashes_a_curve():
    made = chart(
        "A", [Curve(name="up", points=UP), Curve(name="none", points=[]), Curve(name="b", points=UP)]
    )
    assert [curve["name"] for curve in made.curves] == ["up", "b"]
    assert made.curves[0] == {"name": "up", "run": "", "kimg": [0, 1, 2, 3, 4], "value": [0, 2, 4, 6, 8]}
    [line] = layer(made, "curves")
    for channel, wanted in (("color", ["var(--c1)", "var(--c2)"]), ("strokeDash", [[1, 0], [7, 3]])):
        found = line["encoding"][channel]
        assert found["field"] == "name" and found["scale"] == {"domain": ["up", "b"], "range": wanted}
    assert chart("A", [Curve(name="none", points=[])]) is None


def test_of_several_runs_colours_are_runs_and_dashes_curves():
    curves = [Curve(name=name, run=run, points=UP) for run in ("x", "y") for name in ("g", "d")]
    [line] = layer(chart("A", curves), "curves")
    assert line["encoding"]["color"]["scale"]["domain"] == ["x", "y"]
    assert line["encoding"]["strokeDash"]["scale"]["domain"] == ["g", "d"]
    with pytest.raises(ValueError, match="at most 5 curves, and runs"):
        chart("A", [Curve(name="g", run=str(n), points=UP) for n in range(6)])


def test_many_points_are_means_of_their_neighbours():
    many = [(k, float(k % 2)) for k in range(3 * POINTS)]
    made = chart("A", [Curve(name="a", points=many)])
    assert len(made.curves[0]["value"]) == POINTS and set(made.curves[0]["value"]) <= {0.333333, 0.666667}
    together = chart("A", [Curve(name="a", run=str(n), points=many) for n in range(5)])
    assert len(together.curves[0]["value"]) == 150
    assert thinned(UP, 2) == [(1, 2), (3.5, 7)]


def test_numbers_under_a_chart_are_as_measured_and_few():
    many = [(float(k), 1 / 3) for k in range(100)]
    made = chart("A", [Curve(name="a", points=many), Curve(name="b", points=[(0.0, 7.0)])])
    assert made.columns == ["kimg", "a", "b"] and len(made.rows) == ROWS and made.points == 100
    assert made.rows[0] == ["0", "0.33333", "7"] and made.rows[-1] == ["99", "0.33333", ""]
    both = chart("A", [Curve(name="a", run=run, points=many) for run in ("x", "y")])
    assert both.columns == ["run", "kimg", "a"] and len(both.rows) == 2 * ROWS


def test_logarithmic_scales_hold_what_there_is():
    positive = chart("A", [Curve(name="a", points=[(1, 0.5), (2, 3.0)])])
    assert positive.log == {"x": {"type": "log"}, "y": {"type": "log"}}
    signed = chart("A", [Curve(name="a", points=[(0, -0.5), (2, 3.0)])])
    assert signed.log["x"] == {"type": "symlog", "constant": 2}
    assert signed.log["y"] == {"type": "symlog", "constant": 0.5}
    assert chart("A", [Curve(name="a", points=[(0, 0.0)])]).log["y"] == {"type": "symlog", "constant": 1}


def test_marks_are_those_within_the_curves():
    happened = [Mark(kimg=k, what="resumed") for k in (2, 9)]
    made = chart("A", [Curve(name="a", points=UP)], happened)
    assert made.data()["marks"] == [{"kimg": 2, "what": "resumed", "tone": "var(--muted)", "run": ""}]
    assert len(layer(made, "marks", "rule")) == 1


def test_intervals_are_drawn_where_they_are_known():
    made = chart("A", [Curve(name="a", points=UP[:2], intervals=[(-1.0, 1.0), None])])
    assert made.curves[0]["low"] == [-1, None] and made.curves[0]["high"] == [1, None]
    [rule] = layer(made, "curves", "rule")
    assert rule["encoding"]["y"]["field"] == "low" and rule["encoding"]["y2"]["field"] == "high"
    assert layer(chart("A", [Curve(name="a", points=UP)]), "curves", "rule") == []


def test_few_points_are_dots_and_many_are_seen_at_the_pointer():
    for count, opacity in ((20, 1), (21, 0)):
        made = chart("A", [Curve(name="a", points=[(k, 1.0) for k in range(count)])])
        assert layer(made, "curves", "point")[0]["encoding"]["opacity"]["value"] == opacity


def test_only_finite_numbers_are_measured():
    records = [{"kimg": k, "a": value} for k, value in enumerate((1.0, None, float("nan"), "x", True, 2))]
    assert measured([*records, {"a": 1}], "a") == [(0, 1.0), (5, 2)]


def test_numbers_are_plain():
    assert [plain(v, 3) for v in (0, 0.5, -12.345, 1396.74, 250_000, 2.5e6)] == [
        *("0", "0.5", "-12.3", "1,397", "250,000", "2.5e+06"),
    ]
    assert spread(range(34), 12) == [3 * k for k in range(12)] and spread([1, 2], 12) == [1, 2]


def test_a_page_can_hold_it_as_json():
    json.dumps(chart("<a>", [Curve(name="</script>", points=UP)]).data(), allow_nan=False)


def test_no_chart_has_more_curves_than_there_are_colours():
    assert max(len(named) for _, named in CHARTS) <= 5
    assert all("/" not in name and "_" not in name for _, named in CHARTS for name in named)

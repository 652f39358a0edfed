"""The library that draws charts: as scripts, as still drawings, and where it is missing."""

import re
import sys

import pytest

from gan.errors import UserError
from gan.jobs import chart_library
from gan.jobs.charts import Curve, chart
from gan.jobs.still_charts import intervals

altair = pytest.importorskip("vl_convert", reason="the extra report is not installed")


def test_scripts_are_bundled_once_and_end_no_element(own_cache, monkeypatch):
    chart_library.scripts.cache_clear()
    try:
        found = chart_library.scripts()
        assert "window.vegaEmbed" in found and "</script" not in found and 500_000 < len(found) < 1_100_000
        chart_library.scripts.cache_clear()
        monkeypatch.setattr("vl_convert.javascript_bundle", lambda *a, **k: pytest.fail("bundled again"))
        assert chart_library.scripts() == found
    finally:
        chart_library.scripts.cache_clear()


def test_it_is_named_where_it_is_missing(monkeypatch):
    chart_library.scripts.cache_clear()
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    for call in (chart_library.scripts, lambda: chart_library.drawing({})):
        with pytest.raises(UserError, match=r'charts need the package vl-convert-python; .*"\.\[report\]"'):
            call()


def test_a_specification_is_drawn_in_the_colours_of_the_page():
    made = chart("<b>", [Curve(name="<up>", points=[(0, 1.0), (1, 2.0)]), Curve(name="b", points=[(0, 3.0)])])
    rows = [
        {"kimg": k, "value": v, "raw": v, "name": n}
        for k, v, n in ((0, 1, "<up>"), (1, 2, "<up>"), (0, 3, "b"))
    ]
    data = {"curves": rows, "raw": [], "marks": [{"kimg": 1, "what": "x", "tone": "var(--bad)"}]}
    svg = chart_library.drawing({**made.spec, "width": 300, "datasets": data})
    assert all(f'"var(--{name})"' in svg for name in ("c1", "c2", "bad", "muted", "rule"))
    assert "&lt;up&gt;" in svg and "<up>" not in svg and not re.search(r"#[0-9a-f]{3,6}\b", svg)


def test_intervals_lie_where_their_numbers_do():
    rows = [
        {"name": "a", "low": 1.0, "value": 2.0, "high": 3.0},
        {"name": "b", "low": None, "value": 1.0, "high": None},
    ]
    drawn = intervals(rows, "Intervals", {"tickCount": 5})
    assert (
        drawn.svg.count('aria-roledescription="point"') == 2
        and drawn.svg.count('aria-roledescription="rule mark"') == 1
    )
    scaled = intervals([{"name": "a", "low": -1.0, "value": 0.0, "high": 0.5}], "Intervals")
    assert "<svg" in scaled.svg and "var(--c1)" in scaled.svg

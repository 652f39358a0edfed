"""Curves go where they should, however many points they have."""

import re

from gan.jobs.charts import POINTS, chart


def points(svg):
    found = re.search(r'points="([^"]*)"', svg).group(1)
    return [tuple(map(float, pair.split(","))) for pair in found.split()]


def test_a_straight_line_goes_from_corner_to_corner():
    line = points(chart("A", [{"kimg": k, "a": 2 * k, "b": None} for k in range(5)], ("a", "b")))
    assert line[0] == (56, 196) and line[-1] == (432, 8) and line[2] == (244, 102)


def test_curves_of_one_point_of_many_and_of_none():
    assert "<circle" in chart("A", [{"kimg": 1, "a": 3.0}], ("a",))
    many = [{"kimg": k, "a": k % 2} for k in range(3 * POINTS)]
    assert len(points(chart("A", many, ("a",)))) == POINTS
    assert chart("A", [{"kimg": 1, "a": None}, {"kimg": 2, "a": float("nan")}], ("a",)) == ""

"""Curves go where they should, however many points they have, and every label of a scale has room."""

import re

import pytest

from gan.jobs.charts import CHARTS, DIGIT, POINTS, chart, plain, scale


def points(svg):
    found = re.search(r'points="([^"]*)"', svg).group(1)
    return [tuple(map(float, pair.split(","))) for pair in found.split()]


def test_a_straight_line_goes_from_corner_to_corner():
    svg = chart("A", [{"kimg": k, "a": 2 * k, "b": None} for k in range(5)], {"up": "a", "none": "b"})
    assert points(svg) == [(17, 194), (110.8, 147.5), (204.5, 101), (298.2, 54.5), (392, 8)]
    assert "up 8" in svg and "none" not in svg


def test_curves_of_one_point_of_many_and_of_none():
    assert "<circle" in chart("A", [{"kimg": 1, "a": 3.0}], {"a": "a"})
    many = [{"kimg": k, "a": k % 2} for k in range(3 * POINTS)]
    svg = chart("A", many, {"a": "a"}, told=max)
    assert len(points(svg)) == POINTS and "a 1<" in svg  # of the values, not of their means
    assert chart("A", [{"kimg": 1, "a": None}, {"kimg": 2, "a": float("nan")}], {"a": "a"}) == ""


@pytest.mark.parametrize(
    "values", [(0, 1), (-1396.738, -1396.741), (-1.23e-12, 4e-11), (1e30, -3e31), (5, 5)]
)
def test_no_label_is_cut_off(values):
    svg = chart("A", [{"kimg": k, "a": value} for k, value in enumerate(values)], {"a": "a"})
    labels = re.findall(r'<text x="([-\d.]+)" y="([-\d.]+)" text-anchor="end">([^<]+)<', svg)
    assert len(labels) == 4
    for x, y, label in labels:
        assert float(x) - DIGIT * len(label) >= 0 and 10 <= float(y) <= 216, label
    assert len({label for _, _, label in labels[:3]}) == 3  # labels of one scale differ


def test_numbers_of_scales_are_plain():
    assert [plain(v, 3) for v in (0, 0.5, -12.345, 1396.74, 250_000, 2.5e6)] == [
        *("0", "0.5", "-12.3", "1,397", "250,000", "2.5e+06"),
    ]
    assert scale((1396.5, 1396.75, 1397)) == ["1,396.5", "1,396.8", "1,397.0"]


def test_titles_and_names_are_escaped():
    svg = chart("<a>", [{"kimg": 1, "a": 3.0}], {'"&<b>': "a"})
    assert "<a>" not in svg and "&lt;a&gt;" in svg and "&quot;&amp;&lt;b&gt;" in svg


def test_no_chart_has_more_curves_than_there_are_colours():
    assert max(len(named) for _, named in CHARTS) <= 5
    assert all("/" not in name and "_" not in name for _, named in CHARTS for name in named)

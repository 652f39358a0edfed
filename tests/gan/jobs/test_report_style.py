"""Colours of the report, computed: contrast in light and dark, and curves told apart by every eye."""

import re
from itertools import combinations

import pytest

from gan.jobs.report_sheet import FOLDER
from gan.jobs.report_style import CURVES, DARK, DASHES, LIGHT, STYLE

TEXTS = ("text", "muted", "link", "bad", "warn", "good")
# Linear RGB as seen without one kind of cones (Machado et al. 2009, table 1, severity 1).
EYES = {
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no red": (
        *((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    ),
    "no green": (
        *((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    ),
    "no blue": (
        *((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
    ),
}


def linear(colour):
    """'#rrggbb' -> linear RGB of 0 to 1."""
    values = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]


def luminance(rgb):
    return 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]


def contrast(one, other):
    """The ratio of WCAG 2.2, 1 to 21."""
    low, high = sorted(luminance(linear(colour)) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def seen(colour, eye):
    """CIE Lab of a colour as an eye has it."""
    rgb = [min(max(sum(a * b for a, b in zip(row, linear(colour), strict=True)), 0), 1) for row in EYES[eye]]
    xyz = (
        (0.4124 * rgb[0] + 0.3576 * rgb[1] + 0.1805 * rgb[2]) / 0.9505,
        luminance(rgb),
        (0.0193 * rgb[0] + 0.1192 * rgb[1] + 0.9505 * rgb[2]) / 1.089,
    )
    x, y, z = (v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in xyz)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def variables(css):
    return dict(re.findall(r"--(\w+):(#[0-9a-f]{6});", css))


def both():
    """The variables that a browser takes in light and in dark, read from the style sheet itself."""
    light, dark = STYLE.split("@media screen and (prefers-color-scheme:dark)")
    return {"light": variables(light), "dark": variables(dark[: dark.index("}}")])}


def test_the_contrast_of_known_colours():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast(theme):
    found = both()[theme]
    assert found == {"light": LIGHT, "dark": DARK}[theme]
    for name in TEXTS:
        assert min(contrast(found[name], found[ground]) for ground in ("page", "raised")) >= 4.5, name
    for name in CURVES:
        assert contrast(found[name], found["page"]) >= 3, name


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_curves_differ_for_every_eye(theme, eye):
    found = both()[theme]
    for one, other in combinations(CURVES, 2):
        pairs = zip(seen(found[one], eye), seen(found[other], eye), strict=True)
        assert sum((a - b) ** 2 for a, b in pairs) ** 0.5 >= 10, (one, other)
        assert DASHES.get(one) != DASHES.get(other)


def test_no_text_has_a_colour_of_its_own():
    assert "color-scheme:light dark" in STYLE
    rules = re.sub(r":root\{[^}]*\}", "", STYLE)
    rules += (FOLDER / "report.css").read_text()
    assert not re.search(r"#[0-9a-f]{3,6}\b", rules)
    used = set(re.findall(r"[;{](?:color|fill|stroke|background):var\(--(\w+)\)", rules.replace("\n", "")))
    assert set(re.findall(r"[;{]color:var\(--(\w+)\)", rules.replace("\n", ""))) <= set(TEXTS)
    assert used <= set(LIGHT)

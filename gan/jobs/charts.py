"""Curves of a run as SVG, over thousands of images shown, each chart an HTML figure.

Colours and dashes are classes of the page that holds it, see `gan.jobs.report_style`.
"""

import html
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

CHARTS = (  # title with the unit -> keys of stats.jsonl, by what they are called in the legend
    ("Losses", {"generator": "loss/g", "discriminator": "loss/d"}),
    ("Logits of the discriminator", {"real images": "logits/real", "fakes": "logits/fake"}),
    (
        "Logits without augmentation",
        {"training images": "held_out/train", "held-out images": "held_out/images", "fakes": "held_out/fake"},
    ),
    ("Overfitting of the discriminator (r_v)", {"0: none, 1: by heart": "held_out/r_v"}),
    ("Fakes over reals (share)", {"diversity": "health/diversity", "coverage": "health/coverage"}),
    ("Gradient norms", {"generator": "grad_norm/g", "discriminator": "grad_norm/d"}),
    ("Weight norms", {"generator": "weight_norm/g", "discriminator": "weight_norm/d"}),
    ("Largest singular value of the weights", {"generator": "sigma/g", "discriminator": "sigma/d"}),
    (
        "Penalties",
        {
            "R1": "r1",
            "R2": "r2",
            "gradient penalty": "gradient_penalty",
            "LeCam": "lecam",
            "path length": "path_length",
        },
    ),
    ("Augmentation (probability)", {"probability": "augment/p"}),
    ("Time per thousand images (seconds)", {"median of the ticks": "sec_per_kimg"}),
)
WIDTH, HEIGHT, TOP, RIGHT, BOTTOM = 400, 220, 8, 8, 26  # of a chart, and room around its curves
DIGIT = 7.2  # widest digit of a scale, in units of the drawing
POINTS = 400  # of a curve at most
Span = tuple[float, float]


def last(values: Sequence[float]) -> float:
    """The last of them."""
    return values[-1]


def chart(
    title: str,
    stats: Sequence[dict[str, Any]],
    named: Mapping[str, str],
    told: Callable[[Sequence[float]], float] = last,
) -> str:
    """A figure with one curve over kimg for each key that was measured; "" if none was.

    title: with the unit, as text.  named: key of `stats` by its name in the legend.  told: which number of
    all the values stands in the legend.
    """
    stats = [r for r in stats if number(r.get("kimg"))]
    curves = {name: [(r["kimg"], r[key]) for r in stats if number(r.get(key))] for name, key in named.items()}
    curves = {name: points for name, points in curves.items() if points}
    if not curves:
        return ""
    x = _span([point[0] for points in curves.values() for point in points])
    y = _span([point[1] for points in curves.values() for point in points])
    ticks = scale((y[0], (y[0] + y[1]) / 2, y[1]))
    left = round(10 + DIGIT * max(map(len, ticks)))
    parts, legend = [_axes(x, y, ticks, left)], []
    for place, (name, points) in enumerate(curves.items(), 1):
        path = [f"{_across(a, x, left):.1f},{_up(b, y):.1f}" for a, b in _thinned(points)]
        parts.append(f'<polyline class="line c{place}" points="{" ".join(path)}"/>')
        if len(points) == 1:
            across, up = path[0].split(",")
            parts.append(f'<circle class="dot c{place}" cx="{across}" cy="{up}" r="3"/>')
        swatch = f'<svg class="swatch" viewBox="0 0 24 8"><path class="line c{place}" d="M0,4H24"/></svg>'
        shown = plain(told([value for _, value in points]), 4)
        legend.append(f"<span>{swatch} {html.escape(name)} {shown}</span>")
    title = html.escape(title)
    label = f'role="img" aria-label="{title}, over thousands of images shown"'
    drawing = f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" {label}>{"".join(parts)}</svg>'
    return f"<figure><figcaption><b>{title}</b></figcaption>{drawing}<p>{' '.join(legend)}</p></figure>"


def scale(values: Sequence[float]) -> list[str]:
    """Labels of a scale with as few digits as tell one from the other, three at least."""
    for digits in range(3, 10):
        found = [plain(value, digits) for value in values]
        if len(set(found)) == len(set(values)):
            break
    return found


def plain(value: float, digits: int) -> str:
    """A number of that many digits, without an exponent from 0.0001 to 999,999."""
    if 1000 <= abs(value) < 999_999.5:
        decimals = max(digits - len(str(int(abs(value)))), 0)
        return f"{value:,.{decimals}f}"
    return f"{value:.{digits}g}"


def number(value: Any) -> bool:
    """Whether a value of a record is a finite number."""
    return isinstance(value, int | float) and math.isfinite(value)


def _axes(x: Span, y: Span, ticks: Sequence[str], left: int) -> str:
    right, floor = WIDTH - RIGHT, HEIGHT - BOTTOM
    lines = ""
    for share, text in zip((0, 0.5, 1), ticks, strict=True):
        up = _up(y[0] + share * (y[1] - y[0]), y)
        lines += f'<path class="grid" d="M{left},{up:.1f}H{right}"/>'
        lines += f'<text x="{left - 5}" y="{up + 4:.1f}" text-anchor="end">{text}</text>'
    lines += f'<path class="axis" d="M{left},{TOP}V{floor}H{right}"/>'
    lines += f'<text x="{left}" y="{HEIGHT - 8}">{plain(x[0], 4)}</text>'
    return lines + f'<text x="{right}" y="{HEIGHT - 8}" text-anchor="end">{plain(x[1], 4)} kimg</text>'


def _across(value: float, span: Span, left: int) -> float:
    return left + (value - span[0]) / (span[1] - span[0]) * (WIDTH - RIGHT - left)


def _up(value: float, span: Span) -> float:
    floor = HEIGHT - BOTTOM
    return floor - (value - span[0]) / (span[1] - span[0]) * (floor - TOP)


def _span(values: Sequence[float]) -> Span:
    """Smallest and largest value, kept apart where they are one."""
    low, high = min(values), max(values)
    margin = 0.0 if high > low else max(abs(low), 1.0) / 2
    return low - margin, high + margin


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most POINTS of them, each the mean of its neighbours."""
    size = math.ceil(len(points) / POINTS)
    groups = (
        [points[i : i + size] for i in range(0, len(points), size)] if size > 1 else [[p] for p in points]
    )
    return [tuple(sum(column) / len(group) for column in zip(*group, strict=True)) for group in groups]

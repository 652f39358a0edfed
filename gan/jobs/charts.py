"""Curves of a run as SVG, over thousands of images shown, each chart an HTML figure."""

import html
import math
from collections.abc import Sequence
from typing import Any

CHARTS = (  # title -> keys of stats.jsonl
    ("Losses", ("loss/g", "loss/d")),
    ("Logits", ("logits/real", "logits/fake")),
    ("Health: fakes over reals", ("health/diversity", "health/coverage")),
    ("Gradient norms", ("grad_norm/g", "grad_norm/d")),
    ("Weight norms", ("weight_norm/g", "weight_norm/d")),
    ("Largest singular value", ("sigma/g", "sigma/d")),
    ("Penalties", ("r1", "r2", "gradient_penalty", "lecam", "path_length")),
    ("Augmentation probability", ("augment/p",)),
    ("Seconds per kimg", ("sec_per_kimg",)),
)
COLOURS = ("#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad", "#b9770e")
WIDTH, HEIGHT, LEFT, BOTTOM = 440, 220, 56, 24  # of a chart, and room for its scales
POINTS = 400  # of a curve at most


def chart(title: str, stats: Sequence[dict[str, Any]], keys: Sequence[str]) -> str:
    """A figure with one curve over kimg for each key that was measured; "" if none was."""
    stats = [r for r in stats if _number(r.get("kimg"))]
    curves = {key: _thinned([(r["kimg"], r[key]) for r in stats if _number(r.get(key))]) for key in keys}
    curves = {key: points for key, points in curves.items() if points}
    if not curves:
        return ""
    x = _span([point[0] for points in curves.values() for point in points])
    y = _span([point[1] for points in curves.values() for point in points])
    parts, legend = [_axes(x, y)], []
    for (key, points), colour in zip(curves.items(), COLOURS, strict=False):
        path = " ".join(f"{_across(a, x):.1f},{_up(b, y):.1f}" for a, b in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        if len(points) == 1:
            parts.append(
                f'<circle cx="{path.split(",")[0]}" cy="{path.split(",")[1]}" r="3" fill="{colour}"/>'
            )
        legend.append(f'<span style="color:{colour}">{html.escape(key)}</span> {points[-1][1]:.4g}')
    drawing = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">{"".join(parts)}</svg>'
    caption = f"<b>{title}</b>: {', '.join(legend)}"
    return f"<figure>{drawing}<figcaption>{caption}</figcaption></figure>"


def _axes(x: tuple[float, float], y: tuple[float, float]) -> str:
    right, floor = WIDTH - 8, HEIGHT - BOTTOM
    lines = f'<path d="M{LEFT},8V{floor}H{right}" fill="none" stroke="#999"/>'
    style = 'font-size="11" fill="#888"'
    for value in (y[0], (y[0] + y[1]) / 2, y[1]):
        lines += (
            f'<text x="{LEFT - 5}" y="{_up(value, y) + 4:.0f}" text-anchor="end" {style}>{value:.3g}</text>'
        )
    lines += f'<text x="{LEFT}" y="{HEIGHT - 6}" {style}>{x[0]:.4g}</text>'
    return lines + f'<text x="{right}" y="{HEIGHT - 6}" text-anchor="end" {style}>{x[1]:.4g} kimg</text>'


def _across(value: float, span: tuple[float, float]) -> float:
    return LEFT + (value - span[0]) / (span[1] - span[0]) * (WIDTH - 8 - LEFT)


def _up(value: float, span: tuple[float, float]) -> float:
    floor = HEIGHT - BOTTOM
    return floor - (value - span[0]) / (span[1] - span[0]) * (floor - 8)


def _span(values: Sequence[float]) -> tuple[float, float]:
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


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)

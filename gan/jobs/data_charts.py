"""Bars of a data set as SVG, in the colours of `gan.jobs.report_style`."""

import html
import math
import statistics
from collections.abc import Sequence

from gan.jobs.charts import plain

BARS = 28  # of a histogram at most
WIDTH, HEIGHT, FLOOR = 400, 150, 126  # of a drawing, and where its bars stand
WIDE = 100  # largest over smallest value beyond which the scale is logarithmic


def histogram(title: str, kept: Sequence[float], left: Sequence[float]) -> str:
    """An HTML figure of two groups of numbers, one on the other; "" without any.

    title: with the unit, as text.  left: of the files that are left out.
    """
    values = sorted([*kept, *left])
    if not values:
        return ""
    low, high = values[0], values[-1]
    if low == high:
        return (
            f"<figure><figcaption><b>{html.escape(title)}</b></figcaption><p>all {plain(low, 3)}</p></figure>"
        )
    logarithmic = low > 0 and high / low > WIDE
    place = math.log if logarithmic else float
    start, end = place(low), place(high)
    count = min(BARS, len(set(values)))
    groups = [_counted(group, place, start, end, count) for group in (kept, left)]
    most = max(a + b for a, b in zip(*groups, strict=True))
    step = WIDTH / count
    bars = []
    for number, (a, b) in enumerate(zip(*groups, strict=True)):
        x, up, more = number * step + 1, a / most * (FLOOR - 6), b / most * (FLOOR - 6)
        for name, height, floor in (("c1", up, FLOOR), ("c2", more, FLOOR - up)):
            if height:
                bars.append(
                    f'<rect class="bar {name}" x="{x:.1f}" y="{floor - height:.1f}" '
                    f'width="{max(step - 2, 1):.1f}" height="{height:.1f}"/>'
                )
    middle = statistics.median(values)
    scale = " (logarithmic)" if logarithmic else ""
    told = f"from {plain(low, 3)} to {plain(high, 3)}, median {plain(middle, 3)}"
    label = f"{html.escape(title)}: {told}"
    return (
        f"<figure><figcaption><b>{html.escape(title)}</b>{scale}</figcaption>"
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(bars)}'
        f'<path class="axis" d="M0,{FLOOR}H{WIDTH}"/><text x="0" y="{HEIGHT - 6}">{plain(low, 3)}</text>'
        f'<text x="{WIDTH}" y="{HEIGHT - 6}" text-anchor="end">{plain(high, 3)}</text></svg>'
        f"<p>median {plain(middle, 3)}</p></figure>"
    )


def _counted(values: Sequence[float], place, start: float, end: float, count: int) -> list[int]:
    """How many values lie in each of `count` equal parts from start to end."""
    found = [0] * count
    for value in values:
        share = (place(value) - start) / ((end - start) or 1.0)
        found[min(int(share * count), count - 1)] += 1
    return found

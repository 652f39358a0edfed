"""The page of `gan compare`: differences with their intervals as a picture and as a table, self-contained."""

import html
from collections.abc import Sequence
from pathlib import Path

from gan.files import atomic_bytes
from gan.jobs.charts import plain
from gan.jobs.report_style import STYLE
from gan.models.seen import MARK

WIDTH, ROW, HALF = 640, 44, 260  # of the picture; height of a row; from the line of no difference to the end
SIDES = {"lower": ("A better", "B better"), "higher": ("B better", "A better")}  # of the line
COLUMNS = ("", "A", "B", "A - B", "95 % interval", "p")


def write_page(out: Path, rows: Sequence[dict], names: tuple[str, str], data: str) -> None:
    """Write it. rows: of `metrics.comparison.differences`; names: of A and B. UserError if it cannot."""
    counts = f"{rows[0]['num_fake']:,} images of each" if rows else "no numbers"
    about = f"A is {names[0]}, B is {names[1]}, against {data}, {counts}."
    page = "<!doctype html><html lang=en><meta charset=utf-8><title>A and B compared</title>"
    page += f"<style>{STYLE}</style>"
    page += '<meta name=viewport content="width=device-width">'
    page += f"<h1>A and B compared</h1><p>{html.escape(about)}</p>{picture(rows)}{_table(rows)}"
    page += (
        "<p class=note>Each bar is the 95 % interval of a difference, on a scale of its own; one that does "
        "not touch the middle line is a difference. p: how often as much comes of exchanging images of A and "
        "B at random; of many numbers one in twenty is below 0.05 by chance.</p></html>\n"
    )
    atomic_bytes(out, page.encode())


def picture(rows: Sequence[dict]) -> str:
    """The intervals as SVG, the line of no difference in the middle; each row has a scale of its own."""
    middle, height = WIDTH / 2, ROW * len(rows)
    parts = [f'<path class="axis" d="M{middle:g},0V{height}"/>']
    for place, row in enumerate(rows):
        low, high = row["interval"]
        reach = max(abs(low), abs(high)) or 1.0
        x = [middle + HALF * value / reach for value in (low, row["difference"], high)]
        y = ROW * place + 30
        sides = SIDES.get(row["better"], ("", ""))
        parts.append(f'<text x="0" y="{y - 16}">{html.escape(row["label"])}</text>')
        parts.append(f'<text x="{middle - 8}" y="{y - 16}" text-anchor="end">{sides[0]}</text>')
        parts.append(f'<text x="{middle + 8}" y="{y - 16}">{sides[1]}</text>')
        parts.append(f'<path class="line c1" d="M{x[0]:.1f},{y}H{x[2]:.1f}"/>')
        parts.append(f'<circle class="dot c1" cx="{x[1]:.1f}" cy="{y}" r="4"/>')
    label = 'role="img" aria-label="Intervals of the differences A minus B"'
    return f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" {label}>{"".join(parts)}</svg>'


def _table(rows: Sequence[dict]) -> str:
    lines = [f"<tr>{''.join(f'<th>{name}</th>' for name in COLUMNS)}</tr>"]
    for row in rows:
        low, high = row["interval"]
        p = "-" if row["p"] is None else plain(row["p"], 2)
        numbers = [plain(row[key], 4) for key in ("a", "b", "difference")]
        marked = [side for side, known in zip("AB", row.get("seen_by_d") or (), strict=False) if known]
        label = row["label"] + (f" ({MARK} of {' and '.join(marked)})" if marked else "")
        cells = [html.escape(label), *numbers, f"{plain(low, 4)} to {plain(high, 4)}", p]
        lines.append(f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    return f'<div class="wide"><table>{"".join(lines)}</table></div>'

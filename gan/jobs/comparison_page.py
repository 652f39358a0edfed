"""The page of `gan compare`: differences with their intervals as a picture and as a table, self-contained."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gan.files import atomic_bytes
from gan.jobs.charts import plain
from gan.jobs.report_sheet import sheet
from gan.jobs.still_charts import intervals
from gan.models.seen import MARK

COLUMNS = ("", "A", "B", "A - B", "95 % interval", "p")
SIDES = {"lower": ("A", "B"), "higher": ("B", "A")}  # that are better left and right of the middle line


def write_page(out: Path, rows: Sequence[dict], names: tuple[str, str], data: str) -> None:
    """Write it. rows: of `metrics.comparison.differences`; names: of A and B.

    UserError if it cannot, or where the extra `report` is missing.
    """
    counts = f"{rows[0]['num_fake']:,} images of each" if rows else "no numbers"
    bars = [scaled(row) for row in rows]
    context = {
        "about": f"A is {names[0]}, B is {names[1]}, against {data}, {counts}.",
        "columns": COLUMNS,
        "rows": [_cells(row) for row in rows],
        "drawing": intervals(bars, "Intervals of the differences A minus B") if bars else None,
    }
    atomic_bytes(out, sheet("comparison.html", "gan compare", context).encode())


def scaled(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the picture: its interval in shares of its longer side, whose end is at -1 or 1."""
    low, high = row["interval"]
    reach = max(abs(low), abs(high)) or 1.0
    left, right = SIDES.get(row["better"], ("", ""))
    name = row["label"] + (f" ({left} is better left, {right} right)" if left else "")
    return {"name": name, "low": low / reach, "value": row["difference"] / reach, "high": high / reach}


def _cells(row: Mapping[str, Any]) -> list[str]:
    low, high = row["interval"]
    p = "-" if row["p"] is None else plain(row["p"], 2)
    numbers = [plain(row[key], 4) for key in ("a", "b", "difference")]
    marked = [side for side, known in zip("AB", row.get("seen_by_d") or (), strict=False) if known]
    label = row["label"] + (f" ({MARK} of {' and '.join(marked)})" if marked else "")
    return [label, *numbers, f"{plain(low, 4)} to {plain(high, 4)}", p]

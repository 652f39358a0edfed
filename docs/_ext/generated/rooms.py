"""Picture of the rooms and their order, drawn from the table by which tests/test_layers.py checks imports."""

import ast
import importlib
from collections.abc import Mapping
from html import escape
from pathlib import Path

TESTS = Path(__file__).resolve().parents[3] / "tests" / "test_layers.py"
WIDTH, HEIGHT, GAP, MARGIN = 700, 46, 22, 10


def table() -> dict[str, set[str]]:
    """ROOMS of the test: room -> rooms that it may import. It is read, for an import would need pytest."""
    tree = ast.parse(TESTS.read_text(encoding="utf-8"))
    given = [node for node in tree.body if isinstance(node, ast.Assign)]
    last = next(number for number, node in enumerate(given) if getattr(node.targets[0], "id", "") == "ROOMS")
    names: dict[str, dict[str, set[str]]] = {}
    exec(compile(ast.Module(given[: last + 1], []), str(TESTS), "exec"), names)
    return names["ROOMS"]


def floors(allowed: Mapping[str, set[str]]) -> list[list[str]]:
    """Rooms from the top to the bottom; those on one floor do not import each other.

    A room lies one above the highest of what it may import; of two that may import each other in part, as the
    ground floor and its parts, the one that is imported lies below.
    """
    height: dict[str, int] = {}

    def high(room: str) -> int:
        if room not in height:
            below = [other for other in allowed[room] - {room} if room not in allowed[other]]
            height[room] = 1 + max(map(high, below), default=-1)
        return height[room]

    rows: dict[int, list[str]] = {}
    for room in allowed:
        rows.setdefault(high(room), []).append(room)
    return [rows[number] for number in sorted(rows, reverse=True)]


def says(room: str) -> str:
    """The first sentence of a room's docstring; that of `gan` is of the door, not of the ground floor."""
    if room == "gan":
        return "The ground floor, which knows no network: errors, settings, files, images, processes"
    text = " ".join((importlib.import_module(room).__doc__ or "").split())
    return text.partition(". ")[0].removesuffix(".").replace("`", "")


def svg() -> str:
    """The picture as inline SVG; colours are the theme's."""
    rows = floors(table())
    height = len(rows) * (HEIGHT + GAP) - GAP + 2 * MARGIN
    parts = []
    for number, row in enumerate(rows):
        y = MARGIN + number * (HEIGHT + GAP)
        width = (WIDTH - 2 * MARGIN - (len(row) - 1) * GAP) / len(row)
        for place, room in enumerate(row):
            x = MARGIN + place * (width + GAP)
            parts.append(_box(room, x, y, width))
            if number + 1 < len(rows):
                parts.append(_arrow(x + width / 2, y + HEIGHT))
    label = "Rooms of the library, one below the other: each may import those below it, never those above"
    body = "".join(parts)
    head = f'<svg class="rooms" role="img" aria-label="{label}" viewBox="0 0 {WIDTH} {height}">'
    return f"<div>\n{head}{body}</svg>\n</div>\n"  # a block, or its text would be read as Markdown


def _box(room: str, x: float, y: float, width: float) -> str:
    said = says(room)
    most = int((width - 24) / 6.6)  # of this size, on average
    said = said if len(said) <= most else said[: most - 1].rsplit(" ", 1)[0] + " …"
    return (
        f'<rect x="{x:g}" y="{y}" width="{width:g}" height="{HEIGHT}" rx="6"/>'
        f'<text class="name" x="{x + 12:g}" y="{y + 19}">{escape(room)}</text>'
        f'<text class="says" x="{x + 12:g}" y="{y + 37}">{escape(said)}</text>'
    )


def _arrow(x: float, y: float) -> str:
    """From a box's lower edge down to the next floor."""
    end = y + GAP - 3
    return f'<path d="M{x:g} {y} V{end} m-5 -6 l5 6 l5 -6"/>'

"""Names of other tools beside ours, from the table that the error messages use."""

from collections.abc import Mapping

from gan import elsewhere
from generated.text import cell, code, table

PARTS = {
    "Scripts, commands and functions": elsewhere.SCRIPTS,
    "Options": elsewhere.OPTIONS,
    "Scores": elsewhere.SCORES,
    "Recipes": elsewhere.PRESETS,
}


def rows(names: Mapping[str, elsewhere.Name]) -> list[tuple[str, str, str]]:
    """Their name, what it is here, whose it is."""
    return [
        (code(theirs), cell(name.here), cell(", ".join(elsewhere.TOOLS[tool] for tool in name.tools.split())))
        for theirs, name in names.items()
    ]


def markdown() -> str:
    """A table a kind of name."""
    head = ("There", "Here", "Whose")
    return "\n".join(f"## {title}\n\n{table(head, rows(names))}" for title, names in PARTS.items())

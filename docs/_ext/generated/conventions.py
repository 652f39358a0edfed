"""The conventions of scores as a table, from the rows that compute them."""

from generated.text import cell, code, table
from metrics.conventions import CONVENTIONS


def markdown() -> str:
    """One line a convention: what happens to images, how features become numbers, how close it comes."""
    rows = [
        (
            code(row.name),
            cell(f"{row.detector}, {row.size} px"),
            cell(f"{row.resize}, {row.scale}"),
            cell(f"N - {row.ddof}" if row.ddof else "N"),
            cell(f"{row.num_fake:,}" if row.num_fake else "as many as reals"),
            cell(", ".join(f"`{name}` {close}" for name, close in row.scores.items())),
        )
        for row in CONVENTIONS.values()
    ]
    head = ("Name", "Network", "Resize, scale", "Covariance over", "Fakes", "Scores, how closely")
    return table(head, rows)

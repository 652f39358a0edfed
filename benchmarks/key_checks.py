"""How long it takes to check an API key, by what is wrong with it: does the time tell whether a key exists?

    python -m benchmarks.key_checks

In milliseconds of the processor, so that a busy machine changes little; the kinds take turns. A valid key is
checked as if for the first time, and once more as one that was seen a moment ago.
"""

import contextlib
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click

from gan.jobs.serving.database import Database
from gan.jobs.serving.keys import Denied, Keys

UNKNOWN = f"gan_{'0' * 12}_{'x' * 43}"


def measured(folder: Path, rounds: int) -> dict[str, list[float]]:
    """Seconds of the processor of each check, by kind."""
    database = Database(folder)
    try:
        made = Keys(database).create("me")
        wrong = made[:-1] + ("A" if made[-1] != "A" else "B")
        found: dict[str, list[float]] = {}
        for _ in range(rounds):
            keys = Keys(database)  # which remembers nothing yet
            for kind, given in (
                ("valid, seen first", made),
                ("wrong secret", wrong),
                ("unknown number", UNKNOWN),
                ("malformed", "x"),
                ("valid, seen before", made),
            ):
                with timed(found.setdefault(kind, [])), contextlib.suppress(Denied):
                    keys.verify(given)
        return found
    finally:
        database.close()


@contextlib.contextmanager
def timed(seconds: list[float]) -> Iterator[None]:
    """Add what the block takes."""
    began = time.thread_time()
    yield
    seconds.append(time.thread_time() - began)


def table(found: dict[str, list[float]]) -> str:
    """Markdown: median and quartiles in milliseconds, by kind."""
    lines = ["| Key | median | quartiles |", "|---|---|---|"]
    for kind, seconds in found.items():
        low, middle, high = (1000 * each for each in statistics.quantiles(seconds, n=4))
        lines.append(f"| {kind} | {middle:.2f} ms | {low:.2f} to {high:.2f} |")
    return "\n".join(lines)


@click.command()
@click.option("--rounds", default=101, show_default=True)
def main(rounds: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        click.echo(table(measured(Path(folder), rounds)))


if __name__ == "__main__":
    main()

"""Rows of the table in test_options: what is typed, and which argument of a job it becomes."""

from pathlib import Path
from typing import Any, NamedTuple


class Row(NamedTuple):
    """typed: behind the base.  argument, value: of the job; with `overrides`, one of them.

    job: another function that is called.  base: instead of that of the command.
    """

    typed: tuple[str, ...]
    argument: str
    value: Any
    job: str | None = None
    base: tuple[str, ...] | None = None


def plain(option: str, text: str, argument: str, value: Any) -> dict[str, Row]:
    """A row of an option with one value."""
    return {option: Row((option, text), argument, value)}


def setting(option: str, text: str, assignment: str, *more: str) -> dict[str, Row]:
    """A row of an option that is a setting of the run."""
    return {option: Row((option, text, *more), "overrides", assignment)}


DEBUG = {"--debug": "tests/gan/cli/test_main.py::test_debug_shows_the_traceback"}
PLUGIN = {"--plugin": Row(("--plugin", "own.py"), "plugin", "own.py", job="gan.plugins.load")}
DEVICE = plain("--device", "cpu", "device", "cpu")
OUT = plain("--out", "b", "out", Path("b"))
SEED = plain("--seed", "5", "seed", 5)
LAST = "tests/gan/cli/test_"  # of tests named below

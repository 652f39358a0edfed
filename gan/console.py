"""What a person sees while work goes on: progress bars and lines on stderr, one beside the other."""

import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def say(text: str) -> None:
    """One line on stderr, above a progress bar where one is shown."""
    with tqdm.external_write_mode(file=sys.stderr):
        print(text, file=sys.stderr, flush=True)


def progress(work: Iterable[T] | int | None, desc: str, unit: str = "it") -> "tqdm[T]":
    """Progress bar on stderr, silent where stderr is not a terminal.

    work: an iterable to wrap (`for x in progress(xs, "reading")`), or a total of steps to count by hand
    (`with progress(1000, "training") as bar: bar.update(32)`); None: a total that is not known.
    """
    iterable, total = (None, work) if isinstance(work, int) or work is None else (work, None)
    silent = not sys.stderr.isatty()
    return tqdm(iterable, desc, total, unit=unit, file=sys.stderr, disable=silent, dynamic_ncols=True)

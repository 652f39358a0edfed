"""Command line of the parity checker: one line per case on stdout, the verdict as exit status."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.golden.case import Case, Comparison, Family, FormatError, read
from tests.golden.families import family_of

EPILOG = """Exit status: 0 every checked case is within tolerance; 1 one is not; 2 a file cannot be read,
is of no known family, or holds nothing that this release can check. Errors are relative: largest
absolute difference over largest magnitude of the reference.

Example: python -m tests.golden tests/golden/losses.npz"""


def main(arguments: Sequence[str]) -> int:
    """Check every file; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.golden",
        description="Compare this project's networks, losses, operators and metrics with stored numbers.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="an .npz in the format of README.md"
    )
    verdicts = [check_file(path) for path in parser.parse_args(arguments).files]
    return 1 if 1 in verdicts else max(verdicts)


def check_file(path: Path) -> int:
    """Print a line per case; returns 0, 1 or 2 as the command does for this file alone."""
    counts = {"ok": 0, "OVER": 0, "not in this release": 0}
    try:
        families = [(case, family_of(case)) for case in read(path)]
        if all(family.check is None for _, family in families):
            raise FormatError(
                f"only {families[0][1].name}, which is not in this release: nothing was checked"
            )
        for case, family in families:
            verdict, detail = check_case(case, family)
            counts[verdict] += 1
            print(f"{path.name} {case.name}: {verdict}: {detail}", flush=True)
    except FormatError as error:
        print(f"{path}: {error}", file=sys.stderr)
        return 2
    print(f"{path.name}: {', '.join(f'{n} {verdict}' for verdict, n in counts.items())}", file=sys.stderr)
    return 1 if counts["OVER"] else 0


def check_case(case: Case, family: Family) -> tuple[str, str]:
    """("ok" | "OVER" | "not in this release", the rest of the line). FormatError for an incomplete case."""
    if family.check is None:
        return "not in this release", family.name
    try:
        comparisons = list(family.check(case))
    except FormatError:
        raise
    except Exception as error:  # whatever ours raises on valid input is a finding about ours
        return "OVER", f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    if not comparisons:
        raise FormatError(f"case {case.name} holds no result to compare")
    unchecked = f"; not checked: {', '.join(case.unused)}" if case.unused else ""
    return "ok" if all(c.passed for c in comparisons) else "OVER", summary(comparisons) + unchecked


def summary(comparisons: Iterable[Comparison]) -> str:
    """Per arithmetic, the comparison with the largest error, of those over tolerance if there are any."""
    worst: dict[str, Comparison] = {}
    for c in comparisons:
        best = worst.get(c.arithmetic)
        if best is None or (best.passed, -best.error) > (c.passed, -c.error):
            worst[c.arithmetic] = c
    return "; ".join(
        f"{arithmetic + ' ' if arithmetic else ''}{c.error:.1e} in {c.name} (tolerance {c.tolerance:.1e})"
        for arithmetic, c in worst.items()
    )

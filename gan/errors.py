"""Errors that a user can mend, and the wording that all of them share.

Raise these for mistakes of the caller, never for defects of the program: the command line prints them as one
line without a traceback and exits with `exit_code`.
"""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Work failed. One line that names the thing, the value it had and what to do about it.

    Where many things differ, they follow below it, one an indented line.
    """

    exit_code = 1


class UsageError(UserError):
    """Wrong option, key, name or type: nothing was attempted."""

    exit_code = 2


class CheckpointError(UserError):
    """A checkpoint is missing, damaged or does not fit the networks that its config describes."""


def install(extra: str) -> str:
    """The remedy where packages of an extra are missing."""
    return f'in the project\'s folder: pip install -e ".[{extra}]"'


def unknown(what: str, name: object, known: Iterable[str]) -> str:
    """One line for a name that does not exist: the nearest known name, if one is near, then all of them.

    `what` says what was looked up, such as "metric" or "key".
    """
    names = sorted(known)
    near = difflib.get_close_matches(str(name), names, n=1)
    hint = f" did you mean '{near[0]}'?" if near else ""
    return f"unknown {what} '{name}';{hint} known: {', '.join(names) or 'none'}"

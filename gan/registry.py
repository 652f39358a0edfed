"""Tables of named things, filled by listing and read by name."""

from collections.abc import Mapping
from typing import TypeVar

from gan.errors import UsageError, unknown

T = TypeVar("T")


class Table(dict[str, T]):
    """A dict whose miss is a UsageError suggesting the nearest name. `what` says what it holds ("metric")."""

    def __init__(self, what: str, entries: Mapping[str, T]) -> None:
        super().__init__(entries)
        self.what = what

    def add(self, name: str, entry: T) -> None:
        """List an own entry, as a plug-in does. UsageError if another has the name."""
        if name in self and self[name] is not entry:
            raise UsageError(f"there is a {self.what} '{name}' already: choose another name")
        self[name] = entry

    def __missing__(self, name: object) -> T:
        raise UsageError(unknown(self.what, name, self))


def table(what: str, entries: Mapping[str, T] | None = None, /, **named: T) -> Table[T]:
    """Table of `entries` (for names with '-') and `named`. Raises ValueError if both hold one name."""
    entries = entries or {}
    if twice := sorted(entries.keys() & named.keys()):
        raise ValueError(f"{what} named twice: {', '.join(twice)}")
    return Table(what, {**entries, **named})

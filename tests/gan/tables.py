"""Tables that plug-ins add to, for the length of a test."""

from collections.abc import Iterator

import pytest

from gan import plugins


def restored(monkeypatch: pytest.MonkeyPatch, *tables: dict) -> Iterator[None]:
    """Tables, and what is loaded, are as before at the end; for `yield from` in a fixture."""
    kept = [(table, dict(table)) for table in tables]
    monkeypatch.setattr(plugins, "_loaded", {})
    monkeypatch.setattr(plugins, "_named", set())
    yield
    for table, before in kept:
        table.clear()
        table.update(before)

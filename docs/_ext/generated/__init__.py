"""Sphinx extension: parts of pages that are written from the code when the site is built.

A page asks for one by a comment on a line of its own, which a code host does not show:

    <!-- generated: settings -->
    <!-- generated: api gan.latents -->
"""

import re
from collections.abc import Callable
from typing import Any

from generated import api, commands, conventions, names, rooms, settings

MARK = re.compile(r"^<!-- generated: ([a-z]+)(?: ([\w. ]+))? -->$", re.M)
PARTS: dict[str, Callable[[str], str]] = {
    "api": lambda modules: "\n\n".join(map(api.markdown, modules.split())),
    "commands": lambda _: commands.markdown(),
    "settings": lambda _: settings.markdown(),
    "presets": lambda _: settings.presets(),
    "conventions": lambda _: conventions.markdown(),
    "names": lambda _: names.markdown(),
    "rooms": lambda _: rooms.svg(),
}


def filled(text: str) -> str:
    """A page's Markdown with its generated parts. Raises KeyError for a part that there is not."""
    return MARK.sub(lambda mark: PARTS[mark[1]](mark[2] or ""), text)


def _read(_: Any, __: str, content: list[str]) -> None:
    content[0] = filled(content[0])


def setup(app: Any) -> dict[str, bool]:
    """What Sphinx calls."""
    app.connect("source-read", _read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

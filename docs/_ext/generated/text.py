"""Plain text as Markdown: what would mean something to Markdown is escaped; tables."""

import re
import textwrap
from collections.abc import Iterable, Sequence

SECTIONS = ("Args:", "Raises:", "Returns:", "Yields:")
_CODE = re.compile(r"(`+[^`]*`+)")
_SPECIAL = re.compile(r"([\\*_\[\]<>{}$#~|])")


def escaped(text: str) -> str:
    """Text whose `code` stays code and whose other characters all stand for themselves."""
    parts = _CODE.split(text)
    return "".join(part if i % 2 else _SPECIAL.sub(r"\\\1", part) for i, part in enumerate(parts))


def cell(text: str) -> str:
    """Escaped text for a table: on one line, bars in code escaped too."""
    line = " ".join(text.split())
    return _CODE.sub(lambda code: code[1].replace("|", r"\|"), escaped(line)) or " "


def code(text: str) -> str:
    """Code for a table's cell."""
    return f"`{text}`".replace("|", r"\|") if text else " "


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown of a table, of cells that are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def fenced(text: str, language: str = "") -> str:
    """A block of code."""
    return f"```{language}\n{text.strip(chr(10))}\n```\n"


def prose(text: str) -> str:
    """A docstring or a help text: paragraphs are escaped, and what is indented stays as it is typed."""
    parts = []
    for paragraph in re.split(r"\n\s*\n", text.strip("\n")):
        lines = [line for line in paragraph.splitlines() if line != "\b"]
        if lines and lines[0].startswith("    "):
            parts.append(fenced("\n".join(line.removeprefix("    ") for line in lines), "text"))
        elif (len(lines) > 1 and any(line.startswith("  ") for line in lines[1:])) or "\b" in paragraph:
            parts.append(_listed(lines))
        else:
            parts.append(escaped(" ".join(line.strip() for line in lines)) + "\n")
    return "\n".join(parts)


def _listed(lines: Sequence[str]) -> str:
    """A line with indented lines below it: sections as `Args:` are lists, all else stays as it is typed."""
    first = [line for line in lines if not line.startswith("  ")]
    rest = textwrap.dedent("\n".join(line for line in lines if line.startswith("  "))).splitlines()
    if len(first) != 1 or not rest:
        return escaped(" ".join(line.strip() for line in lines)) + "\n"
    if first[0] not in SECTIONS:
        return f"{escaped(first[0])}\n\n{fenced(chr(10).join(rest), 'text')}"
    items: list[str] = []
    for line in rest:
        if line.startswith(" ") and items:
            items[-1] += f" {line.strip()}"
        else:
            items.append(line)
    return f"**{first[0].removesuffix(':')}**\n\n" + "\n".join(f"- {_item(item)}" for item in items) + "\n"


def _item(item: str) -> str:
    name, colon, words = item.partition(": ")
    return f"`{name}`: {escaped(words)}" if colon and "`" not in name else escaped(item)

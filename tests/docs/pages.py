"""The pages as data: their blocks of code, links, anchors and pictures.

`python -m tests.docs.pages` lists the links that lead elsewhere, to be looked at by hand.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
FENCE = re.compile(r"^(`{3,})(.*)$")
MARK = re.compile(r"^<!-- not run: (.+) -->$")
LINK = re.compile(r"(!?)\[(?:[^\[\]]|\[[^\[\]]*\])*\]\(([^()\s]+(?:\([^()]*\)[^()\s]*)?)\)")
IMAGE = re.compile(r'<img src="([^"]+)"')
CODE = re.compile(r"(`+)(?:(?!\1).)+\1")
SHELLS = ("bash", "sh", "shell")
PROGRAMS = ("gan ", "torchrun ", ".venv/bin/gan ", "python ", "make ", "pip ")


class Block(NamedTuple):
    """A block of code.  words: what stands behind its fence.  mark: why it is not run, "" if it is."""

    line: int
    words: str
    text: str
    mark: str

    @property
    def kind(self) -> str:
        """python, bash, or what else it says it is; a block that says nothing is bash if it looks like it."""
        kind = self.words.split()[0] if self.words else ""
        if kind in SHELLS or (not kind and self.text.lstrip().startswith(PROGRAMS)):
            return "bash"
        return kind

    @property
    def title(self) -> str:
        """The file that it is the text of, "" for none."""
        found = re.search(r"title=(\S+)", self.words)
        return found[1] if found else ""


def pages() -> list[Path]:
    """README, CONTRIBUTING and every page of the site."""
    found = [path for path in DOCS.rglob("*.md") if "_build" not in path.parts]
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(found)]


def name_of(page: Path) -> str:
    """docs/start/no-gpu.md -> start/no-gpu.md; README.md stays."""
    return page.relative_to(DOCS if page.is_relative_to(DOCS) else ROOT).as_posix()


@cache
def parsed(page: Path) -> tuple[tuple[Block, ...], tuple[tuple[int, str], ...]]:
    """(blocks, lines of prose with their numbers); a mark stands on the line above its block."""
    blocks, prose = [], []
    opened = ""
    start, words, inner, above = 0, "", [], ""
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        fence = FENCE.match(line)
        if opened:
            if fence and fence[1] == opened and not fence[2].strip():
                mark = MARK.match(above)
                blocks.append(Block(start, words, "\n".join(inner) + "\n", mark[1] if mark else ""))
                opened, above = "", ""
            else:
                inner.append(line)
        elif fence:
            opened, words, start, inner = fence[1], fence[2].strip(), number, []
        else:
            prose.append((number, line))
            above = line.strip()
    assert not opened, f"{page}:{start}: a block that does not end"
    return tuple(blocks), tuple(prose)


def blocks(page: Path) -> tuple[Block, ...]:
    """All blocks of code of a page, in order."""
    return parsed(page)[0]


def links(page: Path) -> Iterator[tuple[int, str, bool]]:
    """(line, target, whether it is a picture) of each link outside of code."""
    for number, line in parsed(page)[1]:
        plain = CODE.sub(lambda code: "`" * len(code[0]), line)
        yield from ((number, found[2], bool(found[1])) for found in LINK.finditer(plain))
        yield from ((number, found[1], True) for found in IMAGE.finditer(plain))


def slug(heading: str) -> str:
    """The anchor that code hosts and the site give a heading."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower().replace("`", "")
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


@cache
def anchors(page: Path) -> frozenset[str]:
    """Anchors of a page's headings; one that comes again is numbered."""
    found: dict[str, int] = {}
    for _, line in parsed(page)[1]:
        if heading := re.match(r"#{1,6} (.+)", line):
            name = slug(heading[1])
            count = found.get(name, 0)
            found[name] = count + 1
            if count:
                found[f"{name}-{count}"] = 1
    return frozenset(found)


def main() -> None:
    """Print what leads elsewhere: page, line, address."""
    for page in pages():
        for line, target, _ in links(page):
            if "://" in target:
                print(f"{page.relative_to(ROOT)}:{line}: {target}")


if __name__ == "__main__":
    main()

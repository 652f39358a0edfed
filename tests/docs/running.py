"""Blocks of a page as a reader would type them: `python -m tests.docs.running PAGE [FILE TO]`.

From the top of the page to its end, in a temporary folder; FILE is one that the page makes, copied to TO.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from gan.cli.main import main as gan
from tests.docs.commands import lines
from tests.docs.pages import ROOT, Block, blocks, name_of, pages

RUN = {"python", "bash"}
TOOLS = {"mkdir", "cat"}  # of the system
OURS = {"hf"}  # installed beside this Python


def page_of(name: str) -> Path:
    """start/no-gpu.md -> its file."""
    [page] = [page for page in pages() if name_of(page) == name]
    return page


def chosen(name: str) -> list[Block]:
    """The blocks of a page that run: those without a mark."""
    return [block for block in blocks(page_of(name)) if (block.kind in RUN or block.title) and not block.mark]


def typed(line: str) -> None:
    """A command, which must succeed; AssertionError otherwise."""
    words = shlex.split(line, comments=True)
    if words[0] == "gan":
        try:
            gan.main(words[1:])
        except SystemExit as end:
            assert end.code == 0, line
        return
    if words[0] in TOOLS:
        subprocess.run(line, shell=True, check=True)
        return
    assert words[0] in {"python", *OURS}, f"cannot type {line}"
    program = sys.executable if words[0] == "python" else Path(sys.executable).with_name(words[0])
    subprocess.run([program, *words[1:]], check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})


def executed(block: Block, page: str, names: dict[str, object]) -> None:
    """A block of Python, whose lines have the page's numbers."""
    exec(compile("\n" * block.line + block.text, page, "exec"), names)


def run(name: str) -> int:
    """Run a page in the working directory; the number of blocks. A titled block becomes a file."""
    names: dict[str, object] = {"__name__": "page"}
    for block in chosen(name):
        if block.title:
            Path(block.title).write_text(block.text, encoding="utf-8")
        elif block.kind == "python":
            executed(block, name, names)
        else:
            for line in lines(block.text):
                typed(line)
    return len(chosen(name))


def main() -> None:
    """Run a page, and keep one of its files."""
    page, *kept = sys.argv[1:]
    target = Path(kept[1]).resolve() if kept else None
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            run(page)
            if target:
                shutil.copy(kept[0], target)
        finally:
            os.chdir(before)


if __name__ == "__main__":
    main()

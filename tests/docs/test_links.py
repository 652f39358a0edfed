"""Links of the pages lead to what is there: files, headings, pictures; planted ones that do not are found."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT, anchors, blocks, links, name_of, pages


def broken(page: Path) -> list[str]:
    """One line for each link of a page that leads nowhere."""
    found = []
    for line, target, picture in links(page):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists():
            found.append(f"{page}:{line}: {target}: there is no {path}")
        elif anchor and (picture or file.suffix != ".md" or anchor not in anchors(file)):
            found.append(f"{page}:{line}: {target}: there is no heading {anchor}")
    return found


def toctrees(page: Path) -> list[Path]:
    """Pages that a page's tables of contents name."""
    entries = [b.text.splitlines() for b in blocks(page) if b.words == "{toctree}"]
    names = [line for lines in entries for line in lines if line and not line.startswith(":")]
    return [page.parent / f"{name}.md" for name in names]


def test_every_link_leads_somewhere():
    found = [line for page in pages() for line in broken(page)]
    assert not found, "\n" + "\n".join(found)


def test_links_are_found():
    count = sum(1 for page in pages() for _ in links(page))
    assert count > 150


@pytest.mark.parametrize(
    "text",
    [
        "[x](nowhere.md)",
        "see [`x`](#nothing)",
        "![p](images/none.png)",
        '<img src="images/none.png" alt="x">',
        "# A\n[x](#b)",
        "[x [y]](page.md#c)",
    ],
)
def test_planted(text, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    assert len(broken(page)) == 1


def test_fine(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# What `a_b` is: [one](x.md), two?\n[x](#what-a_b-is-one-two)\n`[x](no.md)`\n```\n[x](no.md)\n```\n"
    )
    (tmp_path / "x.md").write_text("")
    assert broken(page) == []


def test_every_page_is_on_the_site_once():
    seen, waiting = [], [DOCS / "index.md"]
    while waiting:
        page = waiting.pop()
        seen.append(page)
        waiting.extend(toctrees(page))
    assert sorted(map(name_of, seen)) == sorted(name_of(page) for page in pages() if page.parent != ROOT)


def test_one_spelling_of_every_installation():
    """Extras are installed by one line, whatever page or message says so."""
    texts = {page: page.read_text(encoding="utf-8") for page in pages()}
    for folder in ("gan", "ops", "metrics", "training", "benchmarks", "notebooks"):
        for path in (ROOT / folder).rglob("*.*"):
            if path.suffix in (".py", ".ipynb", ".html", ".js"):
                texts[path] = path.read_text(encoding="utf-8").replace('\\"', '"')
    found = []
    for path, text in texts.items():
        for line in re.findall(r"pip3? install [^\n]*?\.\[[^\n]*", text):
            if not re.match(r"pip install -e \"\.\[(?:[a-z]+(?:,[a-z]+)*|\{extra\})\]\"", line):
                found.append(f"{path}: {line}")
    assert not found, "\n" + "\n".join(found)
    assert sum("pip install -e" in text for text in texts.values()) > 10


def test_every_extra_is_explained():
    import configparser

    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    table = (DOCS / "start" / "install.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([a-z]+)` \|", table, re.M)) == set(config["options.extras_require"])

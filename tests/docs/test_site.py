"""The site as `make docs` builds it: no warning, nothing from elsewhere, searchable without a server."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT, name_of, pages
from tests.test_layers import ROOMS

# What a browser would fetch by itself; links that a reader follows are not among it.
FETCHED = re.compile(
    r"""<(?:script|img|iframe|source|audio|video|embed|object)\b[^>]*\b(?:src|data)=["'](https?:)?//"""
    r"""|<link\b(?=[^>]*\brel=["'](?:stylesheet|preload|icon|preconnect|manifest))[^>]*\bhref=["'](https?:)?//"""
    r"""|@import\s+(?:url\()?["']?(https?:)?//|url\(["']?(https?:)?//|\bimport\(["'](https?:)?//"""
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole site."""
    pytest.importorskip("furo")
    pytest.importorskip("myst_parser")
    out = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-E",
        "-b",
        "html",
        DOCS,
        out / "html",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-8000:]
    return out / "html"


def test_every_page_is_built(site):
    for page in pages():
        if page.is_relative_to(DOCS):
            assert (site / name_of(page)).with_suffix(".html").is_file()


def test_nothing_comes_from_elsewhere(site):
    texts = [*site.rglob("*.html"), *site.rglob("*.css"), *site.rglob("*.js")]
    found = [
        f"{path}: {hit[0]}" for path in texts for hit in FETCHED.finditer(path.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)


def test_search_and_generated_parts(site):
    index = (site / "searchindex.js").read_text(encoding="utf-8")
    assert "spectral" in index and "reference/settings" in index
    assert "loss.r1_gamma" in (site / "reference" / "settings.html").read_text(encoding="utf-8")
    svg = re.search(
        r'<svg class="rooms".*?</svg>', (site / "design" / "rooms.html").read_text(encoding="utf-8")
    )
    assert svg and svg[0].count("<rect") == len(ROOMS) and "<p>" not in svg[0]
    assert "gan sample MODEL --seeds" in (site / "reference" / "names.html").read_text(encoding="utf-8")
    latents = (site / "reference" / "python" / "latents.html").read_text(encoding="utf-8")
    assert 'id="gan.latents.z_from_seeds"' in latents
    assert "<!-- generated" not in latents


def test_a_warning_is_an_error(tmp_path):
    """A page that links to nothing ends the build."""
    pytest.importorskip("furo")
    pytest.importorskip("myst_parser")
    (tmp_path / "conf.py").write_text(
        (DOCS / "conf.py").read_text().replace("HERE = ", f"HERE = Path({str(DOCS)!r}) #")
    )
    (tmp_path / "index.md").write_text("# A page\n\n[nowhere](nowhere.md)\n")
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", tmp_path, tmp_path / "html"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "nowhere.md" in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        '<script async src="https://a.b/c.js">',
        '<link href="https://a.b/c.css" rel="stylesheet">',
        "<img alt='x' src='//a.b/c.png'>",
        "@import 'https://a.b/c.css'",
        "src: url(https://a.b/c.woff2)",
    ],
)
def test_planted(text):
    assert FETCHED.search(text)


def test_fine():
    text = '<a href="https://a.b">x</a><img src="_static/x.png"><link rel="canonical" href="https://a.b">'
    assert not FETCHED.search(text)

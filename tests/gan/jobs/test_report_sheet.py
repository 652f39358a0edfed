"""Pages that stand alone: one head for all, and at the end of each the version that made it."""

import re
from pathlib import Path

import pytest

import gan
from gan.jobs.report_sheet import FOLDER, sheet, text

pytest.importorskip("jinja2", reason="the extra web is not installed")
PAGES = ["comparison.html", "copies.html", "data_report.html", "rating_report.html", "report.html"]


def test_what_is_said_of_the_maker(monkeypatch):
    monkeypatch.setattr(gan, "__version__", "9.8.7<")
    page = sheet("copies.html", "gan evaluate", {"about": "A & B", "note": "", "rows": []})
    assert "Made by <code>gan evaluate</code> of gan-workbench 9.8.7&lt;." in page
    assert "<h1>Most suspicious fakes</h1>" in page and "<title>Nearest real images</title>" in page
    assert '<meta name="color-scheme" content="light dark">' in page and "A &amp; B" in page
    assert re.search(r"<style>:root\{color-scheme:light dark\}", page) and "{{" not in page


def test_there_is_one_head_and_one_end():
    """Every page, alone or served, has its head and the version at its end from one file."""
    templates = Path(gan.__file__).parent.glob("**/templates/*.html")
    whole = [path.name for path in templates if re.search("<head>|<footer|{{ version }}", path.read_text())]
    assert whole == ["frame.html"]
    extends = '{% extends "sheet.html" %}'
    assert sorted(path.name for path in FOLDER.glob("*.html") if extends in path.read_text()) == PAGES


def test_values_as_words():
    said = {"crop": "centre", "flip": True, "background": [255, 0.1234567], "none": None}
    assert text(said) == "crop centre, flip yes, background 255, 0.12346, none "
    assert (text(False), text(2.0), text(None)) == ("no", "2", "")

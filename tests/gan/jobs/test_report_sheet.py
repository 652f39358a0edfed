"""Pages that stand alone: one head for all, and at the end of each the version that made it."""

import re

import pytest

import gan
from gan.jobs.report_sheet import FOLDER, sheet

pytest.importorskip("jinja2", reason="the extra web is not installed")
PAGES = ["comparison.html", "copies.html", "data_report.html", "rating_report.html", "report.html"]


def test_what_is_said_of_the_maker(monkeypatch):
    monkeypatch.setattr(gan, "__version__", "9.8.7<")
    page = sheet("copies.html", "gan evaluate", {"about": "A & B", "rows": []})
    assert "Made by <code>gan evaluate</code> of gan-workbench 9.8.7&lt;." in page
    assert "<h1>Most suspicious fakes</h1>" in page and "<title>Nearest real images</title>" in page
    assert '<meta name="color-scheme" content="light dark">' in page and "A &amp; B" in page
    assert re.search(r"<style>:root\{color-scheme:light dark\}", page) and "{{" not in page


def test_there_is_one_head():
    """Every page with a head has it from one file."""
    heads = [path.name for path in FOLDER.glob("*.html") if "<head>" in path.read_text()]
    assert heads == ["sheet.html"]
    extends = '{% extends "sheet.html" %}'
    assert sorted(path.name for path in FOLDER.glob("*.html") if extends in path.read_text()) == PAGES

"""Templates: everything is escaped, and a name that is missing is an error."""

import pytest

from gan.templates import render

jinja2 = pytest.importorskip("jinja2", reason="the extra web is not installed")


def test_values_are_escaped_and_folders_are_searched_in_order(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir(), second.mkdir()
    (second / "base.html").write_text("<p>{% block x %}{% endblock %}</p>")
    (second / "page.html").write_text("not this one")
    (first / "page.html").write_text('{% extends "base.html" %}{% block x %}{{ x }}{% endblock %}')
    assert render((first, second), "page.html", {"x": "<b>\"'&"}) == "<p>&lt;b&gt;&#34;&#39;&amp;</p>"


def test_a_missing_name_is_no_gap(tmp_path):
    (tmp_path / "page.html").write_text("{{ absent }}")
    with pytest.raises(jinja2.UndefinedError, match="absent"):
        render((tmp_path,), "page.html", {})

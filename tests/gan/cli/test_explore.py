"""`gan explore`: what it prints, whether it opens a browser, and how it refuses."""

import click
import pytest
from click.testing import CliRunner

from gan.cli import explore
from gan.cli.main import main
from gan.web.explore import pages

ADDRESS = "http://127.0.0.1:8123/?token=t"


@pytest.fixture
def opened(monkeypatch):
    """Addresses that a browser would have opened; the page itself ends at once."""
    found = []
    monkeypatch.setattr(pages, "explore", lambda places, say, **_: say(ADDRESS))
    monkeypatch.setattr(click, "launch", found.append)
    return found


@pytest.mark.parametrize(
    ("display", "more", "addresses"),
    [(":0", [], [ADDRESS]), (":0", ["--no-browser"], []), ("", [], [])],
)
def test_a_browser_is_opened_where_there_is_a_display(monkeypatch, opened, display, more, addresses):
    monkeypatch.setattr(explore.sys, "platform", "linux")
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    done = CliRunner().invoke(main, ["explore", "model", *more])
    assert done.exit_code == 0 and done.stdout == f"{ADDRESS}\n" and "Ctrl-C" in done.stderr
    assert opened == addresses


def test_refusals(run_folder):
    """One line each: another host without a token, and no model."""
    done = CliRunner().invoke(main, ["explore", str(run_folder), "--host", "0.0.0.0"])
    assert done.exit_code == 2 and "--token" in done.stderr and done.stderr.count("\n") == 1
    done = CliRunner().invoke(main, ["explore", str(run_folder / "nothing")])
    assert done.exit_code == 1 and "no model at" in done.stderr and done.stderr.count("\n") == 1

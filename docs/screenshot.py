"""A page as a picture: `python docs/screenshot.py OUT.png [OPTIONS] FILE.html`, or `[OPTIONS] -- gan ...`.

A command that serves a page is started, its address read from what it prints, and it is ended afterwards.
Needs playwright (extra dev) and a Chromium of the system.
"""

import argparse
import contextlib
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import quote

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
SETTLED = 1500  # milliseconds after the last request, for pictures that are drawn
PATIENCE = 120_000  # milliseconds that an awaited element may take


@contextlib.contextmanager
def address(command: list[str]) -> Iterator[str]:
    """The address that a serving command prints; the command runs until the block ends."""
    with subprocess.Popen(
        [sys.executable, "-m", *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            said = []
            for line in process.stdout:
                said.append(line)
                if found := re.search(r"http://\S+", line):
                    yield found[0]
                    return
            sys.exit(f"{shlex.join(command)} printed no address:\n{''.join(said)}")
        finally:
            process.terminate()


def shoot(
    url: str, out: Path, width: int, height: int, dark: bool, press: str, awaited: Sequence[str]
) -> None:
    """Write a picture of what a window of that size shows, once all elements that are awaited are there.

    press: a key that is pressed first; "" for none.
    """
    from playwright.sync_api import sync_playwright

    browser_path = next(filter(None, map(shutil.which, NAMES)), None)
    if browser_path is None:
        sys.exit("there is no Chromium here: apt-get install chromium")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_page(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
        )
        page.goto(url, wait_until="load")
        page.wait_for_timeout(SETTLED)
        if press:
            page.keyboard.press(press)
            page.wait_for_timeout(SETTLED)
        for selector in awaited:
            page.wait_for_selector(selector, timeout=PATIENCE)
        page.screenshot(path=out)
        browser.close()


def main() -> None:
    """One picture."""
    parser = argparse.ArgumentParser(description="A page as a picture.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", default="1100x800", help="width x height of the window")
    parser.add_argument("--dark", action="store_true", help="in dark colours")
    parser.add_argument("--at", default="", help="what follows # in its address: where the page begins")
    parser.add_argument("--press", default="", help="a key, such as Enter where a page begins by it")
    parser.add_argument(
        "--wait", action="append", default=[], metavar="SELECTOR", help="an element that must be there first"
    )
    parser.add_argument("page", nargs="+", help="a file, or the command that serves it, behind --")
    given = parser.parse_args()
    width, height = map(int, given.size.split("x"))
    place = f"#{quote(given.at)}" if given.at else ""
    look = partial(
        shoot,
        out=given.out,
        width=width,
        height=height,
        dark=given.dark,
        press=given.press,
        awaited=given.wait,
    )
    if given.page[0] == "gan":
        with address(given.page) as url:
            look(url + place)
    else:
        look(Path(given.page[0]).resolve().as_uri() + place)


if __name__ == "__main__":
    main()

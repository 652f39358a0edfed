"""The page of `gan data report` in a headless Chromium without scripts: both colours, and a phone."""

import pytest

from gan.jobs.data_report import report
from tests.gan import work_folders


@pytest.fixture
def address(tmp_path):
    return report(work_folders.make(tmp_path), tmp_path / "page.html").as_uri()


@pytest.mark.parametrize(("scheme", "ground"), [("light", "rgb(255, 255, 255)"), ("dark", "rgb(21, 24, 28)")])
def test_colours(tab, address, scheme, ground, tmp_path):
    page = tab(address, color_scheme=scheme, java_script_enabled=False)
    handle = page.locator("body")
    assert handle.evaluate("e => getComputedStyle(e).backgroundColor") == ground
    assert len(page.screenshot(path=tmp_path / "page.png", full_page=True)) > 20_000
    broken = page.locator("img").evaluate_all(
        "all => all.filter((i) => i.complete && !i.naturalWidth).length"
    )
    assert broken == 0 and page.locator("img").count() > 20


def test_a_phone(tab, address, tmp_path):
    page = tab(address, viewport={"width": 360, "height": 640}, java_script_enabled=False)
    assert page.locator("html").evaluate("e => e.scrollWidth") <= 360
    columns = page.locator("#duplicates ~ ul").first.locator("li")
    first, second = (columns.nth(n).bounding_box() for n in (0, 1))
    assert first["y"] == second["y"] and first["x"] + first["width"] <= second["x"]  # side by side
    assert len(page.screenshot(path=tmp_path / "page.png", full_page=True)) > 20_000

"""The pages of `gan data report` and `gan report` in a headless Chromium: colours, a phone, their use."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from gan.jobs import reporting
from gan.jobs.data_report import report
from gan.web.report import live
from tests.gan import work_folders
from tests.gan.web.conftest import PATIENCE

pytest.importorskip("vl_convert", reason="the extra report is not installed")


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


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with a collapse, three grids and a curve that falls from 64 to 1."""
    folder = tmp_path_factory.mktemp("runs") / "00000-demo-<b>"
    folder.mkdir()
    (folder / "config.yaml").write_text("preset: demo\nbatch: 4")
    stats = [
        {"kimg": k, "loss/g": 64.0 / 2**k, "loss/d": 3.0 * (-1) ** k, "health": "healthy"} for k in range(7)
    ]
    (folder / "stats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in stats))
    event = {"kimg": 3, "state": "collapsed", "reason": "<i>one image</i>"}
    (folder / "health.jsonl").write_text(json.dumps(event))
    for kimg, colour in ((0, "red"), (2, "green"), (6, "blue")):
        Image.new("RGB", (64, 32), colour).save(folder / f"fakes-{kimg:06d}.png")
    return folder


@pytest.fixture(scope="module")
def run_page(run):
    """Its address, as a file."""
    return Path(reporting.report([run])).as_uri()


def drawn(page):
    """The page, once all its charts are there, and its chart of losses."""
    page.set_default_timeout(PATIENCE)
    page.wait_for_function("document.body.dataset.drawn")
    return page.locator("[data-chart]", has_text="Losses")


def labels(chart):
    """Numbers along the horizontal and the vertical axis."""
    axes = chart.locator("g.role-axis-label")
    texts = axes.evaluate_all("all => all.map(a => [...a.querySelectorAll('text')].map(t => t.textContent))")
    across, up = (texts[n] for n in (0, 1))
    return [[float(t.replace("\u2212", "-").replace(",", "")) for t in each if t] for each in (across, up)]


def test_a_pointer_reads_values_and_marks(tab, run_page):
    page = tab(run_page)
    chart = drawn(page)
    chart.locator("svg.marks").scroll_into_view_if_needed()
    box = chart.locator("svg.marks").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] * 0.6)
    tooltip = page.locator("#vg-tooltip-element.visible")
    tooltip.wait_for()
    told = dict(line.split("\t") for line in tooltip.inner_text().splitlines() if "\t" in line)
    assert told["curve"] in ("generator", "discriminator") and float(told["kimg"]) >= 4
    height = {"generator": 64 / 2 ** float(told["kimg"]), "discriminator": 3 * (-1) ** float(told["kimg"])}
    assert float(told["value"].replace("\u2212", "-")) == pytest.approx(height[told["curve"]], rel=1e-3)
    assert tooltip.evaluate("e => getComputedStyle(e).position") == "fixed"
    rule = chart.locator('line[stroke="var(--bad)"]')
    assert rule.count() == 1
    assert rule.get_attribute("aria-label").startswith("kimg: 3;") and "<i>one image" in (
        rule.get_attribute("aria-label")
    )
    assert page.locator("i", has_text="one image").count() == 0


def test_logarithmic_scales_and_smoothing(tab, run_page):
    page = tab(run_page)
    chart = drawn(page)
    line = chart.locator('g.mark-line path, path.mark-line, g[class*="mark-line"] path')
    before = line.evaluate_all("all => all.map(p => p.getAttribute('d'))")
    page.get_by_label("log values").check()
    page.wait_for_function("n => document.querySelector('[data-chart]').dataset.drawn === n", arg="2")
    logarithmic = line.evaluate_all("all => all.map(p => p.getAttribute('d'))")
    assert logarithmic != before
    page.get_by_label("log values").uncheck()
    page.wait_for_function("n => document.querySelector('[data-chart]').dataset.drawn === n", arg="3")
    page.locator("#smoothing").fill("0.9")
    page.wait_for_function(
        "before => [...document.querySelectorAll('[data-chart]')][0].querySelectorAll("
        "'g[class*=\"mark-line\"] path').length > before",
        arg=len(before),
    )
    smooth = line.evaluate_all("all => all.map(p => p.getAttribute('d'))")
    assert len(smooth) == 2 * len(before) and set(before) <= set(smooth)  # as measured is still there, faint


def test_a_chart_is_zoomed_by_the_wheel_and_by_keys(tab, run_page):
    page = tab(run_page)
    chart = drawn(page)
    assert labels(chart)[0][0] == 0 and labels(chart)[0][-1] == 6
    chart.locator(".drawing").focus()
    page.keyboard.press("+")
    page.wait_for_function("document.querySelector('[data-chart]').dataset.drawn === '2'")
    across = labels(chart)[0]
    assert across[0] >= 1.5 and across[-1] <= 4.5
    page.keyboard.press("0")
    page.wait_for_function("document.querySelector('[data-chart]').dataset.drawn === '3'")
    assert labels(chart)[0][-1] == 6
    box = chart.locator("svg.marks").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.wheel(0, -300)
    page.wait_for_timeout(300)
    assert labels(chart)[0][-1] == 6  # the wheel alone scrolls the page
    page.mouse.move(box["x"] + box["width"] / 2, chart.locator("svg.marks").bounding_box()["y"] + 120)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    page.wait_for_timeout(300)
    assert labels(chart)[0][-1] < 6


def test_a_slider_moves_through_the_grids_and_another_enlarges_them(tab, run_page):
    page = tab(run_page)
    drawn(page)
    shown = page.locator(".reel .frame.now img")
    assert shown.count() == 1 and shown.get_attribute("alt").endswith("at 6 kimg")
    page.locator(".time").focus()
    page.keyboard.press("ArrowLeft")
    assert shown.get_attribute("alt").endswith("at 2 kimg")
    assert page.locator(".when").inner_text() == "2 kimg"
    assert page.locator(".time").get_attribute("aria-valuetext") == "2 kimg"
    before = shown.bounding_box()["width"]
    page.locator(".zoom").fill("300")
    assert shown.bounding_box()["width"] == pytest.approx(3 * before, rel=0.02)
    assert page.locator("html").evaluate("e => e.scrollWidth") <= 1280


@pytest.mark.parametrize(("scheme", "curve"), [("light", "rgb(0, 114, 178)"), ("dark", "rgb(86, 180, 233)")])
def test_curves_have_the_colours_of_the_scheme_and_paper_is_light(tab, run_page, scheme, curve):
    page = tab(run_page, color_scheme=scheme)
    chart = drawn(page)
    line = chart.locator('[stroke="var(--c1)"]').first
    assert line.evaluate("e => getComputedStyle(e).stroke") == curve
    page.emulate_media(media="print", color_scheme=scheme)
    assert line.evaluate("e => getComputedStyle(e).stroke") == "rgb(0, 114, 178)"
    assert page.locator(".reel .frame").nth(0).is_visible() and page.locator("#controls").is_hidden()


def test_a_report_on_a_phone_and_without_scripts(tab, run_page):
    page = tab(run_page, viewport={"width": 360, "height": 740})
    chart = drawn(page)
    assert page.locator("html").evaluate("e => e.scrollWidth") <= 360
    assert chart.locator("svg.marks").bounding_box()["width"] <= 340
    chart.locator("summary").click()
    assert chart.locator("td").first.inner_text() == "0"
    plain = tab(run_page, java_script_enabled=False)
    assert plain.locator(".reel .frame").nth(2).is_visible() and plain.locator("#controls").is_hidden()


def test_a_live_page_follows_its_run_and_keeps_what_was_chosen(tab, run, tmp_path, monkeypatch):
    pytest.importorskip("uvicorn", reason="the extra web is not installed")
    monkeypatch.setattr(live, "ASKED", 300)
    monkeypatch.setattr(live, "PAUSE", 0.0)
    folder = tmp_path / "00000-live"
    shutil.copytree(run, folder)
    said = []
    with live.Live(said.append) as shown:
        shown.start(SimpleNamespace(run=folder))
        page = tab(said[0].removeprefix("report: "))
        chart = drawn(page)
        page.get_by_label("log values").check()
        chart.locator("summary").click()
        with (folder / "stats.jsonl").open("a") as file:
            file.write('{"kimg": 9, "loss/g": 3.0}\n')
        row = chart.locator("td", has_text="9")
        row.first.wait_for()  # the table is open still
        assert page.get_by_label("log values").is_checked() and row.first.inner_text() == "9"
        page.locator("#connection", has_text="as of").wait_for()
        assert page.locator("body").evaluate("e => getComputedStyle(e).maxWidth") == "1080px"
    page.locator("#connection", has_text="has ended").wait_for()
    assert len(said) == 1

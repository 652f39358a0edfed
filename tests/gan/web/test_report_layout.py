"""Pages of reports in a headless Chromium: nothing is cut, covered or torn apart, on a phone and on paper."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from gan.jobs import reporting
from gan.jobs.comparison_page import write_page
from gan.jobs.data_report import report
from gan.jobs.report_sheet import sheet
from gan.web.report import live
from tests.gan import work_folders
from tests.gan.web.conftest import PATIENCE

pytest.importorskip("vl_convert", reason="the extra report is not installed")
PHONE = {"width": 390, "height": 844}
LONG = "00001-demo-with-a-name-that-is-longer-than-a-phone-is-wide_and-goes-on"
PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
CUT = """all => all.filter((text) => {
  const box = text.getBoundingClientRect(), svg = text.closest("svg").getBoundingClientRect();
  return box.width && (box.left < svg.left - 1 || box.right > svg.right + 1);
}).map((text) => text.textContent)"""  # texts of charts that do not lie within them


def written(folder):
    """A run with scores whose names differ in length, and a health event."""
    folder.mkdir()
    (folder / "config.yaml").write_text("preset: demo\nbatch: 4")
    stats = [{"kimg": k, "loss/g": 2.0 + k, "loss/d": 1.0, "health": "healthy"} for k in range(4)]
    (folder / "stats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in stats))
    event = {"kimg": 2, "state": "drifting", "reason": "little diversity"}
    (folder / "health.jsonl").write_text(json.dumps(event))
    names = ("fid", f"distance-{'of-features-' * 5}of-a-network")
    scores = [{"metric": "fid", "label": name, "value": 9.0 - k, "kimg": k} for name in names for k in (1, 3)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in scores))
    Image.new("RGB", (64, 64), "red").save(folder / "fakes-000002.png")
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two of them, the second with a long name."""
    folder = tmp_path_factory.mktemp("runs")
    return [written(folder / name) for name in ("00000-demo", LONG)]


@pytest.fixture(scope="module")
def compared(runs):
    """The address of the page about both."""
    return Path(reporting.report(runs)).as_uri()


def drawn(page):
    """The page, once its charts are there."""
    page.set_default_timeout(PATIENCE)
    page.wait_for_function("document.body.dataset.drawn")
    return page


def test_legends_on_a_phone(tab, compared):
    page = drawn(tab(compared, viewport=PHONE))
    losses = page.locator("[data-chart]", has_text="Losses")
    legend = losses.locator("g.role-legend text").all_text_contents()
    assert [text[:10] for text in legend] == ["00000-demo", "00001-demo", "generator", "discrimina"]
    assert page.locator("[data-chart] svg text").evaluate_all(CUT) == []
    assert page.locator("html").evaluate("e => e.scrollWidth") <= PHONE["width"]


def test_charts_of_a_row_are_level(tab, compared):
    page = drawn(tab(compared, viewport={"width": 1100, "height": 900}))
    captions, drawings = (
        [one.bounding_box() for one in page.locator(f'[data-chart^="score"] {what}').all()]
        for what in ("figcaption b", ".drawing")
    )
    assert captions[0]["height"] != captions[1]["height"] and len(drawings) == 2
    assert drawings[0]["y"] == drawings[1]["y"] and drawings[0]["x"] < drawings[1]["x"]


def test_a_table_of_runs_has_their_names_once(tab, compared):
    page = tab(compared, viewport=PHONE, java_script_enabled=False)
    names = page.locator('[aria-label="Scores"] th.run')
    assert names.all_inner_texts() == ["00000-demo", LONG]
    value = page.locator('[aria-label="Scores"] td', has_text="fid").first.bounding_box()
    assert value["x"] + value["width"] <= PHONE["width"]  # seen without scrolling


def test_a_table_that_goes_on_is_shaded(tab, compared):
    page = tab(compared, viewport=PHONE, java_script_enabled=False)
    wide = page.locator('[aria-label="Scores"]')
    assert wide.evaluate("e => e.scrollWidth > e.clientWidth")
    assert wide.evaluate("e => getComputedStyle(e).backgroundAttachment") == "local, local, scroll, scroll"


def test_copies_on_a_phone_have_their_numbers(tab, tmp_path):
    image = {"source": PIXEL, "number": 7}
    rows = [{"fake": image, "near": [image] * 3, "number": 7, "ratio": "0.125"}]
    path = tmp_path / "copies.html"
    path.write_text(sheet("copies.html", "gan evaluate", {"about": "", "note": "", "rows": rows}))
    page = tab(path.as_uri(), viewport=PHONE)
    for shown in (*page.locator(".near img").all(), page.get_by_text("fake 7: 0.125")):
        box = shown.bounding_box()
        assert box["x"] > 0 and box["x"] + box["width"] <= PHONE["width"]
    tops = {box.bounding_box()["y"] for box in page.locator(".near img").all()}
    assert len(tops) == 1  # side by side


def test_names_of_differences_are_read_on_a_phone(tab, tmp_path):
    row = {"label": "fd-efficientnet-lite0[50000-full]", "a": 3.0, "b": 1.0, "difference": 2.0}
    row |= {"interval": [1.0, 3.0], "p": 0.01, "better": "lower", "num_fake": 100}
    write_page(tmp_path / "page.html", [row], ("a", "b"), "data.zip")
    page = tab((tmp_path / "page.html").as_uri(), viewport=PHONE)
    name = page.locator(".still text", has_text=row["label"])
    assert name.text_content().endswith("right)")
    assert page.locator(".still text").evaluate_all(CUT) == []
    assert name.bounding_box()["height"] >= 10


def test_the_end_of_a_page_stands_apart(tab, compared, runs):
    pytest.importorskip("uvicorn", reason="the extra web is not installed")
    gaps = "document.querySelector('footer').getBoundingClientRect().top - {}.getBoundingClientRect().bottom"
    last = "[...document.querySelectorAll('table')].at(-1)"
    assert drawn(tab(compared)).evaluate(gaps.format(last)) >= 30
    said = []
    with live.Live(said.append) as shown:
        shown.start(SimpleNamespace(run=runs[0]))
        page = drawn(tab(said[0].removeprefix("report: "), viewport=PHONE))
        assert page.evaluate(gaps.format("document.querySelector('#content')")) >= 30


def test_paper_has_no_links_and_headings_stay_with_what_they_head(tab, tmp_path):
    page = tab(report(work_folders.make(tmp_path), tmp_path / "page.html").as_uri())
    page.emulate_media(media="print")
    assert page.locator("nav").is_hidden()
    style = "(e, name) => getComputedStyle(e)[name]"
    assert page.locator("h3").first.evaluate(style, "breakAfter") == "avoid"
    for name in (".row li", ".charts figure", "tr"):
        assert page.locator(name).first.evaluate(style, "breakInside") == "avoid"


def test_a_picture_is_named_by_its_file(tab, tmp_path):
    work = work_folders.make(tmp_path)
    page = tab(report(work, tmp_path / "page.html").as_uri(), java_script_enabled=False)
    shown = page.locator(".row li .path:not(.folder)")
    paths = shown.evaluate_all("all => all.map((e) => [e.title, e.textContent])")
    assert paths and all(name == path.rpartition("/")[2] for path, name in paths)

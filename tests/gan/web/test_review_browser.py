"""The review page in a headless Chromium: keys, buttons, filters, tabs, many files, both colours, a phone."""

import json
import re

import pytest

from gan.jobs import work_folder
from gan.jobs.decisions import Decisions
from gan.jobs.review import Review
from gan.web.review.pages import app
from tests.gan import work_folders
from tests.gan.web.conftest import TOKEN, served

MANY, FEW = 10_000, 500
STALL = 50  # milliseconds of a long task, as browsers define it


@pytest.fixture
def home(review):
    with served(app(review, TOKEN)) as address:
        yield address


@pytest.fixture
def page(tab, home):
    return ready(tab(f"{home}/?token={TOKEN}"))


def ready(page):
    """Once the current file is shown, with its picture."""
    page.wait_for_selector('[role=option][aria-selected=true]:not([aria-label="not loaded yet"])')
    page.wait_for_selector(".card img:not(.waiting)")
    return page


def current(page):
    """The path of the current file, as the panel has it, when grid and panel agree."""
    page.wait_for_function("""() => {
      const cell = document.querySelector("[role=option][aria-selected=true]");
      return cell && cell.querySelector(".name").textContent === document.querySelector("#large").alt; }""")
    return page.locator("#large").get_attribute("alt")


def verdict(page, path):
    return page.locator(f'.cell:not([hidden])[data-path="{path}"] .state b')


def log(review):
    path = review.work.path / "decisions.jsonl"
    lines = path.read_text().splitlines() if path.is_file() else []
    return [(r["path"], r["decision"], r.get("label")) for r in map(json.loads, lines)]


def saved(page, review, count):
    """The log, once it has so many lines."""
    for _ in range(100):
        if len(log(review)) >= count:
            break
        page.wait_for_timeout(50)
    assert len(log(review)) == count
    return log(review)


def found(page, text):
    page.wait_for_function("text => document.querySelector('#found').textContent === text", arg=text)


def test_the_token_is_needed(tab, home):
    context = tab(f"{home}/?token={TOKEN}").context
    assert context.pages[0].url == f"{home}/"  # and it is gone from the address
    stranger = context.browser.new_page()
    assert stranger.goto(home).status == 401
    assert "address that the command printed" in stranger.content()
    stranger.close()


def test_keys(page, review):
    assert current(page) == "a/000.png"
    page.keyboard.press("d")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("k")
    assert saved(page, review, 2) == [("a/000.png", "drop", None), ("a/002.png", "keep", None)]
    assert current(page) == "a/003.png"
    page.wait_for_function("() => document.querySelector('#counts').textContent.includes('2 decided')")
    assert verdict(page, "a/000.png").text_content() == "✕ drop"
    page.keyboard.press("u")
    page.keyboard.press("u")
    assert saved(page, review, 4)[2:] == [("a/002.png", "undo", None), ("a/000.png", "undo", None)]
    assert current(page) == "a/000.png" and review.decided() == []
    page.wait_for_function("() => !document.querySelector('#counts').textContent.includes('decided')")
    assert page.locator("#undo").is_disabled()
    for key, path in (("End", "b/ünï <b>.png"), ("Home", "a/000.png"), ("ArrowLeft", "a/000.png")):
        page.keyboard.press(key)
        assert current(page) == path
    columns = page.evaluate("""() => {
      const cells = [...document.querySelectorAll(".cell:not([hidden])")];
      const tops = cells.map((cell) => cell.getBoundingClientRect().top);
      return tops.filter((top) => top === Math.min(...tops)).length; }""")
    page.keyboard.press("ArrowDown")
    assert current(page) == f"a/{columns:03d}.png" and columns > 2


def test_relabel_by_key_and_undo_by_button(page, review):
    page.keyboard.press("r")
    assert page.locator("#new").input_value() == "apple"
    page.keyboard.type("tree")
    page.keyboard.press("Enter")
    assert saved(page, review, 1) == [("a/000.png", "relabel", "tree")]
    page.wait_for_selector("#relabel[aria-pressed=true]")
    assert current(page) == "a/000.png" and "tree" in page.locator("#about").text_content()
    page.keyboard.press("r")
    page.keyboard.press("Escape")  # nothing is decided
    page.locator("#undo").click()
    assert saved(page, review, 2)[1] == ("a/000.png", "undo", None)
    page.wait_for_selector("#relabel[aria-pressed=false]")
    assert "apple" in page.locator("#about").text_content()


def test_buttons(page, review):
    page.locator(".cell[data-path='b/blurred.png']").click()
    assert current(page) == "b/blurred.png"
    about = page.locator("#about").text_content()
    assert "fault:blurred" in about and "3.1" in about
    page.locator("#keep").click()
    assert saved(page, review, 1) == [("b/blurred.png", "keep", None)]
    page.wait_for_function("() => document.querySelector('#counts').textContent.startsWith('14 kept')")
    page.locator(".cell[data-path='b/blurred.png']").click()
    page.wait_for_selector("#keep[aria-pressed=true]")
    assert "by your decision (before: dropped)" in page.locator("#about").text_content()


def test_filters(page, review):
    page.locator("#verdict").select_option("drop")
    found(page, "4 files")
    page.locator("#reason").select_option(label="fault:truncated (1)")
    found(page, "1 file")
    assert current(page) == "b/cut.png"
    page.wait_for_selector("#large[src*='/large']")
    page.get_by_role("button", name="Reset").click()
    found(page, "18 files")
    assert current(page) == "b/cut.png"  # it stays where it was
    page.keyboard.press("Escape")
    page.locator("#grid").focus()
    page.keyboard.press("/")
    page.keyboard.type("00")
    found(page, "10 files")
    page.keyboard.press("Escape")
    page.keyboard.press("d")  # the keys belong to the files again
    assert saved(page, review, 1) == [("a/000.png", "drop", None)]
    page.locator("#text").fill("nothing has this")
    found(page, "0 files")
    assert page.locator("#keep").is_disabled()
    page.get_by_role("button", name="Reset").click()
    found(page, "18 files")
    page.keyboard.press("Escape")
    page.locator(".cell[data-path='b/copy.png']").click()
    page.get_by_role("button", name="group 0: show all").click()
    found(page, "2 files")
    assert [current(page)] == ["b/copy.png"]
    page.locator("#cluster").select_option("")
    page.locator("#decided").select_option("yes")
    found(page, "1 file")


def test_two_tabs(page, review, tab, home):
    other = ready(tab.attach(page.context, home))
    other.keyboard.press("ArrowRight")
    page.keyboard.press("d")
    other.wait_for_function("() => document.querySelector('#counts').textContent.includes('1 decided')")
    assert verdict(other, "a/000.png").text_content() == "✕ drop"
    assert current(other) == "a/001.png"  # where this tab was, it is
    other.keyboard.press("ArrowLeft")
    other.keyboard.press("k")
    page.wait_for_function("() => document.querySelector('.state b').textContent === '✓ keep'")
    page.keyboard.press("u")  # what this tab decided does not hold any more
    page.wait_for_function(
        "() => document.querySelector('#problem').textContent.includes('another decision')"
    )
    assert log(review) == [("a/000.png", "drop", None), ("a/000.png", "keep", None)]


def test_many_files_without_a_stall(tab, tmp_path):
    """No task is long; on a machine on which all are, none is longer than with few files."""
    many = longest_task(tab, tmp_path / "many", MANY)
    assert many < STALL or many < 1.5 * longest_task(tab, tmp_path / "few", FEW)


def longest_task(tab, folder, files):
    """Milliseconds of the longest task while a grid of so many files is scrolled, the shortest of three."""
    source = folder / "source"
    records = [work_folders.record(n, f"{n % 50:03d}.png") for n in range(files)]
    for n in range(50):
        work_folders.save(source, work_folders.picture(n), records[n])
    review = Review(work_folder.opened(work_folders.write(folder / "out.prepare", [source], records)))
    with served(app(review, TOKEN)) as address:
        page = ready(tab(f"{address}/?token={TOKEN}"))
        found(page, f"{files:,} files")
        longest = [max(scrolled_through(page)) for _ in range(3)]
        page.keyboard.press("End")
        page.wait_for_selector(f'[aria-posinset="{files}"] img:not(.waiting)')
        page.keyboard.press("Home")
        page.wait_for_selector('[aria-posinset="1"] img:not(.waiting)')
    return min(longest)


def scrolled_through(page):
    """Milliseconds of the tasks of a page whose grid is scrolled to and fro."""
    browser = page.context.browser
    browser.start_tracing(page=page, categories=["toplevel", "devtools.timeline"])
    most = page.evaluate("""async () => {
      const grid = document.querySelector("#grid"), end = grid.scrollHeight, frames = 30;
      let most = 0;
      for (let n = 1; n <= frames; n++) {
        grid.scrollTop = end * (n * 0.37 % 1); // so far that no cell stays
        await new Promise(requestAnimationFrame);
        most = Math.max(most, document.querySelectorAll(".cell").length);
      }
      return most; }""")
    times = busy(json.loads(browser.stop_tracing()))
    assert most < 100  # cells, of 10,000: what is in view, and a little more
    assert len(times) > 30
    return times


def busy(trace):
    """Milliseconds of the processor that each task of the page took: those of other programs do not count."""
    events = trace["traceEvents"]
    named = (e for e in events if e["name"] == "thread_name" and e["args"]["name"] == "CrRendererMain")
    threads = {(e["pid"], e["tid"]) for e in named}
    tasks = (e for e in events if "tdur" in e and (e["pid"], e["tid"]) in threads)
    return [e["tdur"] / 1000 for e in tasks if e["name"].endswith("RunTask")]


def test_what_a_screen_reader_is_told(page, review):
    grid = page.get_by_role("listbox", name="Files")
    assert grid.get_attribute("aria-activedescendant") == "cell-0"
    option = page.locator("#cell-0")
    assert option.get_attribute("aria-setsize") == "18" and option.get_attribute("aria-posinset") == "1"
    assert option.get_attribute("aria-label") == "a/000.png, kept, label apple, duplicates 0, the one kept"
    page.keyboard.press("d")
    page.wait_for_function("() => document.querySelector('#live').textContent === 'a/000.png dropped'")
    unnamed = page.evaluate("""() => [...document.querySelectorAll("button, select, input")]
      .filter((e) => !(e.textContent.trim() || e.getAttribute("aria-label"))).map((e) => e.id)""")
    assert unnamed == []
    page.keyboard.press("?")
    assert page.get_by_role("dialog", name="Keys").is_visible()
    page.keyboard.press("d")  # the dialog has the keys
    page.keyboard.press("Escape")
    assert not page.locator("#keys").is_visible() and len(log(review)) == 1


def test_all_controls_are_reached_by_tab(page):
    page.keyboard.press("Home")
    page.evaluate("document.activeElement.blur()")
    reached = []
    for _ in range(22):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.className"))
    wanted = {"skip", "help", "theme", "text", "verdict", "reason", "label", "order", "grid", "keep", "drop"}
    assert wanted | {"relabel"} <= set(reached)


def test_a_broken_file_says_why(page):
    cell = page.locator(".cell[data-path='b/cut.png']")
    cell.click()
    page.wait_for_selector(".cell[aria-selected=true] img:not(.waiting)")
    source = cell.locator("img").get_attribute("src")
    text = page.evaluate("async (path) => await (await fetch(path)).text()", source)
    assert text.startswith("<svg") and "ends early" in text
    assert page.locator("#keep").is_disabled() and page.locator("#drop").is_enabled()


def test_light_and_dark(tab, home, tmp_path):
    """By the system's preference, and by the button, which is remembered."""
    page, shots = ready(tab(f"{home}/?token={TOKEN}")), {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.reload()
        ready(page)
        shots[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
        picture = page.screenshot(path=tmp_path / f"{scheme}.png")
        assert len(picture) > 10_000
    assert shots == {"light": "rgb(255, 255, 255)", "dark": "rgb(21, 24, 28)"}
    page.locator("#theme").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == shots["light"]
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == shots["light"]
    assert page.locator("#theme").get_attribute("aria-pressed") == "false"


def test_a_phone(tab, home, review, tmp_path):
    page = ready(tab(f"{home}/?token={TOKEN}", viewport={"width": 360, "height": 640}, has_touch=True))
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate("document.documentElement.scrollHeight") <= 640
    assert page.locator("#grid").bounding_box()["height"] > 180
    for name in ("keep", "drop", "relabel", "undo"):
        box = page.locator(f"#{name}").bounding_box()
        assert box["height"] >= 44 and box["y"] + box["height"] <= 640, name
    page.locator(".cell[data-path='a/001.png']").tap()
    page.locator("#drop").tap()
    assert saved(page, review, 1) == [("a/001.png", "drop", None)]
    assert len(page.screenshot(path=tmp_path / "narrow.png")) > 10_000


def test_a_server_that_is_gone(tab, review):
    opened = tab
    with served(app(review, TOKEN)) as address:
        page = ready(opened(f"{address}/?token={TOKEN}"))
    page.wait_for_function("() => document.querySelector('#connection').textContent === 'not connected'")
    page.keyboard.press("d")
    page.wait_for_function("() => document.querySelector('#problem').textContent.includes('still running')")
    assert log(review) == []


def test_decisions_of_other_programs_appear(page, review):
    Decisions(review.work.path / "decisions.jsonl").add((0, "a/000.png"), "drop")
    page.reload()
    ready(page)
    assert verdict(page, "a/000.png").text_content() == "✕ drop"


def test_nothing_comes_from_elsewhere(tab, home):
    page = tab("about:blank")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{home}/?token={TOKEN}")
    ready(page)
    assert asked and all(re.match(rf"{home}/|data:", url) for url in asked)

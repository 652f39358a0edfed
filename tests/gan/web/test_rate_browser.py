"""The rating page in a headless Chromium: keys, touch, undo, limited time, flags, tabs, colours, a phone."""

import contextlib

import pytest

from gan.jobs.rating_answers import Answers
from gan.web.rate.pages import app
from tests.gan.jobs.rating_studies import study
from tests.gan.web.conftest import TOKEN, served

PHONE = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True}


@pytest.fixture
def started(tab, tmp_path):
    """started(kind, **more): (page, answers, link) of a new study; the page waits for its first answer."""
    with contextlib.ExitStack() as stack:

        def start(kind, options=None, **more):
            made = study(tmp_path, kind, **more)
            answers = Answers(made)
            link = f"{stack.enter_context(served(app(answers, TOKEN)))}/as/{next(iter(made.keys))}"
            page = tab(f"{link}?token={TOKEN}", **(options or {}))
            begin(page)
            return page, answers, link

        yield start


def begin(page):
    page.locator("#begin").click()
    ready(page)


def ready(page, done=0):
    """Once so many are answered, and the next can be."""
    page.wait_for_function(
        """done => document.querySelector('#count').textContent.startsWith(`${done} of `)
          && document.querySelector('.answers button:enabled')""",
        arg=done,
    )


def given(answers, rater=0):
    return [line["answer"] for line in answers.of(rater).values()]


def test_pairs_by_keys(started):
    page, answers, link = started("pairs", catch=0)
    assert page.url == link  # the token is gone from it
    for done, key in enumerate(("ArrowLeft", "ArrowRight", "ArrowDown"), 1):
        page.keyboard.press(key)
        ready(page, done)
    assert given(answers) == ["left", "right", "tie"]
    page.keyboard.press("u")
    ready(page, 2)
    page.keyboard.press("ArrowLeft")
    ready(page, 3)
    assert given(answers) == ["left", "right", "left"]
    assert all(0 <= line["ms"] < 60_000 for line in answers.of(0).values())
    shown = page.evaluate("[...document.querySelectorAll('.picture img')].map((i) => i.naturalWidth)")
    assert shown == [48, 48]


def test_to_the_end_and_back(started):
    page, answers, _ = started("pairs", count=2, catch=0)
    page.keyboard.press("ArrowLeft")
    ready(page, 1)
    page.locator("[data-answer=tie]").click()
    page.wait_for_selector("#end:visible")
    assert given(answers) == ["left", "tie"] and page.locator("#progress").get_attribute("value") == "2"
    page.locator("#undo").click()
    ready(page, 1)
    page.locator(".picture[data-answer=right]").click()
    page.wait_for_selector("#end:visible")
    assert given(answers) == ["left", "right"]


def test_it_goes_on_after_a_reload(started):
    page, answers, _ = started("quality", catch=0)
    page.keyboard.press("4")
    ready(page, 1)
    page.reload()
    page.wait_for_selector("#begin:visible")
    assert page.locator("#begin").text_content() == "Go on"
    page.locator("#begin").press("Enter")
    ready(page, 1)
    page.locator(".answers [data-answer='2']").click()
    ready(page, 2)
    assert given(answers) == [4, 2]


def test_a_limited_time(started):
    page, answers, _ = started("real-or-fake", count=12, catch=0, time_limit=400)
    watch = """() => new Promise((done) => {
      const mask = document.querySelector("#mask");
      let from = 0;
      setTimeout(() => done(0), 20_000);
      new MutationObserver(() => {
        if (mask.hidden) from = performance.now();
        else if (from) done(performance.now() - from);
      }).observe(mask, { attributes: true });
      document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft", bubbles: true }));
    })"""
    visible = page.evaluate(watch)
    ready(page, 1)
    assert 390 <= visible < 1500  # late by what a loaded machine needs, never early
    assert page.locator("#mask").is_visible() and page.locator(".picture img").get_attribute("src") is None
    assert given(answers) == ["real"]
    page.keyboard.press("u")  # no second look
    ready(page, 0)
    assert page.locator(".picture img").get_attribute("src") is None
    page.keyboard.press("f")
    ready(page, 1)
    assert given(answers) == ["fake"]


def test_keys_before_the_picture_is_gone_do_nothing(started):
    page, answers, _ = started("real-or-fake", count=12, catch=0, time_limit=2000)
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("() => document.querySelector('#count').textContent.startsWith('1 of')")
    page.keyboard.press("ArrowRight")
    ready(page, 1)
    assert given(answers) == ["real"]


def test_flags_by_keys(started):
    page, answers, _ = started("flags", catch=0)
    page.keyboard.press("Enter")
    ready(page, 1)
    page.keyboard.press("1")
    page.keyboard.press("4")
    page.keyboard.press("2")
    page.keyboard.press("2")  # and back
    assert page.locator("#next").text_content().startswith("Save")
    page.locator("#note").fill("u2 six fingers")
    page.keyboard.press("Enter")
    ready(page, 2)
    want = [{"flags": [], "note": ""}, {"flags": ["artifact", "memorised"], "note": "u2 six fingers"}]
    assert given(answers) == want
    assert page.locator("[data-flag][aria-pressed=true]").count() == 0
    assert page.locator("#note").input_value() == ""


def test_two_tabs_of_one_rater(started, tab):
    page, answers, link = started("pairs", catch=0)
    other = tab.attach(page.context, link)
    begin(other)
    page.keyboard.press("ArrowLeft")
    ready(page, 1)
    other.keyboard.press("ArrowRight")
    other.wait_for_function(
        "() => document.querySelector('#problem').textContent.includes('answered by now')"
    )
    ready(other, 1)
    assert given(answers) == ["left"]
    other.keyboard.press("ArrowRight")
    ready(other, 2)
    assert given(answers) == ["left", "right"]


def test_a_server_that_is_gone_loses_no_answer(tab, tmp_path):
    made = study(tmp_path, "pairs", catch=0)
    answers = Answers(made)
    with served(app(answers, TOKEN)) as home:
        page = tab(f"{home}/as/{next(iter(made.keys))}?token={TOKEN}")
        begin(page)
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("() => document.querySelector('#problem').textContent.includes('does not answer')")
    assert page.locator("[data-answer=tie]").is_enabled() and given(answers) == []


@pytest.mark.parametrize("kind", ["pairs", "real-or-fake", "quality", "flags"])
def test_a_phone(started, kind):
    page, answers, _ = started(kind, PHONE, count=12, catch=0)
    box = page.evaluate("""() => ({
      wide: document.documentElement.scrollWidth, high: document.documentElement.scrollHeight,
      targets: [...document.querySelectorAll(".answers button")].map((b) => b.getBoundingClientRect())
        .map((r) => [r.width, r.height, r.bottom, r.right]) })""")
    assert box["wide"] <= 390 and box["high"] <= 780
    for width, height, bottom, right in box["targets"]:
        assert width >= 44 and height >= 44 and bottom <= 780 and right <= 390
    page.locator("#next" if kind == "flags" else ".answers button").first.tap()
    ready(page, 1)
    assert len(given(answers)) == 1


def test_what_a_screen_reader_hears(started):
    page, _, _ = started("pairs", catch=0)
    assert page.locator("#live").text_content() == "Picture 1 of 12"
    names = page.evaluate("""() => [...document.querySelectorAll("button, input, progress")]
      .filter((e) => !(e.getAttribute("aria-label") || e.textContent.trim())).length""")
    assert names == 0
    assert page.locator("[role=group]").get_attribute("aria-labelledby") == "question"
    page.keyboard.press("ArrowLeft")
    ready(page, 1)
    assert page.locator("#live").text_content() == "Picture 2 of 12"


def test_both_colours(started):
    page, _, _ = started("quality", {"color_scheme": "dark"}, catch=0)
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.locator("#theme").click()
    assert dark == "rgb(21, 24, 28)" and page.evaluate(ground) == "rgb(255, 255, 255)"


def test_the_page_takes_nothing_from_elsewhere(started):
    page, _, link = started("flags", catch=0)
    loaded = page.evaluate("performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert loaded and all(name.startswith(link.partition("/as/")[0]) for name in loaded)
    assert not any(word in name for name in loaded for word in ("alpha", "beta"))

"""Jobs of the explore page in a headless Chromium; tabs, other models, colours, a phone, screen readers."""

import functools

import numpy as np
import pytest

from gan.latents.drag import Settings
from gan.web.explore import model as models
from gan.web.explore import work
from gan.web.explore.pages import app
from gan.web.explore.state import Point
from tests.gan.jobs.test_uploads import PNG
from tests.gan.runs import write_run
from tests.gan.web import explored
from tests.gan.web.conftest import TOKEN, served
from tests.gan.web.driven import ended, opened, pixels, point, ready, rgba, typed


def test_projection(page, model):
    first, panel = pixels(page), opened(page, "project")
    assert panel.locator("#project-start").is_disabled()
    panel.locator("#upload").set_input_files({"name": "mine.png", "mimeType": "image/png", "buffer": PNG})
    page.wait_for_selector("#project-start:not([disabled])")
    panel.get_by_label("Distance").select_option("pixels")
    typed(panel.get_by_label("Steps, value", exact=True), 12)
    panel.locator("#project-start").click()
    ended(page, "project", "PSNR")
    assert pixels(page) == rgba(model.renderer.image(point(page))) != first
    assert point(page).latent
    typed(panel.get_by_label("Steps, value", exact=True), 5000)
    panel.locator("#project-start").click()
    page.wait_for_function("() => document.querySelector('#panel-project progress').value > 0.002")
    panel.locator("#project-stop").click()
    ended(page, "project", "PSNR")
    page.locator("#undo").click()
    page.locator("#undo").click()
    assert pixels(page) == first


def test_a_file_that_is_none(page):
    panel = opened(page, "project")
    panel.locator("#upload").set_input_files({"name": "x.png", "mimeType": "image/png", "buffer": b"hello"})
    page.wait_for_function(
        "() => document.querySelector('#upload-error').textContent.includes('PNG, JPEG or WebP')"
    )
    assert panel.locator("#project-start").is_disabled()


@pytest.fixture
def few_steps(monkeypatch):
    """Drags end after a few steps: the way they went is seen by then."""
    monkeypatch.setattr(work.drag, "Settings", functools.partial(Settings, steps=24))


def test_drag(page, model, few_steps):
    first, panel = pixels(page), opened(page, "drag")
    panel.locator("#drag-place[aria-pressed=true]").wait_for()
    box = page.locator("#figures canvas").bounding_box()
    for share in (0.4, 0.6):
        page.mouse.click(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
    fields = panel.locator(".pair.points input")
    values = [float(fields.nth(i).input_value()) for i in range(4)]
    assert values == pytest.approx([12.3, 15.5, 18.7, 15.5], abs=0.2)
    typed(panel.get_by_label("Pair 1, target x"), 16)
    typed(panel.get_by_label("Step size, value"), 0.05)
    panel.locator("#drag-start").click()
    ended(page, "drag", "steps")
    assert pixels(page) == rgba(model.renderer.image(point(page))) != first
    panel.locator("#drag-clear").click()
    panel.locator(".pair.points").first.wait_for(state="detached")
    assert panel.locator(".pair.points").count() == 0 and page.locator(".overlay circle").count() == 0
    page.locator("#undo").click()
    assert pixels(page) == first


def test_a_rectangle_of_what_may_move(page, model, few_steps):
    panel, first = opened(page, "drag"), rgba(model.renderer.image(Point()))
    panel.locator("#drag-add").click()
    for name, value in (("handle x", 6), ("handle y", 8), ("target x", 12), ("target y", 8)):
        typed(panel.get_by_label(f"Pair 1, {name}"), value)
    edges = [panel.get_by_label(f"What may move, {name}") for name in ("left", "top", "right", "bottom")]
    assert [edge.input_value() for edge in edges] == ["0", "0", "31", "31"]
    assert page.locator(".overlay .kept").count() == 0
    panel.locator("#area-draw").click()
    box = page.locator("#figures canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 4)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.7, steps=3)
    page.mouse.up()
    assert [int(edge.input_value()) for edge in edges] == pytest.approx([8, 8, 19, 22], abs=1)
    assert panel.locator("#area-draw").get_attribute("aria-pressed") == "false"
    for edge, value in zip(edges, (0, 0, 15, 31), strict=True):
        typed(edge, value)
    assert page.locator(".overlay .kept").count() == 1
    typed(panel.get_by_label("Step size, value"), 0.05)
    panel.locator("#drag-start").click()
    ended(page, "drag", "steps")
    kept = pixels(page)
    assert kept == rgba(model.renderer.image(point(page))) != first
    page.locator("#undo").click()
    panel.locator("#area-clear").click()
    assert page.locator(".overlay .kept").count() == 0
    panel.locator("#drag-clear").click()
    panel.locator("#drag-add").click()
    for name, value in (("handle x", 6), ("handle y", 8), ("target x", 12), ("target y", 8)):
        typed(panel.get_by_label(f"Pair 1, {name}"), value)
    panel.locator("#drag-start").click()
    ended(page, "drag", "steps")
    assert apart(kept, first)[:, 16:].mean() < apart(pixels(page), first)[:, 16:].mean()


def apart(one, other):
    """How far apart pictures of 32x32 are in each pixel [H, W]."""
    pictures = (np.frombuffer(data, np.uint8).reshape(32, 32, 4).astype(int) for data in (one, other))
    return abs(next(pictures) - next(pictures)).mean(axis=2)


def test_a_model_is_tuned_and_shown(tab, tmp_path):
    run = models.opened(write_run(tmp_path / "00000-demo-tiny"), "cpu")
    with explored.workshop(run, folder=tmp_path / "tuned") as shop, served(app(shop, TOKEN)) as home:
        page = ready(tab(f"{home}/?token={TOKEN}"))
        panel = opened(page, "project")
        panel.locator("#upload").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": PNG})
        page.wait_for_selector("#project-start:not([disabled])")
        panel.get_by_label("Distance").select_option("pixels")
        panel.get_by_role("button", name="pti").click()
        for name in ("Steps", "Tuning steps"):
            typed(panel.get_by_label(f"{name}, value", exact=True), 12)
        panel.locator("#project-start").click()
        page.wait_for_url("**/?model=*")
        ready(page)
        [tuned] = shop.tuned.values()
        assert "tuned" in page.locator(".names").text_content()
        assert pixels(page) == rgba(tuned.renderer.image(point(page)))
        assert pixels(page) != rgba(run.renderer.image(point(page)))
        page.go_back()
        ready(page)
        assert "tuned" not in page.locator(".names").text_content()


def test_favourites_and_nearest_images(page, tab, home, own_cache):
    typed(page.locator("#panel-seed").get_by_label("Seed", exact=True), 8)
    wanted = pixels(page)
    page.keyboard.press("f")
    panel = opened(page, "tray")
    assert panel.locator("#tray .cell").count() == 1
    page.keyboard.press("r")
    pixels(page)
    panel.get_by_label("Favourite 1: show it").click()
    assert pixels(page) == wanted
    panel.locator("#nearest-start").click()
    page.wait_for_selector("#near figure >> nth=5", timeout=60_000)
    again = ready(tab.attach(page.context, home))
    assert opened(again, "tray").locator("#tray .cell").count() == 1
    again.get_by_label("Favourite 1: remove it").click()
    assert again.locator("#tray .cell").count() == 0


def test_two_tabs_do_not_disturb_each_other(page, tab, home):
    first = pixels(page)
    other = ready(tab.attach(page.context, home))
    other.keyboard.press("r")
    assert pixels(other) != first
    page.wait_for_timeout(200)
    assert pixels(page) == first and page.locator("#history [role=option]").count() == 1


def test_stylegan3_beside_another_model(tab):
    moving, second = explored.model(explored.stylegan3_t()), explored.model(explored.plain(), "other")
    with explored.workshop(moving, second) as shop, served(app(shop, TOKEN)) as home:
        page = ready(tab(f"{home}/?token={TOKEN}"))
        assert pixels(page, 1) == rgba(second.renderer.image(Point()))
        panel = page.locator("#panel-placement")
        typed(panel.get_by_label("Right, value"), 0.25)
        typed(panel.get_by_label("Turn, value"), 90)
        wanted = Point(shift=(0.25, 0.0), turn=90.0)
        assert pixels(page) == rgba(moving.renderer.image(wanted))
        assert pixels(page, 1) == rgba(second.renderer.image(Point()))
        page.keyboard.press("ArrowRight")
        assert pixels(page, 1) == rgba(second.renderer.image(Point(seed=1)))


def test_a_model_without_styles_says_so(tab):
    with explored.workshop(explored.model(explored.plain())) as shop, served(app(shop, TOKEN)) as home:
        page = ready(tab(f"{home}/?token={TOKEN}"))
        names = [panel.get_attribute("id") for panel in page.locator("details.panel").all()]
        assert names == [f"panel-{name}" for name in ("seed", "directions", "project", "path", "tray")]
        assert "no style space" in page.locator("#panel-seed").text_content()
        assert page.locator("#save-latent").is_hidden()


def test_light_dark_and_narrow(tab, home):
    page, colours = ready(tab(f"{home}/?token={TOKEN}")), {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.reload()
        ready(page)
        colours[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert colours == {"light": "rgb(255, 255, 255)", "dark": "rgb(21, 24, 28)"}
    phone = ready(tab(f"{home}/?token={TOKEN}", viewport={"width": 360, "height": 740}, has_touch=True))
    assert phone.evaluate("document.documentElement.scrollWidth") <= 360
    phone.locator("#random").click()
    pixels(phone)
    phone.evaluate("scrollTo(0, 600)")
    assert phone.locator("#figures canvas").bounding_box()["y"] >= 0  # the picture stays in view


def test_every_control_has_a_name(page):
    page.evaluate("document.querySelectorAll('details.panel').forEach((panel) => { panel.open = true; })")
    page.get_by_label("pca1, value").wait_for()
    kinds = "button, select, input, canvas:not([aria-hidden]), [role=application]"
    unnamed = page.evaluate(
        """(kinds) => [...document.querySelectorAll(kinds)]
        .filter((e) => !(e.textContent.trim() || e.getAttribute("aria-label") || e.labels?.length))
        .map((e) => e.outerHTML)""",
        kinds,
    )
    assert unnamed == []
    assert page.get_by_role("img", name="Picture of seed 0").is_visible()
    page.locator("body").press("?")
    assert page.get_by_role("dialog", name="Keys").is_visible()
    page.keyboard.press("r")  # the dialog has the keys
    page.keyboard.press("Escape")
    assert point(page).seed == 0


def test_a_server_that_went_away(tab, model):
    with explored.workshop(model) as shop:
        with served(app(shop, TOKEN)) as home:
            page = ready(tab(f"{home}/?token={TOKEN}"))
        page.wait_for_function("() => document.querySelector('#connection').textContent === 'not connected'")

"""Jobs of the explore page in a headless Chromium; tabs, other models, colours, a phone, screen readers."""

import pytest

from gan.web.explore.pages import app
from gan.web.explore.state import Point
from tests.gan.jobs.test_uploads import PNG
from tests.gan.web import explored
from tests.gan.web.conftest import TOKEN, served
from tests.gan.web.driven import ended, opened, pixels, point, ready, rgba, typed


@pytest.fixture(scope="module")
def model(tiny_zip):
    return explored.model(explored.stylegan(), data=str(tiny_zip))


@pytest.fixture
def home(model):
    with explored.workshop(model) as shop, served(app(shop, TOKEN)) as address:
        yield address


@pytest.fixture
def page(tab, home):
    return ready(tab(f"{home}/?token={TOKEN}"))


def test_projection(page, model):
    first, panel = pixels(page), opened(page, "project")
    assert panel.locator("#project-start").is_disabled()
    panel.locator("#upload").set_input_files({"name": "mine.png", "mimeType": "image/png", "buffer": PNG})
    page.wait_for_selector("#project-start:not([disabled])")
    panel.get_by_label("Distance").select_option("pixels")
    typed(panel.get_by_label("Steps, value"), 40)
    panel.locator("#project-start").click()
    ended(page, "project", "PSNR")
    assert pixels(page) == rgba(model.renderer.image(point(page))) != first
    assert point(page).latent
    typed(panel.get_by_label("Steps, value"), 5000)
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


def test_drag(page, model):
    first, panel = pixels(page), opened(page, "drag")
    box = page.locator("#figures canvas").bounding_box()
    for share in (0.4, 0.6):
        page.mouse.click(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
    fields = panel.locator(".pair input")
    values = [float(fields.nth(i).input_value()) for i in range(4)]
    assert values == pytest.approx([12.3, 15.5, 18.7, 15.5], abs=0.2)
    typed(panel.get_by_label("Pair 1, target x"), 16)
    typed(panel.get_by_label("Step size, value"), 0.05)
    panel.locator("#drag-start").click()
    ended(page, "drag", "steps")
    assert pixels(page) == rgba(model.renderer.image(point(page))) != first
    panel.locator("#drag-clear").click()
    assert panel.locator(".pair").count() == 0 and page.locator(".overlay circle").count() == 0
    page.locator("#undo").click()
    assert pixels(page) == first


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
        assert names == ["panel-seed", "panel-directions", "panel-path", "panel-tray"]
        assert "no style space" in page.locator("#panel-seed").text_content()
        assert page.locator("#save-latent").is_hidden()


def test_light_dark_and_narrow(tab, home):
    colours = {}
    for scheme in ("light", "dark"):
        page = ready(tab(f"{home}/?token={TOKEN}", color_scheme=scheme))
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

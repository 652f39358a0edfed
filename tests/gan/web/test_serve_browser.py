"""The page at / in a headless Chromium: the key, what is made and told, refusals, colours, a phone, keys."""

import contextlib
import json

import pytest

import gan
from gan.jobs.serving.service import Service
from gan.jobs.serving.settings import ServeConfig
from gan.latents.sefa import sefa
from gan.models import direction_files
from tests.gan.runs import write_run
from tests.gan.web.conftest import served

pytest.importorskip("prometheus_client", reason="the extra serve is not installed")
from gan.web.serve.application import application

PHONE = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    found = [write_run(folder / "plain"), write_run(folder / "classes", ("cat", "d'og", "owl"))]
    direction_files.save(sefa(gan.load(found[0]), 3), folder / "sefa.safetensors")
    return found


@pytest.fixture
def server(runs, tmp_path):
    """(address, service, key)"""
    settings = ServeConfig(
        models=tuple(map(str, runs)),
        state=str(tmp_path),
        device="cpu",
        content_filter="off",
        most_images=4,
        directions=(str(runs[0].parent / "sefa.safetensors"),),
    )
    service = Service(settings)
    key = service.keys.create("me", terms="1", attested_by="tests")
    with contextlib.ExitStack() as stack:
        yield stack.enter_context(served(application(service))), service, key


@pytest.fixture
def page(tab, server):
    return tab(server[0])


def connect(page, key):
    page.locator("#key").fill(key)
    page.locator("#connect").click()
    page.wait_for_selector("#wish:enabled")


def is_locked(page):
    return page.evaluate("document.querySelector('#wish').disabled")


def made(page, count=1):
    page.locator("#make").click()
    page.wait_for_function(
        """count => document.querySelectorAll('figure').length === count
          && [...document.querySelectorAll('figure img')].every((i) => i.complete && i.naturalWidth)""",
        arg=count,
    )


def curl_body(page):
    text = page.locator("#curl").text_content()
    return json.loads(text.split("-d '")[1].split("' \\")[0].replace("'\\''", "'"))


def test_an_image_with_verdict_and_marks(page, server):
    connect(page, server[2])
    page.locator("#seeds").fill("11")
    page.locator("#psi").fill("0.5")
    page.locator("#size").fill("64")
    made(page)
    text = page.locator("figure").inner_text()
    assert "Seed 11" in text and "Verdict: allowed" in text and "Marked as AI-generated" in text
    assert page.evaluate("document.querySelector('figure img').naturalWidth") == 64
    assert curl_body(page) == {"model": "plain", "seeds": [11], "psi": 0.5, "size": 64, "format": "png"}
    assert page.locator("#status").text_content().startswith("1 image of plain in ")
    assert page.locator("figure a").get_attribute("download") == "11.png"


def test_all_marks_are_named(page, server):
    def marked(route):
        answer = route.fetch()
        told = {"x-gan-marked": "true", "x-gan-signed": "false", "x-gan-verdict": "blurred:open_nsfw"}
        route.fulfill(response=answer, headers={**answer.headers, **told})

    page.route("**/v1/images", marked)
    connect(page, server[2])
    made(page)
    lines = page.locator("figcaption").inner_text().split("\n")
    assert lines[1:3] == ["Verdict: blurred:open_nsfw", "Marked as AI-generated: metadata, watermark"]


def test_several_of_a_class_come_unpacked(page, server):
    connect(page, server[2])
    page.locator("#model").select_option("classes")
    page.locator("#class").select_option(label="d'og")
    page.locator("#seeds").fill("1-2, 9")
    page.locator("#format").select_option("webp")
    made(page, 3)
    assert [box.split("\n")[0] for box in page.locator("figcaption").all_inner_texts()] == [
        "Seed 1",
        "Seed 2",
        "Seed 9",
    ]
    body = curl_body(page)
    assert (body["class"], body["format"], body["file_format"]) == (1, "zip", "webp")
    assert page.locator("#more a").get_attribute("download") == "images.zip"


def test_along_a_direction(page, server):
    connect(page, server[2])
    assert page.locator("#direction-field").is_visible() and page.locator("#class-field").is_hidden()
    page.locator("#direction").select_option(index=2)
    page.locator("#amount").fill("-3")
    made(page)
    assert curl_body(page)["directions"] == [{"file": "sefa.safetensors", "index": 1, "amount": -3}]
    page.locator("#model").select_option("classes")
    assert page.locator("#direction-field").is_hidden() and "directions" not in curl_body(page)


def test_the_key_is_kept_in_memory_alone(page, server):
    key = server[2]
    connect(page, key)
    made(page)
    kept = page.evaluate(
        "[JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.cookie, location.href]"
    )
    assert not any(key in text for text in kept) and key not in page.content()
    assert key not in page.locator("#curl").text_content()
    page.reload()
    assert page.locator("#key").input_value() == "" and is_locked(page)


def test_refusals_are_told(tab, server):
    home, _, key = server
    page = tab(home)
    page.locator("#connect").click()
    assert "Type your API key" in page.locator("#problem").text_content()
    connect(page, key)
    page.locator("#seeds").fill("1-9")
    page.locator("#make").click()
    assert "makes 4 images at once" in page.locator("#problem").text_content()
    page.locator("#seeds").fill("x")
    page.locator("#make").click()
    assert '"x" is none' in page.locator("#problem").text_content()
    assert not page.locator("figure").count()


def test_a_wrong_key_is_told(chromium, server):
    context = chromium.new_context()  # Chromium logs the answer 401 as an error of the page
    page = context.new_page()
    page.goto(server[0])
    page.locator("#key").fill("gan_wrong")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('#problem').textContent")
    assert "No valid API key" in page.locator("#problem").text_content()
    assert is_locked(page)
    assert page.evaluate("document.activeElement.id") == "key"
    context.close()


def test_by_keyboard(page, server):
    page.locator("#key").focus()
    page.keyboard.type(server[2])
    page.keyboard.press("Enter")
    page.wait_for_selector("#wish:enabled")
    page.locator("#seeds").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("figure")
    names = page.evaluate(
        """[...document.querySelectorAll('input, select, button, output')]
          .filter((e) => !(e.labels?.length || e.textContent.trim() || e.ariaLabel)).map((e) => e.id)"""
    )
    assert names == []  # everything has a label


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_and_a_phone(tab, server, scheme):
    page = tab(server[0], color_scheme=scheme, **PHONE)
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(21, 24, 28)"}[scheme]
    connect(page, server[2])
    page.locator("#seeds").fill("1-4")
    made(page, 4)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    small = page.evaluate(
        """[...document.querySelectorAll('form button, form select, form input:not([type=range])')]
          .filter((e) => e.offsetParent && e.getBoundingClientRect().height < 44).map((e) => e.id)"""
    )
    assert small == []


def test_the_page_says_what_it_may_load(server):
    import urllib.request

    with urllib.request.urlopen(server[0], timeout=30) as answer:
        policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy and "unsafe" not in policy and "default-src 'none'" in policy
    with urllib.request.urlopen(f"{server[0]}/static/page/try.js", timeout=30) as answer:
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert "localStorage" not in answer.read().decode()

"""The explore page as a test drives it: what it shows, its panels, and typing into their fields."""

from gan.images import to_pil
from gan.web.explore import state

PIXELS = """([side]) => {
  const canvas = document.querySelectorAll("#figures canvas")[side];
  return Array.from(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data); }"""
DRAWN = """() => {
  const asked = document.body.dataset.asked;
  const canvases = [...document.querySelectorAll("#figures canvas")];
  return asked && canvases.every((c) => c.dataset.serial === asked && c.dataset.moving === "false"); }"""


def ready(page):
    page.set_default_timeout(60_000)
    page.wait_for_function(DRAWN)
    return page


def pixels(page, side=0):
    """Bytes RGBA of what is shown, once it is what was asked for last."""
    page.wait_for_timeout(60)  # a frame, in which the page asks
    page.wait_for_function(DRAWN)
    return bytes(page.evaluate(PIXELS, [side]))


def rgba(image):
    return to_pil(image).convert("RGBA").tobytes()


def point(page):
    """The point in the address."""
    return state.from_fragment(page.evaluate("location.hash.slice(1)")).point


def opened(page, name):
    """The panel of that name, open."""
    panel = page.locator(f"#panel-{name}")
    if panel.get_attribute("open") is None:
        panel.locator("summary").click()
    return panel


def typed(field, value):
    field.fill(str(value))
    field.press("Tab")


def ended(page, job, words):
    page.wait_for_function(
        "([id, words]) => document.getElementById(id).textContent.includes(words)",
        arg=[f"{job}-words", words],
    )

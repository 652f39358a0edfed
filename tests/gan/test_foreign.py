"""What a file is that is not what was meant: named with a remedy, wherever files of strangers are read."""

import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from gan import foreign
from gan.errors import UserError
from gan.models import checkpoint
from gan.models.importing.snapshot import convert
from metrics.networks import weights
from tests.gan.models.test_strangers import written
from training.data.images import open_dataset

PAGE = b"\xef\xbb\xbf\n  <!DOCTYPE html><html><body>Sign in</body></html>"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"
STAND_INS = {
    b"": "is empty: the download or the copy failed",
    PAGE: "is a web page, not the file itself: open its address in a browser",
    b"<html><head>": "is a web page",
    POINTER: "is a git-lfs pointer, not the file itself: run `git lfs pull`",
    b'{"error": "not found"}': "is JSON, perhaps a server's answer",
}


def test_content_that_is_what_it_should_be_is_left_alone(tmp_path):
    save_file({"a": torch.ones(3), "empty": torch.ones(0)}, tmp_path / "a.safetensors")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("x", "y")
        archive.comment = b"c" * 60_000
    np.save(tmp_path / "c.npy", np.ones(3))
    (tmp_path / "d").write_bytes(b"{not json")
    for path in tmp_path.iterdir():
        assert foreign.stand_in(path) is None, path
        assert foreign.cut_short(path) is None, path
    assert foreign.stand_in(tmp_path / "absent") is None
    assert foreign.cut_short(tmp_path / "absent") is None
    assert foreign.explained(tmp_path / "b.zip", "a zip archive") is None
    assert foreign.explained(tmp_path / "c.npy", "a zip archive").startswith("is a NumPy file, not a zip")


@pytest.mark.parametrize("data", STAND_INS)
def test_stand_ins_are_named_everywhere(tmp_path, monkeypatch, data):
    words = STAND_INS[data]
    path = tmp_path / "x.safetensors"
    path.write_bytes(data)
    assert words in foreign.stand_in(path)
    for name in ("x.zip", "x.pkl", "x.pth"):
        (tmp_path / name).write_bytes(data)
    for work in (
        lambda: weights.read(path),
        lambda: weights.read(tmp_path / "x.pth"),
        lambda: convert(tmp_path / "x.pkl", tmp_path / "out"),
        lambda: open_dataset(tmp_path / "x.zip"),
    ):
        with pytest.raises(UserError) as caught:
            work()
        assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("data", STAND_INS)
def test_stand_ins_in_a_checkpoint(tmp_path, data):
    """A clone without git-lfs has pointers in place of the weights, and a manifest of the real ones."""
    written(tmp_path / "a")
    (tmp_path / "a" / "generator.safetensors").write_bytes(data)
    with pytest.raises(UserError) as caught:
        checkpoint.read(tmp_path / "a")
    assert f"generator.safetensors {STAND_INS[data]}" in str(caught.value)


def test_a_pointer_in_place_of_the_config(tmp_path):
    written(tmp_path / "a")
    (tmp_path / "a" / "manifest.json").write_bytes(POINTER)
    with pytest.raises(UserError, match=r"manifest\.json is a git-lfs pointer"):
        checkpoint.read(tmp_path / "a")


@pytest.mark.parametrize("kept", [9, 40, -1])
def test_truncated_weights(tmp_path, kept):
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.ones(1000)}, path)
    data = path.read_bytes()
    path.write_bytes(data[:kept])
    with pytest.raises(UserError, match=r"x\.safetensors is cut short, .* of .* bytes or more: fetch"):
        weights.read(path)


def test_truncated_archives(tmp_path):
    torch.save({"a": torch.ones(1000)}, tmp_path / "x.pth")
    data = (tmp_path / "x.pth").read_bytes()
    for name in ("x.pth", "x.pt", "x.zip"):
        (tmp_path / name).write_bytes(data[:-100])
    for work in (
        lambda: weights.read(tmp_path / "x.pth"),
        lambda: convert(tmp_path / "x.pt", tmp_path / "out"),
        lambda: open_dataset(tmp_path / "x.zip"),
    ):
        with pytest.raises(UserError, match="is cut short, at"):
            work()


def test_other_kinds(tmp_path):
    Image.new("RGB", (2, 2)).save(tmp_path / "x.png")
    data = (tmp_path / "x.png").read_bytes()
    for name in ("x.pth", "x.pkl", "x.zip"):
        (tmp_path / name).write_bytes(data)
    with pytest.raises(UserError, match="is a PNG picture, not a file of weights: give a .pth"):
        weights.read(tmp_path / "x.pth")
    with pytest.raises(UserError, match="is a PNG picture, not a snapshot: give the .pkl"):
        convert(tmp_path / "x.pkl", tmp_path / "out")
    with pytest.raises(UserError, match="is a PNG picture, not a zip archive: name the right file"):
        open_dataset(tmp_path / "x.zip")


@pytest.mark.parametrize("name", ["w.pth", "w.pth.part"], ids=["in the cache", "just fetched"])
def test_a_page_in_place_of_published_weights(tmp_path, name):
    file = weights.WeightFile(name="w.pth", url="https://example.org/w.pth", sha256="0" * 64, what="a test")
    (tmp_path / name).write_bytes(PAGE)
    with pytest.raises(UserError, match=r"w\.pth.* is a web page, not the file itself"):
        weights._checked(file, tmp_path / name)
    assert (tmp_path / name).exists() == (name == "w.pth")

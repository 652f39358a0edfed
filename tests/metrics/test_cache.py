"""Cache of statistics: round trip, damage, other keys, no place to write."""

import pytest
import torch

from gan.files import cache_folder
from metrics import cache

KEY = {"data_sha256": "ab", "detector": "untrained", "convention": "32px"}


@pytest.fixture(autouse=True)
def place(monkeypatch, tmp_path):
    monkeypatch.setenv("GAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def tensors() -> dict[str, torch.Tensor]:
    return {"sum": torch.arange(5.0, dtype=torch.float64), "count": torch.tensor([3])}


def test_round_trip():
    assert cache.load(KEY) is None
    cache.store(KEY, tensors())
    again = cache.load(KEY)
    assert again.keys() == tensors().keys()
    assert all(torch.equal(again[name], t) and again[name].dtype == t.dtype for name, t in tensors().items())


@pytest.mark.parametrize("name", KEY)
def test_any_part_of_the_key_counts(name):
    cache.store(KEY, tensors())
    assert cache.load({**KEY, name: "other"}) is None


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_damage_is_a_miss_and_is_replaced(place, damage):
    cache.store(KEY, tensors())
    (path,) = place.rglob("*.safetensors")
    data = path.read_bytes()
    path.write_bytes({"flip": data[:-1] + bytes([data[-1] ^ 1]), "cut": data[:-8], "empty": b""}[damage])
    assert cache.load(KEY) is None
    cache.store(KEY, tensors())
    assert cache.load(KEY) is not None


def test_an_entry_under_another_name_is_a_miss(place):
    cache.store(KEY, tensors())
    (path,) = place.rglob("*.safetensors")
    other = {**KEY, "detector": "other"}
    cache.store(other, tensors())
    for entry in place.rglob("*.safetensors"):
        entry.write_bytes(path.read_bytes())
    assert cache.load(KEY) is not None and cache.load(other) is None


def test_unwritable_place_is_reported_once(monkeypatch, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GAN_CACHE", str(tmp_path / "file"))
    for _ in range(2):
        cache.store(KEY, tensors())
        assert cache.load(KEY) is None
    captured = capsys.readouterr()
    assert captured.err.count("measured again each time") == 1 and not captured.out


def test_default_place(monkeypatch, tmp_path):
    monkeypatch.delenv("GAN_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "gan"

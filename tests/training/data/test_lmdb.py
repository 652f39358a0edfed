"""An LMDB of image files: read by key, from several processes, with what else lies in it."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from gan.errors import UserError
from tests.training.data.test_archive import PIXELS, png
from training.data import listing, lmdb_files
from training.data.archive import Archive
from training.data.faults import DataError
from training.data.images import open_dataset
from training.data.sampler import batches

lmdb = pytest.importorskip("lmdb")
KEYS = ["8-00000", "8-00001", "b\udcff", "ä"]  # as some tools number them, no UTF-8, and any other


def write(path, values, *, subdir=True):
    place = {"path": str(path), "map_size": 2**24, "subdir": subdir}
    with lmdb.open(**place) as environment, environment.begin(write=True) as transaction:
        for key, value in values.items():
            transaction.put(key.encode(errors="surrogateescape"), value)
    return path


def images(**more):
    return {key: png(pixels) for key, pixels in zip(KEYS, PIXELS, strict=True)} | more


@pytest.mark.parametrize("subdir", [True, False])
def test_images_by_key(subdir, tmp_path):
    path = write(tmp_path / "set.lmdb", images(length=b"4", empty=b""), subdir=subdir)
    dataset = open_dataset(path)
    order = sorted(range(4), key=KEYS.__getitem__)
    assert list(dataset.source.names) == sorted(KEYS) and dataset.left_out is None
    for i, number in enumerate(order):
        assert np.array_equal(dataset.image(i), PIXELS[number].transpose(2, 0, 1))
    assert dataset.source.head(0, 4) == b"\x89PNG"


def test_labels_by_an_index_within(tmp_path):
    labels = [[key, i % 2] for i, key in enumerate(KEYS)]
    index = json.dumps({"labels": labels, "classes": ["a", "b"]}).encode()
    dataset = open_dataset(write(tmp_path / "set", images(**{"dataset.json": index})))
    assert dataset.classes == ["a", "b"] and len(dataset) == 4
    assert dict(zip(dataset.source.names, dataset.labels, strict=True)) == dict(labels)


def test_processes_that_decode_open_it_themselves(tmp_path, monkeypatch):
    monkeypatch.setattr("training.data.images.CACHE_BYTES", 0)
    dataset = open_dataset(write(tmp_path / "set", images()))
    options = {"batch_size": 2, "seed": 1}
    alone = [next(taken)[0] for taken in [batches(dataset, **options)] for _ in range(4)]
    ahead = [next(taken)[0] for taken in [batches(dataset, workers=2, **options)] for _ in range(4)]
    assert all(torch.equal(one, other) for one, other in zip(alone, ahead, strict=True))


def test_threads_share_it(tmp_path):
    source = Archive(write(tmp_path / "set", images()))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: source.image(i % 4).tobytes(), range(200)))
    assert found == [source.image(i % 4).tobytes() for i in range(200)]


def test_twice_in_one_process_and_once_listed(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(listing, "KEPT", 1)
    monkeypatch.setattr(listing, "SETTLED", 0)
    path = write(tmp_path / "set", images())
    first = open_dataset(path)
    monkeypatch.setattr(lmdb_files.LmdbFiles, "_listed", lambda _: pytest.fail("listed again"))
    second = open_dataset(path)
    assert first.sha256 == second.sha256 and np.array_equal(first.image(3), second.image(3))


def test_what_is_wrong_is_named(tmp_path, monkeypatch):
    (tmp_path / "junk.lmdb").write_bytes(b"junk" * 5000)
    with pytest.raises(DataError, match=r"junk\.lmdb is not a readable LMDB"):
        open_dataset(tmp_path / "junk.lmdb")
    with pytest.raises(DataError, match="holds|empty"):
        open_dataset(write(tmp_path / "none", {"length": b"0"}))
    other = Archive(write(tmp_path / "set", images()))
    other._files.listing = listing.listed(["no such key"])
    with pytest.raises(DataError, match="not in the LMDB any more"):
        other.image(0)
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(UserError, match=r'is an LMDB, which needs lmdb: .*pip install -e "\.\[data\]"'):
        open_dataset(tmp_path / "set")

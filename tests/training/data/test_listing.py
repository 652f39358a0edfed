"""Listings of large sets: kept once, mapped by all, and never of a file that has changed since."""

import os
import pickle
import shutil
import zipfile

import numpy as np
import pytest

from tests.training.data.test_archive import PIXELS, png
from training.data import directory, files, listing
from training.data.archive import Archive
from training.data.images import open_dataset
from training.data.listing import HIDDEN, IMAGE, OTHER, listed


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache, in which listings of any length are kept at once."""
    monkeypatch.setenv("GAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(listing, "KEPT", 1)
    monkeypatch.setattr(listing, "SETTLED", 0)
    return tmp_path / "cache"


@pytest.fixture
def reads(monkeypatch):
    """The zips whose directory was read."""
    found = []
    monkeypatch.setattr(files, "directory", lambda path: found.append(path) or directory.directory(path))
    return found


def write(path, *values):
    with zipfile.ZipFile(path, "w") as archive:
        for i, value in enumerate(values):
            archive.writestr(f"{i}.png", png(np.full_like(PIXELS[0], value)))
        archive.writestr("dataset.json", '{"labels": null}')
    return path


def test_names_by_number_and_by_name():
    names = ["", ".hidden/a.png", "a.png", "b/ä.PNG", "b/\udcff.txt", "z"]
    found = listed(names)
    assert list(found.names) == names and len(found.names) == 6
    assert [found.names.number(name) for name in names] == list(range(6))
    assert found.names.number("a.pn") is None and found.names.number("zz") is None
    kinds = [found.numbers(kind).tolist() for kind in (IMAGE, OTHER, HIDDEN)]
    assert kinds == [[2, 3], [0, 4, 5], [1]]
    assert list(found.names.taken(np.array([3, 1]))) == ["b/ä.PNG", ".hidden/a.png"]
    assert listed([]).table.shape == (0, 3)


def test_a_zip_is_read_once_and_mapped_from_then_on(tmp_path, reads):
    path = write(tmp_path / "set.zip", 1, 2)
    first = open_dataset(path)
    second = open_dataset(path)
    assert len(reads) == 1 and second.sha256 == first.sha256
    for dataset in (first, second):
        assert [dataset.image(i)[0, 0, 0] for i in range(2)] == [1, 2]
        assert isinstance(dataset.source._files.listing.table, np.memmap)
    sent = pickle.dumps(second.source._files.listing)
    assert len(sent) < 500 and list(pickle.loads(sent).names) == ["0.png", "1.png", "dataset.json"]


def test_one_that_changed_is_read_again(tmp_path, reads):
    path = write(tmp_path / "set.zip", 1, 2)
    before = Archive(path).fingerprint
    write(path, 3, 4, 5)
    assert len(Archive(path)) == 3 and Archive(path).fingerprint != before
    times = path.stat().st_mtime_ns
    write(path, 6, 7, 8)
    os.utime(path, ns=(times, times))  # as a copying tool may set it
    assert Archive(path).image(0)[0, 0, 0] == 6
    assert len(reads) == 3


@pytest.mark.parametrize("name", ["text.npy", "table.npy", "key"])
@pytest.mark.parametrize("content", [b"", b"junk", None])
def test_a_damaged_listing_is_made_again(name, content, tmp_path, reads, cache):
    path = write(tmp_path / "set.zip", 1, 2)
    Archive(path)
    [kept] = (cache / "listings").iterdir()
    (kept / name).unlink() if content is None else (kept / name).write_bytes(content)
    assert Archive(path).image(1)[0, 0, 0] == 2
    assert len(reads) == 2


def test_places_beyond_the_names_are_a_damaged_listing(tmp_path, reads, cache):
    path = write(tmp_path / "set.zip", 1, 2)
    Archive(path)
    [kept] = (cache / "listings").iterdir()
    np.save(kept / "text.npy", np.zeros(3, np.uint8))
    assert list(Archive(path).names) == ["0.png", "1.png"]


def test_without_a_cache_it_costs_only_time(tmp_path, reads, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GAN_CACHE", str(tmp_path / "file"))
    path = write(tmp_path / "set.zip", 1, 2)
    assert [len(Archive(path)) for _ in range(2)] == [2, 2] and len(reads) == 2


def test_short_and_new_ones_are_not_kept(tmp_path, cache, monkeypatch):
    path = write(tmp_path / "set.zip", 1, 2)
    monkeypatch.setattr(listing, "KEPT", 4)
    Archive(path)
    monkeypatch.setattr(listing, "KEPT", 1)
    monkeypatch.setattr(listing, "SETTLED", 3600e9)
    Archive(path)
    assert not cache.exists()


def test_a_mapped_listing_outlives_its_replacement(tmp_path, cache):
    path = write(tmp_path / "set.zip", 1, 2)
    dataset = open_dataset(path)
    shutil.rmtree(cache)
    assert dataset.image(1)[0, 0, 0] == 2

"""Several processes open one data set: the first alone looks through its folder, or reads its directory."""

import os

import pytest

from gan import distributed
from gan.config import override
from gan.jobs import training
from tests.training.data.test_archive import members, write_folder, write_zip
from training.config import RunConfig
from training.data import files, listing
from training.data.faults import DataError
from training.data.images import open_dataset, open_together

STRANGE = os.fsdecode(b"a\xff.png")  # no UTF-8


@pytest.fixture
def told(monkeypatch):
    """What the first process tells the others; from its second entry on, this is another one."""
    found = []

    def first(work):
        found.append(work())
        monkeypatch.setattr(distributed, "from_first", lambda _: found[0])
        return found[0]

    monkeypatch.setattr(distributed, "world", lambda: 2)
    monkeypatch.setattr(distributed, "from_first", first)
    return found


def test_a_folder_is_looked_through_once(tmp_path, told, monkeypatch):
    folder = write_folder(tmp_path / "set", members())
    (folder / STRANGE).write_bytes((folder / next(iter(members()))).read_bytes())
    first = open_together(folder)
    monkeypatch.setattr(os, "scandir", lambda *_: pytest.fail("looked through again"))
    other = open_together(folder)
    assert list(other.source.names) == list(first.source.names) and STRANGE in other.source.names
    assert other.source.fingerprint == first.source.fingerprint


def test_the_directory_of_a_large_zip_is_read_once(tmp_path, told, monkeypatch):
    monkeypatch.setenv("GAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(listing, "KEPT", 1)
    monkeypatch.setattr(listing, "SETTLED", 0)
    path = write_zip(tmp_path / "set.zip", members())
    first = open_together(path)
    monkeypatch.setattr(files, "directory", lambda *_: pytest.fail("read again"))
    assert list(open_together(path).source.names) == list(first.source.names)


def test_what_is_no_file_is_left_to_each(tmp_path, told):
    with pytest.raises(DataError, match="no data set at"):
        open_together(tmp_path / "nowhere")
    assert told == ["null"]
    dataset = open_dataset(write_zip(tmp_path / "set.zip", members()))
    assert open_together(dataset) is dataset


def test_training_opens_together(tmp_path, told, monkeypatch):
    def seen(data, **_):
        raise DataError(f"together: {data}")

    monkeypatch.setattr(training, "open_together", seen)
    for config, data in ((RunConfig(), tmp_path), (override(RunConfig(), [f"data.path={tmp_path}"]), None)):
        with pytest.raises(DataError, match="together: "):
            training.prepare(config, data, out=tmp_path, device="cpu")


@pytest.mark.slow
def test_two_processes(tmp_path, ranks):
    folder = write_folder(tmp_path / "set", members())
    said = ranks("training/two_openings.py", str(folder), str(tmp_path / "nowhere"))
    assert "0 looked 2 times, 4 images" in said and "1 looked 0 times, 4 images" in said
    assert said.count("no data set at") == 2

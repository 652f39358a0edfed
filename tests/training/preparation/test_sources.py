"""Folders, zips, tars and arrays as sources: what is listed, what is read, what is odd from outside."""

import gzip
import io
import os
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from gan.errors import UsageError, UserError
from training.preparation.archives import ArraySource, TarSource, ZipSource, open_source
from training.preparation.sources import FolderSource, expanded, refuse_within


def listed(source, hidden=False):
    """{path: (kinds of faults, closed)} of a source."""
    return {
        os.fsdecode(m.path): ([kind for kind, _ in m.faults], m.closed) for m in source.members(hidden=hidden)
    }


def contents(source):
    return {m.path: source.read(m.path, m.place) for m in source.members(hidden=False) if not m.closed}


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "photos"
    (place / "a" / "b").mkdir(parents=True)
    (place / "a" / "b" / "one.png").write_bytes(b"1")
    (place / "a" / "two.png").write_bytes(b"22")
    return place


def test_folder(folder):
    assert listed(FolderSource(folder)) == {"a/b/one.png": ([], False), "a/two.png": ([], False)}
    assert contents(FolderSource(folder)) == {b"a/b/one.png": b"1", b"a/two.png": b"22"}


def test_links_and_loops(folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "three.png").write_bytes(b"3")
    (folder / "out").symlink_to(elsewhere)
    (folder / "file.png").symlink_to(folder / "a" / "two.png")
    (folder / "a" / "up").symlink_to(folder)
    (folder / "gone.png").symlink_to(folder / "nothing")
    (folder / "self").symlink_to(folder / "self")
    found = listed(FolderSource(folder))
    assert found["out/three.png"] == (["link"], False) and found["file.png"] == (["link"], False)
    assert found["a/up/"] == found["gone.png"] == found["self"] == (["loop"], True)
    assert found["a/b/one.png"] == ([], False) and len(found) == 7


def test_hidden_and_system_files(folder):
    for name in (".secret.png", "Thumbs.db", "a/.DS_Store"):
        (folder / name).write_bytes(b"x")
    (folder / ".git").mkdir()
    (folder / ".git" / "inside.png").write_bytes(b"x")
    found = listed(FolderSource(folder))
    assert found[".secret.png"] == found[".git/"] == (["hidden"], True)
    assert found["Thumbs.db"] == found["a/.DS_Store"] == (["system"], True)
    shown = listed(FolderSource(folder), hidden=True)
    assert shown[".git/inside.png"] == shown[".secret.png"] == (["hidden"], False)


def test_what_is_no_regular_file(folder):
    os.mkfifo(folder / "pipe.png")
    assert listed(FolderSource(folder))["pipe.png"] == (["unreadable"], True)


def test_names_of_any_bytes(folder):
    (Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe.png"))).write_bytes(b"x")
    (folder / "line\nbreak.png").write_bytes(b"y")
    assert {b"\xff\xfe.png", b"line\nbreak.png"} <= contents(FolderSource(folder)).keys()


def test_working_folders_are_left_out(folder):
    work = folder / "set.prepare"
    (work / "quarantine").mkdir(parents=True)
    for name in ("prepare.json", "state.sqlite", "quarantine/a.png"):
        (work / name).write_bytes(b"x")
    assert len(listed(FolderSource(folder))) == 2


def test_stamps_change_with_the_file(folder):
    before = {m.path: m.stamp for m in FolderSource(folder).members(hidden=False)}
    (folder / "a" / "two.png").write_bytes(b"other")
    after = {m.path: m.stamp for m in FolderSource(folder).members(hidden=False)}
    assert [path for path in before if before[path] != after[path]] == [b"a/two.png"]


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_zip(tmp_path, method):
    place = tmp_path / "a.zip"
    with zipfile.ZipFile(place, "w", method) as archive:
        archive.writestr("x/one.png", b"1" * 1000)
        archive.writestr("x/ü.png", b"")
        archive.writestr("__MACOSX/x/._one.png", b"junk")
    source = open_source(place)
    assert isinstance(source, ZipSource)
    assert contents(source) == {b"x/one.png": b"1" * 1000, "x/ü.png".encode(): b""}
    assert listed(source)["__MACOSX/x/._one.png"] == (["system"], True)


def test_a_damaged_member_of_a_zip(tmp_path):
    place = tmp_path / "a.zip"
    with zipfile.ZipFile(place, "w") as archive:
        archive.writestr("one.png", b"content that is changed")
    place.write_bytes(place.read_bytes().replace(b"that", b"what", 1))
    (member,) = ZipSource(place).members(hidden=False)
    with pytest.raises(ValueError, match="damaged in the zip"):
        ZipSource(place).read(member.path, member.place)


def test_a_zip_that_is_none(tmp_path):
    place = tmp_path / "a.zip"
    place.write_bytes(b"PK\3\4 nothing more")
    with pytest.raises(UserError, match="a.zip"):
        list(open_source(place).members(hidden=False))


def tar_of(place, files):
    with tarfile.open(place, "w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return place


def test_tar(tmp_path):
    files = {"000.jpg": b"j" * 700, "000.cls": b"3", "d/001.jpg": b"k"}
    place = tar_of(tmp_path / "a.tar", files)
    assert isinstance(open_source(place), TarSource)
    assert contents(open_source(place)) == {name.encode(): data for name, data in files.items()}
    place.write_bytes(place.read_bytes()[:900])
    assert listed(open_source(place)) == {"000.jpg": (["truncated"], True)}


def test_a_folder_of_shards_is_a_source_a_shard(tmp_path):
    shards = [
        tar_of(tmp_path / "s" / f"{i}.tar", {"a.png": b"x"})
        for i in (1, 0)
        if not (tmp_path / "s").mkdir(exist_ok=True)
    ]
    (tmp_path / "s" / "dataset.json").write_text("{}")
    assert expanded([tmp_path / "s"]) == sorted(shards)
    (tmp_path / "s" / "b.png").write_bytes(b"x")
    assert expanded([tmp_path / "s"]) == [tmp_path / "s"]


@pytest.mark.parametrize("packed", [False, True])
def test_mnist(tmp_path, packed):
    images = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
    write = gzip.open if packed else open
    end = ".gz" if packed else ""
    with write(tmp_path / f"train-images-idx3-ubyte{end}", "wb") as file:
        file.write(b"\0\0\x08\x03" + struct.pack(">III", 3, 4, 5) + images.tobytes())
    with write(tmp_path / f"train-labels-idx1-ubyte{end}", "wb") as file:
        file.write(b"\0\0\x08\x01" + struct.pack(">I", 3) + bytes([7, 0, 9]))
    source = open_source(tmp_path / f"train-images-idx3-ubyte{end}")
    found = [np.load(io.BytesIO(data)) for data in contents(source).values()]
    assert np.array_equal(np.stack(found)[:, 0], images)
    assert [said["label"] for said in source.notes().values()] == ["7", "0", "9"]


@pytest.mark.parametrize("wide", [1, 2])
def test_cifar(tmp_path, wide):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32), dtype=np.uint8)
    records = [
        bytes([1] * (wide - 1) + [label]) + image.tobytes()
        for label, image in zip([1, 0], pixels, strict=True)
    ]
    place = tmp_path / "data_batch_1.bin"
    place.write_bytes(b"".join(records))
    names = "batches.meta.txt" if wide == 1 else "fine_label_names.txt"
    (tmp_path / names).write_text("airplane\nautomobile\n\n")
    source = open_source(place)
    assert isinstance(source, ArraySource)
    assert np.array_equal(np.stack([np.load(io.BytesIO(d)) for d in contents(source).values()]), pixels)
    assert [said["label"] for said in source.notes().values()] == ["automobile", "airplane"]


def test_refusals(tmp_path, folder):
    with pytest.raises(UserError, match="no source at"):
        expanded([tmp_path / "nothing"])
    with pytest.raises(UserError, match="given twice"):
        expanded([folder, folder / "a" / ".."])
    with pytest.raises(UsageError, match="lies within the source"):
        refuse_within([folder.resolve()], folder / "out")
    refuse_within([folder.resolve()], folder / "out.zip")
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(b"x"))
    with pytest.raises(UserError, match="compressed archive"):
        open_source(tmp_path / "a.tar.gz")

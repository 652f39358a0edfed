"""The directory of a zip is what `zipfile` reads of it, whoever wrote it; odd ones are left to `zipfile`."""

import os
import random
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from training.data import directory as module
from training.data.directory import directory
from training.data.listing import listed


def expected(path):
    with zipfile.ZipFile(path) as archive:
        infos = {info.filename: info for info in archive.infolist() if not info.is_dir()}
    rows = [
        [i.header_offset, i.compress_size, i.file_size, i.CRC, -1 if i.flag_bits & 1 else i.compress_type]
        for i in (infos[name] for name in sorted(infos))
    ]
    return sorted(infos), rows


def compared(path):
    names, rows = directory(path)
    assert (list(names), rows.tolist()) == expected(path)
    return names


@pytest.fixture
def read_by_us(monkeypatch):
    """Fails where a zip is left to `zipfile`."""
    monkeypatch.setattr(module, "_by_zipfile", lambda path: pytest.fail("left to zipfile"))


def ordinary(path):
    """Names of several scripts, both methods, folders, and two members of one name."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.mkdir("folder") if hasattr(archive, "mkdir") else archive.writestr("folder/", "")
        for i, name in enumerate(["b.png", "a/ä.png", "a/日本.png", "z.png", "B.png", "a/é.png"]):
            archive.writestr(name, bytes(range(i + 5)) * 9, zipfile.ZIP_DEFLATED if i % 2 else None)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("b.png", b"the later one")
        archive.comment = b"a comment"


def test_of_every_ordinary_kind(tmp_path, read_by_us):
    ordinary(tmp_path / "a.zip")
    assert len(compared(tmp_path / "a.zip")) == 6


def test_names_in_the_old_code_page(tmp_path, read_by_us):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("xx.png", b"1")
    data = (tmp_path / "a.zip").read_bytes().replace(b"xx.png", b"\x84\x94.png")
    (tmp_path / "a.zip").write_bytes(data)
    assert compared(tmp_path / "a.zip") == ["äö.png"]


def test_beyond_the_limits_of_the_first_format(tmp_path, read_by_us, monkeypatch):
    """More than 65,535 members, and sizes and places that are written in the extra of zip64."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 10_000)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 100)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for i in range(150):
            archive.writestr(f"{i}.png", os.urandom(20_000 if i == 140 else 100))
    assert len(compared(tmp_path / "a.zip")) == 150


def test_an_empty_one_and_a_locked_one(tmp_path, read_by_us):
    with zipfile.ZipFile(tmp_path / "a.zip", "w"):
        pass
    assert compared(tmp_path / "a.zip") == []
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("a.png", b"1")
    data = bytearray((tmp_path / "b.zip").read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "b.zip").write_bytes(data)
    compared(tmp_path / "b.zip")
    assert directory(tmp_path / "b.zip")[1][0, 4] == -1


def test_behind_something_else_it_is_left_to_zipfile(tmp_path):
    ordinary(tmp_path / "a.zip")
    (tmp_path / "b.zip").write_bytes(b"#!/bin/sh\n" + (tmp_path / "a.zip").read_bytes())
    compared(tmp_path / "b.zip")


def test_a_name_that_ends_early_is_left_to_zipfile(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("abcd.png", b"1")
    data = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(data.replace(b"abcd.png", b"ab\0d.png"))
    assert compared(tmp_path / "a.zip") == ["ab"]


def test_damaged_ones_end_as_in_zipfile(tmp_path):
    """300 zips with bytes changed at random: the same rows, or refused."""
    ordinary(tmp_path / "a.zip")
    whole, chance = (tmp_path / "a.zip").read_bytes(), random.Random(0)
    start, agreed = whole.index(b"PK\1\2"), 0
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            data[chance.randrange(start, len(data))] = chance.randrange(256)
        (tmp_path / "b.zip").write_bytes(data)
        try:
            wanted = expected(tmp_path / "b.zip")
        except Exception:
            wanted = None
        try:
            names, rows = directory(tmp_path / "b.zip")
        except Exception:
            names, rows = None, np.zeros((0, 5), np.int64)
        assert wanted is None or (names, rows.tolist()) == wanted
        agreed += wanted is not None
    assert 50 < agreed < 300


def test_memory_is_bounded_by_the_members(tmp_path):
    """Their listing is 80 bytes; `zipfile` alone takes 600."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for i in range(5000):
            archive.writestr(f"{i // 1000:05d}/img{i:08d}.png", b"x")
    tracemalloc.start()
    try:
        found = listed(*directory(tmp_path / "a.zip"))
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found.table) == 5000 and peak < 450 * 5000 and kept < 120 * 5000


def test_what_the_end_claims_is_not_allocated(tmp_path):
    """A directory of 4 GiB in a file of 22 bytes."""
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 9, 9, 0xFFFFFFF0, 0, 0)
    (tmp_path / "a.zip").write_bytes(end)
    with pytest.raises(module.DataError, match="zip archive"):
        directory(tmp_path / "a.zip")

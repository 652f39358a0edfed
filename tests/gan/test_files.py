"""Atomic files and folders: whole or absent, under errors, full disks and replacement."""

import errno
import hashlib
import os

import pytest

from gan.errors import UserError
from gan.files import (
    atomic_bytes,
    atomic_folder,
    atomic_write,
    json_lines,
    read_json,
    refusal,
    sha256,
    sweep,
)


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def test_file_appears_only_on_success(tmp_path):
    target = tmp_path / "sub" / "image.png"
    with atomic_write(target) as temporary:
        temporary.write_bytes(b"new")
        assert temporary.suffix == ".png" and temporary.parent == target.parent
        assert not target.exists()
    assert target.read_bytes() == b"new"
    assert names(target.parent) == ["image.png"]


def test_error_keeps_the_old_file_and_removes_the_temporary(tmp_path):
    target = tmp_path / "stats.json"
    atomic_bytes(target, b"old")
    with pytest.raises(RuntimeError, match="stop"), atomic_write(target) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError("stop")
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["stats.json"]


def test_full_disk_is_a_user_error_that_names_the_path(tmp_path):
    target = tmp_path / "weights.bin"
    message = r"cannot write .*weights\.bin: No space left.*; make room there"
    with pytest.raises(UserError, match=message), atomic_write(target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert names(tmp_path) == []


def test_a_file_in_the_way_of_a_folder_is_a_user_error(tmp_path):
    (tmp_path / "runs").write_text("not a folder")
    with pytest.raises(UserError, match=r"cannot write .*a\.txt: .*; a part of this path is a file"):
        atomic_bytes(tmp_path / "runs" / "a.txt", b"")
    with (
        pytest.raises(UserError, match=r"cannot write .*000200"),
        atomic_folder(tmp_path / "runs" / "000200"),
    ):
        pass


@pytest.mark.parametrize(
    ("number", "verb", "remedy"),
    [
        (errno.EACCES, "write", "choose another path, or allow to write this one"),
        (errno.EROFS, "write", "choose another path, or allow to write this one"),
        (errno.EISDIR, "write", "it is a folder; name a file"),
        (errno.ENOENT, "write", "choose another path"),
        (errno.ENOENT, "read", "mend the path"),
    ],
)
def test_every_refusal_ends_with_a_remedy(number, verb, remedy):
    error = OSError(number, os.strerror(number))
    assert refusal(verb, "x", error) == f"cannot {verb} x: {os.strerror(number)}; {remedy}"


def test_error_about_another_file_passes_unchanged(tmp_path):
    with pytest.raises(FileNotFoundError, match="other"), atomic_write(tmp_path / "out.txt"):
        (tmp_path / "other.txt").read_bytes()


def test_folder_appears_only_on_success(tmp_path):
    target = tmp_path / "000200"
    with atomic_folder(target) as temporary:
        (temporary / "deep").mkdir()
        (temporary / "deep" / "a").write_text("1")
        assert temporary.name == f".tmp-000200-{os.getpid()}"
        assert not target.exists()
    assert (target / "deep" / "a").read_text() == "1"
    assert names(tmp_path) == ["000200"]


def test_failed_folder_leaves_the_old_one(tmp_path):
    target = tmp_path / "000200"
    with atomic_folder(target) as temporary:
        (temporary / "a").write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_folder(target) as temporary:
        (temporary / "a").write_text("new")
        raise KeyboardInterrupt
    assert (target / "a").read_text() == "old"
    assert names(tmp_path) == ["000200"]


def test_folder_is_replaced_as_a_whole(tmp_path):
    target = tmp_path / "000200"
    for content in ("old", "new"):
        with atomic_folder(target) as temporary:
            (temporary / content).write_text(content)
    assert names(target) == ["new"]
    assert names(tmp_path) == ["000200"]


def test_leftover_of_the_same_process_number_is_not_mixed_in(tmp_path):
    leftover = tmp_path / f".tmp-000200-{os.getpid()}"
    leftover.mkdir()
    (leftover / "stale").write_text("")
    with atomic_folder(tmp_path / "000200") as temporary:
        (temporary / "fresh").write_text("")
    assert names(tmp_path / "000200") == ["fresh"]


def test_sweep_removes_temporaries_only(tmp_path):
    (tmp_path / ".tmp-000200-12").mkdir()
    (tmp_path / ".tmp-000200-12" / "a").write_text("")
    (tmp_path / ".tmp-b-12.png").write_text("")
    (tmp_path / "000100").mkdir()
    assert [entry.name for entry in sweep(tmp_path)] == [".tmp-000200-12", ".tmp-b-12.png"]
    assert names(tmp_path) == ["000100"]
    assert sweep(tmp_path / "absent") == []


def test_sweep_brings_back_what_a_killed_writer_was_about_to_replace(tmp_path):
    (tmp_path / ".tmp-000100-replaced-12").mkdir()
    (tmp_path / ".tmp-000200-replaced-12").mkdir()
    (tmp_path / "000200").mkdir()
    sweep(tmp_path)
    assert names(tmp_path) == ["000100", "000200"]


def test_sha256(tmp_path):
    data = bytes(range(256)) * 8192  # 2 MiB: more than one chunk
    (tmp_path / "a").write_bytes(data)
    assert sha256(tmp_path / "a") == hashlib.sha256(data).hexdigest()
    with pytest.raises(UserError, match=r"cannot read .*absent"):
        sha256(tmp_path / "absent")


@pytest.mark.parametrize("content", [b"", b'{"a": ', b"\xff", b"[1]", b"\0" * 20])
def test_a_damaged_json_file_is_named(content, tmp_path):
    path = tmp_path / "a.json"
    with pytest.raises(UserError, match=r"cannot read .*a\.json"):
        read_json(path, dict)
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.json is damaged \(.*: restore it, or remove it"):
        read_json(path, dict)
    path.write_text('{"a": 1}')
    assert read_json(path, dict) == {"a": 1}


def test_json_lines_are_objects_and_the_damaged_are_counted(tmp_path):
    assert json_lines(tmp_path / "none.jsonl") == ([], 0)
    (tmp_path / "a.jsonl").write_bytes(b'{"a": 1}\n\xff\n3\n{"b": "\xc3\xa9"}\n{"c')
    assert json_lines(tmp_path / "a.jsonl") == ([{"a": 1}, {"b": "\u00e9"}], 3)

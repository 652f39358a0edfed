"""Reading a work folder: its files, where their bytes are, and what is said of a damaged one."""

import io
import json
import tarfile
import zipfile

import pytest

from gan.errors import UserError
from gan.jobs import work_folder
from gan.jobs.work_folder import Seen, WorkFolder
from tests.gan import work_folders
from training.data.faults import Refused


@pytest.fixture
def folder(tmp_path):
    return work_folders.make(tmp_path)


def test_what_a_record_says(folder):
    work = WorkFolder(folder)
    assert work.name == "out.zip" and len(work.files) == 18
    copy = next(seen for seen in work.files if seen.path == "b/copy.png")
    assert (copy.verdict, copy.cluster, copy.keeper) == ("drop", 0, False)
    assert (copy.reason, copy.cause) == ("duplicate of a/000.png", "duplicate")
    blurred = work.files[12]
    assert (blurred.path, blurred.number, blurred.faults) == ("b/blurred.png", 12, ("blurred",))
    assert (blurred.detail, blurred.cause, blurred.sharpness) == ("3.1", "fault:blurred", 3.1)
    assert blurred.decoded and not work.files[14].decoded  # b/cut.png
    assert (blurred.size, work.files[1].label, work.files[1].caption) == ((96, 64), "boat", "drawing 1")
    assert [fault["kind"] for fault in work.faults] == ["blurred", "truncated", "float"]


def test_it_is_found_at_and_beside_the_output(folder):
    output = folder.with_name("out.zip")
    for place in (folder, output, str(output)):
        assert work_folder.find(place) == folder
    assert work_folder.find(folder.parent) is None


def test_the_remedy_where_there_is_none(tmp_path):
    with pytest.raises(
        UserError, match="gan data prepare .*pictures --out pictures-256.zip --resolution 256"
    ):
        work_folder.opened(tmp_path / "pictures")
    with pytest.raises(UserError, match="has no work folder"):
        work_folder.opened(tmp_path)


def test_bytes_of_files(folder):
    work = WorkFolder(folder)
    assert work.content(work.files[0]) == (folder.parent / "source/a/000.png").read_bytes()
    with pytest.raises(Refused, match="No such file"):
        work.content(next(seen for seen in work.files if seen.path == "b/gone.png"))


@pytest.mark.parametrize("path", ["../secret", "/etc/hostname", "a/../../secret"])
def test_no_path_leads_out_of_its_source(folder, path):
    (folder.parent / "secret").write_text("x")
    with pytest.raises(Refused, match="outside"):
        WorkFolder(folder).content(Seen(number=0, path=path, source=0, verdict="keep"))


def test_bytes_in_archives(tmp_path):
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        archive.writestr("a/b.png", b"bytes")
    with tarfile.open(tmp_path / "in.tar", "w") as archive:
        about = tarfile.TarInfo("a/b.png")
        about.size = 4
        archive.addfile(about, io.BytesIO(b"more"))
    (tmp_path / "one.png").write_bytes(b"one")
    sources = [tmp_path / "in.zip", tmp_path / "in.tar", tmp_path / "one.png", tmp_path / "gone.zip"]
    records = [work_folders.record(n, "a/b.png", source=n) for n in (0, 1)]
    records += [work_folders.record(2, "one.png", source=2), work_folders.record(3, "a/c.png")]
    records += [work_folders.record(4, "a/b.png", source=3)]
    work = WorkFolder(work_folders.write(tmp_path / "out.prepare", sources, records))
    assert [work.content(seen) for seen in work.files[:3]] == [b"bytes", b"more", b"one"]
    with pytest.raises(Refused, match="no longer there"):
        work.content(work.files[3])
    with pytest.raises(Refused, match="cannot be read"):
        work.content(work.files[4])
    work.close()
    assert work.content(work.files[0]) == b"bytes"


def test_names_that_are_no_plain_text(tmp_path):
    """Records have a newline as two characters; the file is found all the same."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "a\nb.png").write_bytes(b"bytes")
    records = [work_folders.record(0, "a\\nb.png")]
    work = WorkFolder(work_folders.write(tmp_path / "out.prepare", [source], records))
    assert work.content(work.files[0]) == b"bytes"


def test_nothing_huge_is_read(folder, monkeypatch):
    monkeypatch.setattr(work_folder, "MAX_BYTES", 10)
    work = WorkFolder(folder)
    with pytest.raises(Refused, match="more than 10 bytes"):
        work.content(work.files[0])


def test_half_a_last_line_is_left_out(folder):
    path = folder / "files.jsonl"
    path.write_text(path.read_text()[:-30])
    assert len(WorkFolder(folder).files) == 17


@pytest.mark.parametrize(
    "line",
    ["{", "[]", "{}", '{"path": "a", "source": 9, "verdict": "keep"}', '{"path": "a", "source": 0}'],
)
def test_a_damaged_line_is_named(folder, line):
    path = folder / "files.jsonl"
    path.write_text(f"{path.read_text()}{line}\n")
    with pytest.raises(UserError, match=r"files\.jsonl: line 19 .*run gan data prepare again"):
        _ = WorkFolder(folder).files


def test_numbers_that_are_none(folder):
    record = {
        "path": "a",
        "source": 0,
        "verdict": "keep",
        "width": "9",
        "sharpness": float("nan"),
        "label": 3,
    }
    (folder / "files.jsonl").write_text(json.dumps(record) + "\n")
    (seen,) = WorkFolder(folder).files
    assert (seen.size, seen.sharpness, seen.label) == (None, None, None)


def test_sources_that_are_not_told(folder):
    (folder / "prepare.json").write_text("{}")
    with pytest.raises(UserError, match="names no sources"):
        WorkFolder(folder)

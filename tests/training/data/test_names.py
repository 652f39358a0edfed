"""Names of files, and what lies beside images: odd spellings, links, labels, other files."""

import os
import shutil
import unicodedata
import zipfile

import numpy as np
import pytest

from gan.errors import UsageError
from gan.jobs.training import prepare
from tests.training.data.test_archive import NAMES, PIXELS, members, png, write_folder, write_zip
from training.config import RunConfig
from training.data.archive import Archive
from training.data.faults import DataError, escaped
from training.data.images import open_dataset
from training.data.names import left_out, plain

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "caf\u00e9.png") for form in ("NFC", "NFD"))
GOOD = png(PIXELS[0])


@pytest.fixture(params=["zip", "folder"])
def make(request, tmp_path):
    """make(files) -> path of a zip or of a folder."""
    if request.param == "zip":
        return lambda files: write_zip(tmp_path / "set.zip", files)
    return lambda files: write_folder(tmp_path / "set", files)


def message(act):
    with pytest.raises(DataError) as caught:
        act()
    text = str(caught.value)
    assert text.isprintable() and text.encode()
    return text


def test_names_that_are_not_utf8(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    for name in (b"a.png", b"b\xff.png"):
        (folder / os.fsdecode(name)).write_bytes(GOOD)
    dataset = open_dataset(folder)
    assert len(dataset.sha256) == 64 and np.array_equal(dataset.image(0), dataset.image(1))
    value = dataset.sha256
    (folder / os.fsdecode(b"b\xff.png")).rename(folder / os.fsdecode(b"b\xfe.png"))
    assert open_dataset(folder).sha256 != value
    (folder / os.fsdecode(b"b\xfe.png")).write_bytes(b"junk")
    assert r"b\udcfe.png is not a PNG" in message(lambda: open_dataset(folder).image(1))


def test_names_in_a_zip_that_says_utf8_and_is_not(tmp_path):
    path = write_zip(tmp_path / "set.zip", {"\u00e9.png": GOOD})
    path.write_bytes(path.read_bytes().replace("\u00e9".encode(), b"\xff\xff"))
    assert "is not a readable zip ('utf-8' codec" in message(lambda: open_dataset(path))


def test_a_newline_in_a_name_is_told_on_one_line(make):
    path = make({**members(), "a\nb.png": b"junk"})
    dataset = open_dataset(path)
    assert len(dataset) == 5 and len(dataset.sha256) == 64
    number = dataset.source.names.index("a\nb.png")
    assert r"a\nb.png is not a PNG, JPEG or WebP image" in message(lambda: dataset.image(number))


def test_escaping_leaves_what_can_be_printed():
    assert escaped("caf\u00e9\\n a\x1b[0m\n\udcff") == "caf\u00e9\\n a\\x1b[0m\\n\\udcff"


@pytest.mark.parametrize(
    "file, index",
    [
        (COMPOSED, DECOMPOSED),
        (DECOMPOSED, COMPOSED),
        ("a/b.png", "a\\b.png"),
        ("a/b.png", "./a/b.png"),
        ("a/b.png", ".\\a\\b.png"),
        ("a/b.png", "a//b.png"),
    ],
)
def test_one_name_in_two_spellings(make, file, index):
    dataset = open_dataset(make({file: GOOD, "dataset.json": {"labels": [[index, 3]]}}))
    assert dataset.labels.tolist() == [3] and list(dataset.source.names) == [file]


@pytest.mark.parametrize("file", ["a\\b.png", "./a/b.png", DECOMPOSED])
def test_odd_members_of_a_zip(tmp_path, file):
    """As made on Windows or by tar; the index may be spelled so, too."""
    files = {file: GOOD, "./dataset.json": {"labels": [[plain(file), 2]]}}
    dataset = open_dataset(write_zip(tmp_path / "set.zip", files))
    assert dataset.labels.tolist() == [2] and np.array_equal(dataset.image(0), PIXELS[0].transpose(2, 0, 1))


@pytest.mark.parametrize("index", [COMPOSED, DECOMPOSED])
@pytest.mark.parametrize("file", [COMPOSED, DECOMPOSED])
def test_members_whose_names_are_utf8_without_saying_so(tmp_path, file, index):
    """As macOS makes zips: `zipfile` reads such names as code page 437."""
    length = len(file.encode())
    path = write_zip(tmp_path / "set.zip", {"x" * length: GOOD, "dataset.json": {"labels": [[index, 2]]}})
    path.write_bytes(path.read_bytes().replace(b"x" * length, file.encode()))
    dataset = open_dataset(path)
    assert list(dataset.source.names) != [file] and dataset.labels.tolist() == [2]
    assert np.array_equal(dataset.image(0), PIXELS[0].transpose(2, 0, 1))


def test_a_folder_that_is_not_utf8(tmp_path):
    """Is scored, and not trained on, for the path is part of the settings; the message can be printed."""
    folder = tmp_path / os.fsdecode(b"s\xff")
    write_folder(folder, {**members(), os.fsdecode(b"x.\xfe"): b"", "y/dataset.json": {}})
    dataset = open_dataset(folder)
    assert dataset.name == r"s\udcff" and dataset.place.endswith(r"s\udcff")
    told = (dataset.left_out, dataset.index_remedy, dataset.slug)
    assert all(text.encode() for text in told) and r"1 .\udcfe" in dataset.left_out
    with pytest.raises(
        UsageError, match=r"s\\udcff is no text in UTF-8, as the settings of a run are: rename"
    ):
        prepare(RunConfig(batch=4), folder, device="cpu")


def test_exact_spelling_comes_before_another(tmp_path):
    labels = [[COMPOSED, 1], [DECOMPOSED, 2]]
    files = {COMPOSED: GOOD, DECOMPOSED: GOOD, "dataset.json": {"labels": labels}}
    dataset = open_dataset(write_zip(tmp_path / "set.zip", files))
    assert dict(zip(dataset.source.names, dataset.labels, strict=True)) == {COMPOSED: 1, DECOMPOSED: 2}


@pytest.mark.parametrize(
    "file, index",
    [("a.PNG", "a.png"), ("x/a.png", "a.png"), ("a.png", "x/a.png"), ("\u00c9.png", "\u00e9.png")],
)
def test_the_refusal_shows_both_spellings(make, file, index):
    path = make({file: GOOD, "dataset.json": {"labels": [[index, 0]]}})
    text = message(lambda: open_dataset(path).labels)
    assert f"no label for {file!a}, but for {index!a}: write the first in its place" in text


def test_the_fingerprint_of_plain_names_stays(tmp_path):
    """Pinned: what version 0.1.0 computed for these files."""
    path = write_folder(tmp_path / "set", {"a.png": b"1", "b/c.png": b"22", "dataset.json": b"{}"})
    zipped = write_zip(tmp_path / "set.zip", {"a.png": b"1", "b/c.png": b"22", "dataset.json": b"{}"})
    assert Archive(path).fingerprint == FOLDER and Archive(zipped).fingerprint == ZIP


FOLDER = "bb8cc261165140b9fab1cf75bc943297de42e54d51dcd1f0246369929077c67f"
ZIP = "a433972dcbc700351ae21af5b4255465df7c832fd2acffdbccee8df363fff263"


def test_labels_are_read_where_they_are_used(make):
    path = make({**members(), "dataset.json": {"labels": [[NAMES[0], 0.5]]}})
    dataset = open_dataset(path)
    assert dataset.image(3).shape == (3, 8, 8) and len(dataset.sha256) == 64
    assert "the label 0.5" in message(lambda: dataset.labels)


def test_an_index_too_deep_is_named(make):
    path = make(
        {f"x/{name}": data for name, data in members().items()} | {"x/dataset.json": {"labels": None}}
    )
    dataset = open_dataset(path)
    where = f"give {path / 'x'}" if path.is_dir() else "unpack the zip and give that folder"
    assert dataset.index_remedy == f"dataset.json lies deeper, in x: {where}"


def test_an_index_at_the_top_leaves_others_alone(make):
    files = {**members(), "dataset.json": {"labels": None}, "x/dataset.json": b"{"}
    assert open_dataset(make(files)).index_remedy is None


def test_classes_without_images(make):
    labels = [[name, i] for i, name in enumerate(NAMES)]
    path = make({**members(), "dataset.json": {"labels": labels, "classes": [*"abcdef"]}})
    dataset = open_dataset(path)
    assert dataset.counts.tolist() == [1, 1, 1, 1, 0, 0]
    assert f"{path} has no image of e, f: nothing is learned of these classes" in dataset.unseen
    assert open_dataset(path, condition="none").unseen is None


def test_links_to_folders_are_followed_once(tmp_path):
    folder, other = tmp_path / "set", write_folder(tmp_path / "other", {"a.png": GOOD, "deep/b.png": GOOD})
    write_folder(folder, {"real/c.png": GOOD})
    for link, target in {
        "link": other,
        "again": other / "deep",  # the folders of `link` come later, so b.png is found here
        "real/loop": folder,
        "real/up": tmp_path,
        "self": folder / "real",
    }.items():
        (folder / link).symlink_to(target, target_is_directory=True)
    dataset = open_dataset(folder)
    assert list(dataset.source.names) == ["again/b.png", "link/a.png", "real/c.png"]
    assert np.array_equal(dataset.image(1), PIXELS[0].transpose(2, 0, 1)) and len(dataset.sha256) == 64


def test_a_link_to_nothing_is_named_when_it_is_read(tmp_path):
    folder = write_folder(tmp_path / "set", {"a.png": GOOD})
    (folder / "b.png").symlink_to(tmp_path / "gone.png")
    assert "b.png cannot be read (No such file" in message(lambda: open_dataset(folder).image(1))


def test_files_left_out_are_counted(make):
    path = make({**members(), "a.gif": b"", "b.GIF": b"", "c.txt": b"", "README": b"", ".hidden": b""})
    assert open_dataset(path).left_out == (
        f"{path}: 4 files are left out, 2 .gif, 1 without an ending, 1 .txt: convert them if they are images"
        " (.png, .jpg, .jpeg, .webp, .npy are read)"
    )
    shutil.rmtree(path, ignore_errors=True)
    assert open_dataset(make({**members(), "dataset.json": {"labels": None}})).left_out is None


def test_many_endings_are_cut():
    text = left_out([f"{i}.{'abcdefg'[i]}" for i in range(7)])
    assert text.startswith("7 files are left out, ") and "1 .e and 2 other endings: convert" in text


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_members_of_other_methods(tmp_path, method):
    path = write_zip(tmp_path / "set.zip", members(), method)
    dataset = open_dataset(path)
    assert np.array_equal(dataset.image(2), PIXELS[2].transpose(2, 0, 1))
    name = NAMES[1]
    assert dataset.source.head(1, 10) == members()[name][:10]
    dataset.close()


def test_members_of_unknown_methods(tmp_path):
    path = write_zip(tmp_path / "set.zip", members(), zipfile.ZIP_LZMA)
    assert "cannot be unpacked (compression 14 is unknown): make the zip again with `zip -0`" in message(
        lambda: open_dataset(path)
    )


def test_a_zip_with_a_password(tmp_path):
    path = write_zip(tmp_path / "set.zip", members())
    data = bytearray(path.read_bytes())
    start = data.index(b"PK\1\2")
    data[start + 8] |= 1  # the flag of a password, in the directory
    path.write_bytes(data)
    assert "cannot be unpacked (it has a password): make the zip" in message(lambda: open_dataset(path))

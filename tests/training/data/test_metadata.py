"""Classes from the metadata of an ImageFolder: numbers or names, in each format, in any folder."""

import io

import pytest

from tests.training.data.test_archive import PIXELS, png, write_folder, write_zip
from training.data.archive import Archive
from training.data.faults import DataError
from training.data.images import open_dataset

IMAGES = {f"train/{name}.png": png(pixels) for name, pixels in zip("abcd", PIXELS, strict=True)}
NUMBERS = b'file_name,text,label\nb.png,x,1\na.png,,0\nd.png,"y, z",0\nc.png,,2\n'
WORDS = b"\n".join(
    f'{{"file_name": "{name}.png", "class": "{word}"}}'.encode()
    for name, word in zip("dcba", ["dog", "cat", "cat", "bee"], strict=True)
)


def parquet():
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    stream = io.BytesIO()
    table = {"file_name": [f"{n}.png" for n in "abcd"], "label": [0, 1, 2, 0], "other": [b"x"] * 4}
    parquet.write_table(pyarrow.table(table), stream)
    return stream.getvalue()


@pytest.mark.parametrize("write", [write_folder, write_zip])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_numbers(write, kind, tmp_path):
    data = NUMBERS if kind == "csv" else parquet()
    dataset = open_dataset(write(tmp_path / "set.zip", {**IMAGES, f"train/metadata.{kind}": data}))
    assert dataset.labels.tolist() == [0, 1, 2, 0] and dataset.classes == ["0", "1", "2"]
    assert dataset.left_out is None


def test_names_are_numbered_in_their_order(tmp_path):
    dataset = open_dataset(write_folder(tmp_path / "set", {**IMAGES, "train/metadata.jsonl": WORDS}))
    assert dataset.classes == ["bee", "cat", "dog"] and dataset.labels.tolist() == [0, 1, 1, 2]


def test_dataset_json_comes_first(tmp_path):
    labels = b'{"labels": [["train/a.png", 0], ["train/b.png", 0], ["train/c.png", 0], ["train/d.png", 1]]}'
    files = {**IMAGES, "train/metadata.csv": NUMBERS, "dataset.json": labels}
    assert open_dataset(write_folder(tmp_path / "set", files)).labels.tolist() == [0, 0, 0, 1]


def test_captions_alone_are_no_classes(tmp_path):
    text = b"file_name,text\na.png,one\n"
    assert open_dataset(write_folder(tmp_path / "set", {**IMAGES, "train/metadata.csv": text})).labels is None


def test_other_classes_are_another_set(tmp_path):
    first = Archive(write_folder(tmp_path / "a", {**IMAGES, "train/metadata.csv": NUMBERS})).fingerprint
    other = NUMBERS.replace(b"b.png,x,1", b"b.png,x,2")
    assert Archive(write_folder(tmp_path / "b", {**IMAGES, "train/metadata.csv": other})).fingerprint != first


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("csv", NUMBERS.replace(b",0", b",dog"), "metadata.csv has classes as numbers and as names"),
        ("jsonl", b'{"file_name": "a.png"', "metadata.jsonl is damaged"),
        ("jsonl", b"[1]", "a line is no object"),
        ("csv", b"\xff\xfe", "metadata.csv is damaged"),
        ("csv", NUMBERS.replace(b"c.png", b"e.png"), "its metadata has no label for train/c.png"),
        ("parquet", b"junk", "metadata.parquet is damaged"),
    ],
)
def test_what_is_wrong_is_named(name, data, told, tmp_path):
    if name == "parquet":
        pytest.importorskip("pyarrow")
    dataset = open_dataset(write_folder(tmp_path / "set", {**IMAGES, f"train/metadata.{name}": data}))
    with pytest.raises(DataError, match=told):
        dataset.labels  # noqa: B018

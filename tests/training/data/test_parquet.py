"""Parquet tables of images, in the layouts of `datasets` and of plain bytes."""

import json
import sys

import numpy as np
import pytest

from gan.errors import UserError
from tests.training.data.test_archive import PIXELS, png
from training.data import listing, parquet
from training.data.faults import DataError
from training.data.images import open_dataset

pyarrow = pytest.importorskip("pyarrow")
PNGS = [png(pixels) for pixels in PIXELS]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(listing, "SETTLED", 0)
    return tmp_path / "cache"


def write(path, images, *, features=None, column="image", **columns):
    from pyarrow import parquet as pq

    path.parent.mkdir(exist_ok=True)
    table = pyarrow.table({column: images, "caption": ["x"] * len(images), **columns})
    if features:
        about = {"huggingface": json.dumps({"info": {"features": features}})}
        table = table.replace_schema_metadata(about)
    pq.write_table(table, path, row_group_size=2)
    return path


def structs(*numbers):
    return [{"bytes": PNGS[n], "path": f"{n}.png"} for n in numbers]


def check(dataset, numbers):
    assert len(dataset) == len(numbers)
    for i, number in enumerate(numbers):
        assert np.array_equal(dataset.image(i), PIXELS[number].transpose(2, 0, 1))


def test_as_the_hub_has_them(tmp_path):
    names = {"label": {"names": ["ant", "bee"], "_type": "ClassLabel"}, "image": {"_type": "Image"}}
    write(tmp_path / "set" / "train-00001.parquet", structs(3), label=[1], features=names)
    write(tmp_path / "set" / "train-00000.parquet", structs(2, 0, 1), label=[0, 1, 0], features=names)
    dataset = open_dataset(tmp_path / "set")
    check(dataset, [2, 0, 1, 3])
    assert dataset.labels.tolist() == [0, 1, 0, 1] and dataset.classes == ["ant", "bee"]
    assert dataset.source.head(1, 4) == b"\x89PNG"


@pytest.mark.parametrize(("labels", "want"), [(["b", "a", "b", "c"], [1, 0, 1, 2]), ([2, 0, 1, 0],) * 2])
def test_plain_bytes_in_one_file(labels, want, tmp_path):
    dataset = open_dataset(write(tmp_path / "set.parquet", PNGS, column="jpg", label=labels))
    check(dataset, range(4))
    assert dataset.labels.tolist() == want


def test_it_is_copied_once_until_it_changes(tmp_path, monkeypatch, cache):
    path = write(tmp_path / "set.parquet", structs(0, 1))
    first = open_dataset(path)
    honest, made = parquet._rows, []
    monkeypatch.setattr(parquet, "_rows", lambda path: made.append(path) or honest(path))
    again = open_dataset(path)
    assert not made and again.sha256 == first.sha256 and again.labels is None
    write(path, structs(0, 2))
    other = open_dataset(path)
    check(other, [0, 2])
    assert len(made) == 1 and other.sha256 != first.sha256
    [copies] = (cache / "tables").iterdir()
    assert len(list(copies.iterdir())) == 1
    with pytest.raises(DataError, match="set.parquet: 000000001 cannot be read"):
        first.source.image(1)


def test_other_labels_are_another_set(tmp_path):
    paths = [write(tmp_path / f"{label}.parquet", structs(0), label=[label]) for label in (0, 1)]
    assert len({open_dataset(path).sha256 for path in paths}) == 2


def test_what_is_wrong_is_named(tmp_path, monkeypatch, cache):
    (tmp_path / "junk.parquet").write_bytes(b"junk" * 10)
    with pytest.raises(DataError, match=r"junk\.parquet is not a readable parquet file"):
        open_dataset(tmp_path / "junk.parquet")
    with pytest.raises(DataError, match="has the columns text, caption: call that of the images image"):
        open_dataset(write(tmp_path / "text.parquet", ["a"], column="text"))
    with pytest.raises(DataError, match=r"none\.parquet: row 1 has no image"):
        open_dataset(write(tmp_path / "none.parquet", [*structs(0), None]))
    assert not list((cache / "tables").glob("*/*"))
    path = write(tmp_path / "set.parquet", structs(0))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError, match=r'set\.parquet needs pyarrow: .*pip install -e "\.\[data\]"'):
        open_dataset(path)

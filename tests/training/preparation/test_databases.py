"""LMDB and Parquet as sources, as other tools write them."""

import json

import numpy as np
import pytest

from gan.errors import UserError
from gan.jobs.preparation import prepare
from tests.training.preparation.samples import encoded, pattern
from training.data.images import open_dataset
from training.preparation.archives import open_source
from training.preparation.databases import LmdbSource, ParquetSource
from training.preparation.request import request


def contents(source):
    return {m.path: source.read(m.path, m.place) for m in source.members(hidden=False) if not m.closed}


@pytest.mark.parametrize("subdir", [True, False])
def test_lmdb(tmp_path, subdir):
    lmdb = pytest.importorskip("lmdb", reason="needs the package lmdb (extra data)")
    place = tmp_path / "images.lmdb"
    files = {b"a/0.png": encoded(pattern(0)), b"b/1.png": encoded(pattern(1)), b"length": b"2"}
    with (
        lmdb.open(str(place), subdir=subdir, map_size=2**24) as environment,
        environment.begin(write=True) as t,
    ):
        for key, value in files.items():
            t.put(key, value)
    source = open_source(place)
    assert isinstance(source, LmdbSource) and contents(source) == files


def test_parquet(tmp_path):
    """A table as `datasets` writes it: images as {bytes, path}, classes by number, names in the schema."""
    pyarrow = pytest.importorskip("pyarrow", reason="needs the package pyarrow (extra data)")
    from pyarrow import parquet

    rows = [{"bytes": encoded(pattern(i)), "path": f"dir/{i}.png"} for i in range(5)]
    table = pyarrow.table(
        {"image": rows, "label": [0, 1, 0, 1, 1], "text": [f"caption {i}" for i in range(5)]}
    )
    features = {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}, "image": {"_type": "Image"}}
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    place = tmp_path / "train-00000.parquet"
    parquet.write_table(table, place, row_group_size=2)
    source = open_source(place)
    assert isinstance(source, ParquetSource)
    assert contents(source) == {f"{i:08d}-{i}.png".encode(): row["bytes"] for i, row in enumerate(rows)}
    assert source.notes()[b"00000003-3.png"] == {"label": "dog", "caption": "caption 3"}
    made = prepare([place], tmp_path / "set.zip", request(resolution="32", copies="exact"), workers=1)
    assert made["classes"] == {"cat": 2, "dog": 3} and made["faults"] == {}
    data = open_dataset(tmp_path / "set.zip")
    assert np.bincount(data.labels).tolist() == [2, 3]
    data.close()


def test_parquet_without_images(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="needs the package pyarrow (extra data)")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"a": [1], "b": ["x"]}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match="no column of images, only a, b"):
        list(open_source(tmp_path / "a.parquet").members(hidden=False))

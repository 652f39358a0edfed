"""Data sets on a small hub: which files are taken, read as any others, and written down by commit."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan import distributed, hub_files
from gan.config import override
from gan.errors import UserError
from gan.hub import Name
from gan.hub_files import File
from gan.jobs import datasets, preparation
from gan.jobs.evaluation import is_model
from gan.jobs.pinning import pinned
from gan.jobs.training import with_parts
from tests.gan.models.fake_hub import Hub
from training.data import hub_sets, places
from training.data.images import open_dataset, open_together
from training.preparation.convert import Form
from training.preparation.request import Request
from training.recipes import load_preset

NAME = "hf://datasets/user/tiles"


def png(value: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), value, np.uint8)).save(file, "PNG")
    return file.getvalue()


def put(hub: Hub, files: dict[str, bytes], name: str = "user/tiles") -> str:
    return hub.put(name, {"README.md": b"", ".gitattributes": b"", **files}, "datasets")


def values(place: object) -> list[int]:
    dataset = open_dataset(place)
    found = [int(dataset.image(i)[0, 0, 0]) for i in range(len(dataset))]
    dataset.close()
    return found


def table(values: list[int]) -> bytes:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    file = io.BytesIO()
    parquet.write_table(pyarrow.table({"image": [{"bytes": png(v), "path": None} for v in values]}), file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("said", "front", "expected"),
    [
        (None, "license: mit", "mit"),
        ("unknown", 'license: "cc-by-4.0"', "cc-by-4.0"),
        ("CC0", "license: mit", "CC0"),
        (None, "license: other\nlicense_name: own-terms", "own-terms"),
        (None, "license: other", None),
        ("unknown", "license: unknown", "unknown"),
        (None, "license:\n- mit\n- cc0-1.0", None),
        (None, "license: [a](http://b)", None),
        (None, f"license: {'m' * 101}", None),
        (None, "tags: []\n---\nlicense: mit", None),
    ],
)
def test_the_licence_is_that_of_the_set_or_of_its_card(said, front, expected, fake_hub):
    index = {"labels": None} | ({"manifest": {"licence": said}} if said else {})
    card = f"---\n{front}\n---\n\n# Tiles\n".encode()
    put(fake_hub, {"README.md": card, "0.png": png(1), "dataset.json": json.dumps(index).encode()})
    dataset = open_dataset(NAME)
    assert dataset.licence == expected
    dataset.close()


def test_a_zip(fake_hub, tiny_zip):
    sha = put(fake_hub, {"tiles.zip": tiny_zip.read_bytes()})
    dataset = open_dataset(NAME)
    assert dataset.sha256 == open_dataset(tiny_zip).sha256
    assert dataset.place == f"{NAME}@{sha}/tiles.zip" and dataset.slug == "tiles"
    assert places.lasting(dataset.path) == dataset.place
    dataset.close()
    assert fake_hub.downloads() == ["tiles.zip"]
    put(fake_hub, {"tiles.zip": b"another"})
    again = open_dataset(f"{NAME}@{sha}/tiles.zip")  # what was written down stays what it was
    assert len(again) == len(dataset) and fake_hub.downloads() == ["tiles.zip"]
    again.close()


def test_a_folder_with_classes(fake_hub):
    index = {"labels": [["00/a.png", 1], ["00/b.png", 0]], "classes": ["x", "y"]}
    files = {
        "00/a.png": png(1),
        "00/b.png": png(2),
        "run.py": b"1",
        "dataset.json": json.dumps(index).encode(),
    }
    sha = put(fake_hub, files)
    dataset = open_dataset(NAME)
    assert dataset.labels.tolist() == [1, 0] and dataset.name == "tiles"
    assert set(fake_hub.downloads()) == {"00/a.png", "00/b.png", "dataset.json"}
    assert places.lasting(dataset.path) == f"{NAME}@{sha}"
    assert dataset.left_out is None and values(f"{NAME}/00") == [1, 2]


def test_the_training_split_of_tables(fake_hub):
    names = ("data/train-00000-of-00002", "data/train-00001-of-00002", "data/test-00000-of-00001")
    put(fake_hub, {f"{name}.parquet": table([i, i + 10]) for i, name in enumerate(names)})
    assert values(f"{NAME}/data/test-00000-of-00001.parquet") == [2, 12]
    assert values(NAME) == [0, 10, 1, 11]
    assert values(f"{NAME}/data") == [0, 10, 1, 11]


@pytest.mark.parametrize(
    ("paths", "inside", "match"),
    [
        (
            ["a.zip", "b.zip"],
            "",
            r"not clear which file .* name one of a\.zip, b\.zip, such as hf://.*/a\.zip",
        ),
        (["x.csv"], "", r"not clear which file to take: it holds x\.csv"),
        ([], "", "is empty"),
        (["a.zip"], "none", "is empty: name one of a.zip"),
        (["a.py"], "a.py", "no set of images"),
        (["data/x.parquet", "data/y.parquet"], "", "none is named train"),
    ],
)
def test_what_is_not_clear(paths, inside, match):
    with pytest.raises(UserError, match=match):
        hub_sets.chosen_of(Name("dataset", "user/tiles", "main", inside), [File(p, 1) for p in paths])


def test_bounds_names_and_digests(fake_hub, tiny_zip):
    put(fake_hub, {"a.png": png(1), "a/../b.png": png(2)})
    with pytest.raises(UserError, match="may lie elsewhere: not fetched"):
        open_dataset(NAME)
    put(fake_hub, {"a.png": png(1)})
    fake_hub.sizes["a.png"] = 2**30
    with pytest.raises(UserError, match=r"a\.png has 1,073,741,824 bytes, more than"):
        open_dataset(NAME)
    assert fake_hub.downloads() == []
    content = tiny_zip.read_bytes()
    put(fake_hub, {"a.zip": content})
    fake_hub.served["a.zip"] = content[:-1] + b"\1"
    with pytest.raises(UserError, match=r"a\.zip of .* is not what .* lists"):
        open_dataset(NAME)
    root = Path(hub_files._root())
    assert not list(root.rglob("*.zip")) and not list(root.rglob("b.png"))


def test_several_processes_open_the_commit_of_the_first(fake_hub, tiny_zip, monkeypatch):
    sha = put(fake_hub, {"tiles.zip": tiny_zip.read_bytes()})
    told = []
    monkeypatch.setattr(distributed, "world", lambda: 2)
    monkeypatch.setattr(distributed, "from_first", lambda work: told.append(work()) or told[-1])
    dataset = open_together(NAME)
    assert told == [f"{NAME}@{sha}/tiles.zip", "null"] and dataset.place == told[0]
    dataset.close()


def test_a_model_is_no_data_set(fake_hub):
    with pytest.raises(UserError, match=f"names a model, not a data set: is {NAME}@main meant"):
        open_dataset("hf://user/tiles")
    assert is_model("hf://user/tiles") and not is_model(NAME)


def test_commands_on_sets_take_the_name(fake_hub, tiny_zip, tmp_path):
    put(fake_hub, {"tiles.zip": tiny_zip.read_bytes()})
    place = Path(NAME)  # as the command line hands it over, with one slash
    count = datasets.info(place)["images"]
    assert count == datasets.verify(place)["images"] > 0
    assert datasets.merge([place], tmp_path / "m.zip")["images"] <= count
    assert datasets.subset(place, tmp_path / "s.zip", count=2)["images"] == 2
    made = preparation.prepare([place], tmp_path / "p.zip", Request(form=Form(height=8, width=8)), workers=1)
    assert zipfile.is_zipfile(tmp_path / "p.zip") and made


def test_settings_keep_the_commit(fake_hub, tiny_zip):
    sha = put(fake_hub, {"tiles.zip": tiny_zip.read_bytes()})
    config = pinned(override(load_preset("stylegan2-tiny"), [f'data.held_out="{NAME}"']))
    assert config.data.held_out == f"{NAME}@{sha}/tiles.zip"
    dataset = open_dataset(NAME)
    assert with_parts(config, config, dataset, None).data.path == f"{NAME}@{sha}/tiles.zip"
    dataset.close()
    asked = len(fake_hub.asked)
    assert pinned(config) == config and len(fake_hub.asked) == asked

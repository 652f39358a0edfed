"""Sets as other tools read and write them: the layout of StyleGAN's tools, WebDataset, ImageFolder."""

import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from gan.jobs.preparation import prepare
from tests.training.preparation.samples import encoded, messy_folder, pattern
from training.data.images import open_dataset
from training.preparation.request import request


def make(source, out, **options):
    return prepare([source], out, request(**{"resolution": "32", "copies": "exact", **options}), workers=1)


def stylegan_rules(path):
    """Images [N, H, W, C] and labels of a zip, by the rules of that layout.

    Members whose ending is that of an image, by sorted name, all of one shape; labels are the pairs of
    dataset.json under "labels", by name with forward slashes, and whole numbers.
    """
    with zipfile.ZipFile(path) as archive:
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        names = sorted(
            n for n in archive.namelist() if n.lower().rpartition(".")[2] in ("png", "jpg", "jpeg", "webp")
        )
        images = [np.asarray(Image.open(io.BytesIO(archive.read(n)), formats=("PNG",))) for n in names]
        labels = json.loads(archive.read("dataset.json"))["labels"]
    labels = None if labels is None else dict(labels)
    return np.stack(images), None if labels is None else np.array([labels[n] for n in names])


@pytest.mark.parametrize("labels", ["folders", "none"])
def test_a_zip_by_the_rules_of_stylegan(tmp_path, labels):
    make(messy_folder(tmp_path / "in"), tmp_path / "set.zip", labels=labels)
    images, numbers = stylegan_rules(tmp_path / "set.zip")
    ours = open_dataset(tmp_path / "set.zip")
    assert images.shape == (12, 32, 32, 3)
    assert all(np.array_equal(image.transpose(2, 0, 1), ours.image(i)) for i, image in enumerate(images))
    if labels == "none":
        assert numbers is None and ours.labels is None
    else:
        assert numbers.dtype == np.int64 and np.array_equal(numbers, ours.labels)
    ours.close()


def test_grey_by_the_rules_of_stylegan(tmp_path):
    make(messy_folder(tmp_path / "in"), tmp_path / "set.zip", channels=1)
    assert stylegan_rules(tmp_path / "set.zip")[0].shape == (12, 32, 32)


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # its reader leaves files open
def test_webdataset_both_ways(tmp_path):
    webdataset = pytest.importorskip("webdataset", reason="needs the package webdataset")
    out = tmp_path / "shards" / "s-%06d.tar"
    make(messy_folder(tmp_path / "in"), out, labels="folders")
    shard = str(tmp_path / "shards" / "s-000000.tar")
    samples = list(webdataset.WebDataset(shard, shardshuffle=False).decode("pil"))
    assert [sample["__key__"] for sample in samples] == [f"00000/img{i:08d}" for i in range(12)]
    assert samples[1]["txt"] == "pattern number 0" and samples[1]["png"].size == (32, 32)
    assert sorted({sample["cls"] for sample in samples}) == [0, 1, 2]
    with webdataset.TarWriter(str(tmp_path / "theirs.tar")) as writer:
        for i in range(4):
            image = Image.fromarray(pattern(i))
            writer.write(
                {"__key__": f"k{i}", "png": image, "cls": i % 2, "json": {"license": "CC0"}, "txt": f"no {i}"}
            )
    made = make(tmp_path / "theirs.tar", tmp_path / "set.zip", require=["licence"])
    assert made["classes"] == {"0": 2, "1": 2} and made["files"] == made["kept"] == 4 and made["faults"] == {}
    with zipfile.ZipFile(tmp_path / "set.zip") as archive:
        index = json.loads(archive.read("dataset.json"))
    assert sorted(index["captions"].values()) == [f"no {i}" for i in range(4)]
    assert index["manifest"]["licence"] == "CC0"


def test_an_image_folder(tmp_path):
    folder = tmp_path / "in"
    (folder / "train").mkdir(parents=True)
    rows = []
    for i in range(4):
        (folder / "train" / f"{i}.jpg").write_bytes(encoded(pattern(i), "JPEG"))
        rows.append({"file_name": f"{i}.jpg", "text": f"no {i}", "label": "ab"[i % 2], "score": i / 2})
    (folder / "train" / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    made = make(folder, tmp_path / "set.zip", where="score > 0")
    assert made["classes"] == {"a": 1, "b": 2} and made["files"] == 4 and made["reasons"] == {"where": 1}


def test_a_set_is_prepared_again_as_it_is(tmp_path):
    """The same images, classes, captions and licences."""
    first = make(messy_folder(tmp_path / "in"), tmp_path / "a.zip", labels="folders")
    again = make(tmp_path / "a.zip", tmp_path / "b.zip")
    assert (again["kept"], again["classes"], again["faults"]) == (12, first["classes"], {})
    indices = []
    for name in "ab":
        with zipfile.ZipFile(tmp_path / f"{name}.zip") as archive:
            indices.append(json.loads(archive.read("dataset.json")))
    assert indices[0]["labels"] == indices[1]["labels"] and indices[0]["captions"] == indices[1]["captions"]
    sums = [[f["sha256"] for f in index["manifest"]["files"].values()] for index in indices]
    assert sums[0] == sums[1]

"""Data sets as training reads them: own objects, vectors beside images, and conditions by the word."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import gan
from gan import sampling
from gan.config import override
from gan.errors import UsageError, UserError
from gan.images import grid
from gan.jobs.training import train
from gan.models import checkpoint
from tests.training.data.test_archive import NAMES, members, write_folder, write_zip
from tests.training.data.test_archive_arrays import npy
from tests.training.tiny import EVERY_TWO_STEPS, TINY
from training.config import RunConfig
from training.data.faults import DataError
from training.data.images import open_dataset
from training.loop import GRID

PLANES = np.random.default_rng(1).integers(0, 256, (8, 3, 8, 8), dtype=np.uint8)  # [N, C, H, W]
TWO_STEPS = override(RunConfig(preset="tiny"), [*TINY, *EVERY_TWO_STEPS])
ROWS = np.random.default_rng(2).normal(size=(4, 2)).astype(np.float32)  # [N, c_dim]


class Own:
    """A data set of one's own: image, fingerprint, and what else it is given."""

    def __init__(self, fingerprint="1", planes=PLANES, **more):
        self.fingerprint, self.planes = fingerprint, planes
        self.__dict__.update(more)

    def __len__(self):
        return len(self.planes)

    def image(self, i):
        return self.planes[i]


def test_an_own_object():
    dataset = open_dataset(Own(labels=[0, 1] * 4, classes=("a", "b"), name="mine", licence="CC0"))
    assert (dataset.name, dataset.licence, dataset.place, dataset.slug) == ("mine", "CC0", "Own", "mine")
    assert dataset.labels.tolist() == [0, 1] * 4 and dataset.classes == ["a", "b"]
    assert np.array_equal(dataset.image(3), PLANES[3]) and open_dataset(dataset) is dataset
    assert len(dataset.sha256) == 64 and dataset.sha256 != open_dataset(Own("2")).sha256
    assert open_dataset(Own("ab" * 32)).sha256 == "ab" * 32


OWN = {
    "no pixels": ({"planes": ["a"]}, "Own: image(0) gives str []: give a NumPy array uint8 [C, H, W]"),
    "floats": ({"planes": PLANES / 255}, "Own: image(0) gives float64 [3, 8, 8]: give a NumPy array uint8"),
    "few labels": ({"labels": [0, 1]}, "Own: labels are int64 [2]: give one class number for each image"),
    "float labels": ({"labels": [0.0] * 8}, "Own: labels are float64 [8]: give one class number"),
    "no such class": ({"labels": [2] * 8, "classes": "ab"}, "Own: labels are 2 to 2 for 2 classes: give"),
    "negative": ({"labels": [-1] * 7 + [1]}, "Own: labels are -1 to 1 for 2 classes: give numbers"),
    "few vectors": ({"vectors": np.zeros((7, 2))}, "Own: vectors are float64 [7, 2]: give one row of floats"),
    "integers": ({"vectors": np.zeros((8, 2), int)}, "Own: vectors are int64 [8, 2]: give one row of floats"),
    "not finite": ({"vectors": np.full((8, 2), np.inf)}, "Own: the vector of image 0 is not finite: mend or"),
}


def conditions(dataset):
    return dataset.labels, dataset.vectors


@pytest.mark.parametrize("case", OWN)
def test_refusals_of_own_objects(case):
    more, expected = OWN[case]
    with pytest.raises(DataError) as caught:
        conditions(open_dataset(Own(**more)))
    assert expected in str(caught.value)


@pytest.fixture(params=["zip", "folder"])
def make(request, tmp_path):
    """make(files) -> path of a zip or of a folder."""
    if request.param == "zip":
        return lambda files: write_zip(tmp_path / "set.zip", files)
    return lambda files: write_folder(tmp_path / "set", files)


def with_vectors(vectors=None, **index):
    index = {"vectors": "vectors.npy", **index}
    return {**members(), "dataset.json": index, "vectors.npy": npy(ROWS if vectors is None else vectors)}


def test_vectors_in_archives(make):
    dataset = open_dataset(make(with_vectors()))
    assert len(dataset) == 4 and dataset.labels is None and dataset.c_dim == 2
    assert np.array_equal(dataset.vectors, ROWS)
    assert dataset.conditioned("none").vectors is None and dataset.conditioned("none").c_dim == 0
    dataset.close()


def test_vectors_change_the_fingerprint(make):
    value = open_dataset(make(with_vectors())).sha256
    assert open_dataset(make(with_vectors(ROWS + 1))).sha256 != value


UNFIT = np.where(np.arange(8).reshape(4, 2) == 5, np.nan, ROWS)
BAD_VECTORS = {
    "few": (with_vectors(ROWS[:3]), "vectors.npy holds float32 of shape [3, 2]: save floats [4, values]"),
    "flat": (with_vectors(ROWS[:, 0]), "vectors.npy holds float32 of shape [4]: save floats [4, values]"),
    "of no value": (with_vectors(ROWS[:, :0]), "vectors.npy holds float32 of shape [4, 0]: save floats"),
    "integers": (with_vectors(np.zeros((4, 2), int)), "vectors.npy holds int64 of shape [4, 2]: save floats"),
    "not finite": (with_vectors(UNFIT), "the vector of image 2 is not finite: mend or remove it"),
    "cut": ({**with_vectors(), "vectors.npy": npy(ROWS)[:-4]}, "vectors.npy has 28 of 32 bytes of vectors"),
    "no array": ({**with_vectors(), "vectors.npy": b"hello"}, "vectors.npy is not a NumPy file ("),
    "missing": (
        {**members(), "dataset.json": {"vectors": "gone.npy"}},
        "dataset.json names the vectors gone.npy, which are not there",
    ),
}


@pytest.mark.parametrize("case", BAD_VECTORS)
def test_bad_vectors(make, case):
    files, expected = BAD_VECTORS[case]
    path = make(files)
    with pytest.raises(DataError) as caught:
        conditions(open_dataset(path))
    assert expected in str(caught.value) and str(path) in str(caught.value)


@pytest.fixture
def run(tmp_path):
    """run(data, ...) -> the newest checkpoint of a run of two steps."""

    def run(data, *settings, **options):
        options.setdefault("out", tmp_path / "runs")
        done = train(override(TWO_STEPS, settings), data, device="cpu", **options)
        return checkpoint.read(checkpoint.resolve(done.path))

    return run


BOTH = with_vectors(labels=[[name, i % 2] for i, name in enumerate(NAMES)])


def test_labels_and_vectors_ask_for_the_word(make, run):
    path = make(BOTH)
    with pytest.raises(UsageError, match="has labels and vectors: set data.conditional to one of"):
        run(path, "data.conditional=true")
    assert run(path, "data.conditional=labels").config["generator"]["c_dim"] == 2
    saved = run(path, "data.conditional=vectors")
    assert saved.config["data"]["vectors"] == 2 and saved.config["generator"]["c_dim"] == 2


@pytest.mark.parametrize(
    "word, what", [("true", "class labels or vectors"), ("labels", "labels"), ("vectors", "vectors")]
)
def test_conditions_that_are_not_there(tmp_path, run, word, what):
    path = write_zip(tmp_path / "set.zip", members())
    with pytest.raises(UsageError, match=f"has no {what}: leave out data.conditional"):
        run(path, f"data.conditional={word}")


def test_resuming_compares_the_fingerprint(run):
    """Of an object: the same content goes on, other vectors are a change that asks for permission."""
    rows = [row.tolist() for row in np.random.default_rng(3).normal(size=(8, 2))]
    data = [(plane.transpose(1, 2, 0), row) for plane, row in zip(PLANES, rows, strict=True)]
    first = run(data, "data.conditional=true")
    again = run(list(data), "data.conditional=true", "kimg=0.016", resume=first.run)
    assert again.kimg == 0.016 and again.config["data"]["sha256"] == first.config["data"]["sha256"]
    rows[5][1] += 1
    other = [(plane.transpose(1, 2, 0), row) for plane, row in zip(PLANES, rows, strict=True)]
    with pytest.raises(UserError, match="data"):
        run(other, "data.conditional=true", "kimg=0.024", resume=first.run)
    changed = run(other, "data.conditional=true", "kimg=0.024", resume=first.run, accept_change=True)
    phases = json.loads((Path(first.run) / "phases.json").read_text())
    assert changed.kimg == 0.024 and "sha256" in json.dumps(phases)


def test_classes_without_images_are_not_drawn(tmp_path, run, capsys):
    """Two of five classes have images: the log says so, and only they are drawn, at once and ever after."""
    index = {"labels": [[n, 1 + 3 * (i % 2)] for i, n in enumerate(NAMES)], "classes": [*"abcde"]}
    path = write_zip(tmp_path / "set.zip", {**members(), "dataset.json": index})
    saved = run(path, "data.conditional=true")
    assert "has no image of a, c, d: nothing is learned of these classes" in capsys.readouterr().err
    assert saved.config["data"]["seen"] == [1, 4] and saved.config["generator"]["c_dim"] == 5
    generator, seeds = gan.load(saved.run), range(20)
    drawn = sampling.drawn_numbers(generator, seeds)
    assert set(drawn) == {1, 4}
    images = torch.cat(list(sampling.images(generator, seeds)))
    assert torch.equal(images, torch.cat(list(sampling.images(generator, seeds, labels=drawn))))
    assert torch.equal(images, gan.sample(saved.run, seeds, device="cpu"))
    shown = np.asarray(Image.open(saved.run / f"fakes-{saved.path.name}.png"))
    pictures = torch.cat(list(sampling.images(generator, range(GRID))))
    assert np.array_equal(shown, grid(pictures, 8).permute(1, 2, 0).numpy())


def test_a_set_of_all_its_classes_keeps_no_list(make, run):
    saved = run(make(BOTH), "data.conditional=labels")
    assert "seen" not in saved.config["data"]
    generator = gan.load(saved.run)
    assert sampling.drawn_numbers(generator, range(9)) == sampling.labels_from_seeds(range(9), 2)


def test_training_on_an_array_in_a_file(tmp_path, run):
    np.savez(tmp_path / "set.npz", PLANES.transpose(0, 2, 3, 1))
    saved = run(tmp_path / "set.npz")
    assert saved.config["data"]["images"] == 8 and saved.config["data"]["name"] == "set"

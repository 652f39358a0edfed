"""Scores of a generator against a tiny data set: repeatable, recorded, with the classes of the data."""

import json
import zipfile

import numpy as np
import pytest
import torch

from gan.errors import UserError
from gan.jobs.scoring import DatasetImages, format_table, score
from tests.gan.runs import generator_config
from tests.metrics.test_catalogue import Standins
from tests.metrics.test_equivariance import stylegan3
from training.data.images import open_dataset

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*covariance is singular"),  # 40 images are few
    pytest.mark.usefixtures("own_cache"),
]


def test_score_is_repeatable_whatever_the_batch(dataset, tiny_generator):
    """A batch size may move single pixels by a level where the CPU picks another convolution."""
    options = {"num_fakes": 70, "seed": 3, "kimg": None}
    (first,) = score(tiny_generator, dataset, ["fd-untrained"], **options)
    (again,) = score(tiny_generator, dataset, ["fd-untrained"], **options)
    (other,) = score(tiny_generator, dataset, ["fd-untrained"], **options, batch=7)
    assert first == again
    assert other.pop("value") == pytest.approx(first.pop("value"), rel=1e-4)
    assert other == first


def test_truncation_is_recorded(dataset, tiny_generator):
    options = {"num_fakes": 70, "seed": 0, "kimg": None}
    (full,) = score(tiny_generator, dataset, ["fd-untrained"], **options)
    (half,) = score(tiny_generator, dataset, ["fd-untrained"], **options, psi=0.5)
    assert half["convention"] == f"{full['convention']}-psi0.5" and half["value"] != full["value"]
    assert (full["label"], half["label"]) == ("fd-untrained[70-full]", "fd-untrained[70-full-psi0.5]")


def test_classes_follow_the_data(dataset, monkeypatch):
    """A conditional model is asked for the classes of the data, in about their shares."""
    seen = []

    def images(generator, seeds, *, labels, psi, batch):
        seen.extend(labels)
        yield torch.zeros(len(seeds), 3, 16, 16, dtype=torch.uint8)

    monkeypatch.setattr("gan.sampling.images", images)
    monkeypatch.setattr(dataset, "labels", np.array([0] * 30 + [3] * 10))
    generator = generator_config(c_dim=4).build()
    for num_fakes in (200, 100):
        score(generator, dataset, ["fd-untrained"], num_fakes=num_fakes, seed=0, kimg=None)
    assert set(seen) == {0, 3} and 0.6 < seen[:200].count(0) / 200 < 0.9
    assert seen[200:] == seen[:100]  # the class belongs to the seed


def test_a_model_with_classes_needs_labels(dataset, monkeypatch):
    options = {"num_fakes": 70, "seed": 0, "kimg": None}
    with pytest.raises(UserError, match=r"2 classes but .* has labels 0 to 3"):
        score(generator_config(c_dim=2).build(), dataset, ["fd-untrained"], **options)
    monkeypatch.setattr(dataset, "labels", None)
    with pytest.raises(UserError, match="has no labels"):
        score(generator_config(c_dim=2).build(), dataset, ["fd-untrained"], **options)


def test_images_of_a_data_set_are_read_in_order(dataset):
    images = DatasetImages(dataset, limit=30)
    assert len(images) == 30 and images.labels == [i % 4 for i in range(30)]
    part = images.read(16, 30)
    assert part.shape == (14, 3, 16, 16) and part.dtype == torch.uint8
    assert torch.equal(part[13], torch.tensor(dataset.image(29)))


def test_table_is_aligned():
    record = {"num_fake": 2000, "num_real": 4495, "convention": "x"}
    text = format_table(
        [
            {"label": "a[2k-full]", "value": 123.456, **record},
            {"label": "b/real[full]", "value": 0.01234, "error": 0.5, **record, "num_fake": 0},
        ]
    )
    assert text.splitlines() == [
        "a[2k-full]            123.46  (2,000 fakes vs 4,495 reals, x)",
        "b/real[full]  0.01234 +- 0.5  (4,495 reals, x)",
    ]


def test_labels_are_not_read_where_no_metric_asks(tiny_generator, tiny_zip, dataset, tmp_path):
    """Float labels keep nobody from an unconditional score; who asks for classes is told of them."""
    with zipfile.ZipFile(tiny_zip) as archive:
        archive.extractall(tmp_path / "set")
    index = json.loads((tmp_path / "set" / "dataset.json").read_text())
    index["labels"] = [[name, 0.5] for name, _ in index["labels"]]
    (tmp_path / "set" / "dataset.json").write_text(json.dumps(index))
    broken, options = open_dataset(tmp_path / "set"), {"num_fakes": 70, "seed": 3, "kimg": None}
    (record,) = score(tiny_generator, broken, ["fd-untrained"], **options)
    assert record["value"] == score(tiny_generator, dataset, ["fd-untrained"], **options)[0]["value"]
    with pytest.raises(UserError, match=r"has the label 0.5 in dataset.json: write a class number"):
        print(DatasetImages(broken).labels)


@pytest.mark.parametrize("name", ["ppl-w-end", "eq-t"])
def test_metrics_of_the_generator_draw_the_classes_of_the_data(name, dataset, monkeypatch):
    """In their shares, which are far from uniform; class 1 and 2 have no image."""
    seen = []
    monkeypatch.setattr(dataset, "labels", np.array([0] * 39 + [3]))
    generator = stylegan3(c_dim=4)
    generator.mapping.register_forward_pre_hook(lambda _, given: seen.extend(given[1].argmax(1).tolist()))
    score(generator, dataset, [name], num_fakes=80, seed=0, kimg=None, networks=Standins())
    assert set(seen) == {0, 3} and seen.count(0) / len(seen) > 0.85


def test_metrics_of_the_generator_draw_the_vectors_of_the_data(dataset, monkeypatch):
    seen = []
    vectors = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)
    for name, value in (("labels", None), ("vectors", vectors)):
        monkeypatch.setattr(dataset, name, value)
    generator = stylegan3(c_dim=3)
    generator.mapping.register_forward_pre_hook(lambda _, given: seen.append(given[1]))
    for name in ("ppl-w-end", "eq-t"):
        seen.clear()
        score(generator, dataset, [name], num_fakes=6, seed=0, kimg=None, networks=Standins())
        rows = {tuple(row) for part in seen for row in part.tolist()}
        assert rows <= {tuple(row) for row in vectors.tolist()} and len(rows) > 2

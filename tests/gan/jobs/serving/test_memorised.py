"""Nearness to training images: the threshold out of the data, copies, and what fails."""

import contextlib

import pytest
import torch

from gan.errors import UserError
from gan.jobs.serving import memorised
from gan.jobs.serving.filters import Filters
from gan.jobs.serving.memorised import Memorised, threshold
from gan.jobs.serving.policies import Policies
from gan.jobs.serving.settings import ServeConfig
from training.data.images import open_dataset


def test_the_threshold_is_a_percentile_of_nearest_distances():
    rows = torch.tensor([[0.0], [1.0], [3.0], [7.0], [15.0]])  # to the nearest other: 1, 1, 2, 4, 8
    assert threshold(rows, 0) == 1 and threshold(rows, 50) == 2 and threshold(rows, 100) == 8
    assert threshold(rows, 25) == 1 and threshold(rows, 62.5) == 3
    with_a_copy = torch.cat([rows, rows[3:4]])  # 1, 1, 2, 8, and twice 0
    assert threshold(with_a_copy, 0) == 1 and threshold(with_a_copy, 50) == 1.5
    assert threshold(torch.cat([rows, rows]), 100) == pytest.approx(3e-5)  # every row has a copy; rounding


def test_a_sample_of_a_large_set(monkeypatch):
    rows = torch.arange(500.0)[:, None] * 2
    monkeypatch.setattr(memorised, "MOST_COMPARED", 50)
    assert threshold(rows, 1) == threshold(rows, 99) == 2


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(memorised, "_LEAST", 2)


@pytest.mark.usefixtures("own_cache", "few")
def test_a_copy_is_met_and_something_else_is_not(tiny_zip):
    near = Memorised(str(tiny_zip), 5.0, network="untrained")
    with contextlib.closing(open_dataset(tiny_zip)) as dataset:
        copy = torch.from_numpy(dataset.raw(7).copy())
    assert near.distance(copy) < 1e-3 * near.threshold and near.is_met(near.distance(copy))
    assert near.images == 40 and near.told()["threshold"] == near.threshold > 0
    assert near.told()["features"].startswith("untrained, pool, sha256:")
    other = torch.randint(0, 256, copy.shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(3))
    assert near.distance(other) > near.threshold and not near.is_met(near.distance(other))
    assert near.is_met(near.threshold) and near.is_met(float("nan"))
    larger = Memorised(str(tiny_zip), 100.0, network="untrained")
    assert larger.threshold > near.threshold


@pytest.mark.usefixtures("own_cache", "few")
def test_as_a_filter(tiny_zip, monkeypatch):
    monkeypatch.setattr(memorised.Memorised.__init__, "__defaults__", ("untrained",))
    given = {"models": ("m",), "content_filter": "off", "memorisation": str(tiny_zip)}
    found = Filters(ServeConfig(**given, policies=Policies(memorised="mark")))
    with contextlib.closing(open_dataset(tiny_zip)) as dataset:
        copy = torch.from_numpy(dataset.raw(7).copy())
    verdict = found.verdict(copy)
    assert (
        found.names == ["memorised"]
        and str(verdict) == "marked:memorised"
        and verdict.nearest == pytest.approx(0, abs=1e-3)
    )
    monkeypatch.setattr(found.memorised, "rows", found.memorised.rows * float("nan"))
    broken = found.verdict(copy)
    assert broken.action == "block" and "failed" in broken.reason


@pytest.mark.usefixtures("own_cache")
def test_what_cannot_be_had_stops_the_server(tiny_zip, tmp_path):
    with pytest.raises(UserError, match="has 40 images: the check needs 100"):
        Memorised(str(tiny_zip), 1.0, network="untrained")
    with pytest.raises(UserError, match=r"none\.zip"):
        Filters(ServeConfig(models=("m",), content_filter="off", memorisation=str(tmp_path / "none.zip")))

"""Fixtures: an open data set, a cache that holds nothing yet, a run directory, a token of a hub."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gan.models.fake_hub import TOKEN
from tests.gan.runs import write_run
from training.data.images import ImageDataset, open_dataset


@pytest.fixture
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """GAN_CACHE of this test alone."""
    monkeypatch.setenv("GAN_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def dataset(tiny_zip: Path) -> Iterator[ImageDataset]:
    """`tiny_zip`, open."""
    dataset = open_dataset(tiny_zip)
    yield dataset
    dataset.close()


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """A run directory with one checkpoint of an untrained model."""
    return write_run(tmp_path / "runs" / "00000-demo-tiny")


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> str:
    """One that may write to `fake_hub`."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    return TOKEN

"""A run whose images are decoded ahead by default has the bits of one that decodes them itself."""

import os

import pytest

from tests.training.tiny import configured, files, run_training
from training.data import images, sampler


@pytest.fixture
def started(monkeypatch):
    """Numbers of processes that decode, by run; as on four cores, with a set too large to keep."""
    found, honest = [], sampler.DataLoader
    monkeypatch.setattr(images, "CACHE_BYTES", 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    monkeypatch.setattr(
        sampler,
        "DataLoader",
        lambda *arguments, **options: found.append(options["num_workers"]) or honest(*arguments, **options),
    )
    return found


def test_by_default_processes_decode_ahead_and_change_no_bit(tiny_zip, tmp_path, started):
    ahead = run_training(configured(tiny_zip, "kimg=0.016"), out=tmp_path / "ahead", device="cpu")
    assert started == [2]
    alone = configured(tiny_zip, "kimg=0.016", "data.workers=0")
    assert files(ahead, "000000.016") == files(
        run_training(alone, out=tmp_path / "alone", device="cpu"), "000000.016"
    )
    assert started == [2]


def test_a_set_that_stays_in_memory_is_decoded_where_it_is_trained_on(
    tiny_zip, tmp_path, started, monkeypatch
):
    monkeypatch.setattr(images, "CACHE_BYTES", 2**20)
    run_training(configured(tiny_zip), out=tmp_path, device="cpu")
    assert started == []

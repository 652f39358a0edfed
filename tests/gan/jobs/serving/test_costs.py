"""The pace of a server and the price of its images, by a clock that the test turns."""

import json
from pathlib import Path

import pytest

from gan.errors import UsageError
from gan.jobs.serving import costs
from gan.jobs.serving.administration import make_certificate
from gan.jobs.serving.service import Service
from gan.jobs.serving.settings import ServeConfig
from tests.gan.runs import write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return str(write_run(tmp_path_factory.mktemp("runs") / "tiny"))


def settings(run, tmp_path, **given):
    return ServeConfig(
        models=(run,), device="cpu", content_filter="off", state=str(tmp_path / "serve"), **given
    )


def measured(config, images=10, batches=(4,)):
    clock = iter([100.0, 104.0, 200.0, 202.0])
    return costs.measure(config, images, batches, clock=clock.__next__)


@pytest.fixture
def heard(monkeypatch):
    """(event, images) of every line that would be in an audit log."""
    lines, note = [], Service.note

    def noted(self, key, order, request, event, *rest):
        lines.append((event, order.seeds, order.form))
        note(self, key, order, request, event, *rest)

    monkeypatch.setattr(Service, "note", noted)
    return lines


def test_whole_requests_behind_one_that_is_not_counted(run, tmp_path, heard):
    pace = measured(settings(run, tmp_path))
    assert pace.rates == (costs.Rate(batch=4, images=12, blocked=0, seconds=4.0),)
    assert pace.rates[0].per_second == 3.0
    assert heard[0] == ("made", (0, 1, 2, 3), "zip")
    assert sorted(seeds for _, seeds, _ in heard[1:]) == [(4, 5, 6, 7), (8, 9, 10, 11), (12, 13, 14, 15)]
    assert (pace.model, pace.device) == ("tiny", "cpu") and pace.size > 100
    assert (pace.width, pace.height) == (16, 16)
    assert not (tmp_path / "serve").exists()  # the operator's own folder is left alone


def test_each_size_of_a_request_has_its_rate(run, tmp_path, heard):
    pace = measured(settings(run, tmp_path), batches=(1, 5))
    assert [(rate.batch, rate.images, rate.per_second) for rate in pace.rates] == [(1, 10, 2.5), (5, 10, 5.0)]
    asked = [seed for _, seeds, _ in heard for seed in seeds]
    assert sorted(asked) == list(range(25))  # no seed twice: nothing could be remembered


def test_parts_of_the_work_are_shares_of_it(run, tmp_path):
    pace = measured(settings(run, tmp_path, watermark="off"))
    assert sum(pace.shares.values()) == pytest.approx(1) and min(pace.shares.values()) >= 0
    assert list(pace.shares) == ["network", "filters", "size", "watermark", "file", "signature", "log"]
    assert pace.shares["network"] > 0 and pace.shares["file"] > 0 and pace.shares["log"] > 0


def test_what_was_done_before_is_in_no_share():
    before, after = (
        {"network": 5.0, "judge": 1.0},
        {"network": 6.0, "judge": 3.0, "withhold": 1.0, "log": 0.0},
    )
    assert costs._shares(before, after) == pytest.approx(
        {"network": 0.25, "filters": 0.75, "size": 0, "watermark": 0, "file": 0, "signature": 0, "log": 0}
    )


def test_a_queue_smaller_than_two_requests_is_no_obstacle(run, tmp_path):
    assert measured(settings(run, tmp_path, queue=16), images=32, batches=(16,)).images == 32


def test_what_is_on_is_told(run, tmp_path):
    pytest.importorskip("c2pa", reason="the extra marks is not installed")
    blocked = tmp_path / "blocklist.txt"
    plain = measured(settings(run, tmp_path))
    assert (plain.filters, plain.c2pa) == ((), False)
    blocked.write_text("0" * 64 + "\n")
    make_certificate(str(tmp_path / "serve"), "Test", 30)
    before = sorted(path.name for path in (tmp_path / "serve").iterdir())
    marked = measured(settings(run, tmp_path, blocklist=str(blocked)))
    assert (marked.filters, marked.c2pa) == (("blocklist",), True) and marked.size > plain.size + 2000
    assert sorted(path.name for path in Path(tmp_path / "serve").iterdir()) == before
    assert not measured(settings(run, tmp_path, c2pa="off")).c2pa


def test_what_is_held_back_is_told(run, tmp_path):
    must = measured(settings(run, tmp_path, watermark="on"))  # 16 pixels carry none
    assert (must.images, must.blocked, must.marked, must.size, must.width) == (12, 12, 0, 0, 0)


def test_the_price_by_hand():
    """Half an image a second, all of the time: 2,000 seconds for 1,000 images, 5/9 of an hour."""
    assert costs.price_of_thousand(0.36, 0.5, 1.0) == pytest.approx(0.2)
    assert costs.price_of_thousand(0.36, 0.5, 0.25) == pytest.approx(0.8)


def test_prices_by_name():
    assert costs.prices_of(["large=0.5", "a=b=2"]) == {"large": 0.5, "a=b": 2.0}
    for wrong in (["large"], ["=1"], ["a=-1"], ["a=nan"], ["a=inf"], ["a=x"], ["a=1", "a=2"]):
        with pytest.raises(UsageError, match="--price"):
            costs.prices_of(wrong)


def test_told(run, tmp_path):
    found = costs.told(measured(settings(run, tmp_path)), {"a": 3.0}, 0.5)
    assert found["machines"] == {"a": {"per_hour": 3.0, "per_1000": {"4": pytest.approx(3000 / 3600 / 1.5)}}}
    assert found["rates"][0]["images_per_second"] == 3.0 and found["utilisation"] == 0.5 and json.dumps(found)


def test_images_a_day_by_hand():
    assert costs.images_a_day(2.0, 0.25) == 43_200

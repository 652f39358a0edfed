"""The headline tells what there is, and stands what is not as expected."""

import dataclasses
from pathlib import Path

import pytest

from gan.jobs.report_curves import pace
from gan.jobs.report_summary import duration, summary
from gan.jobs.reporting import page
from tests.gan.jobs.test_report_marks import EMPTY

pytest.importorskip("vl_convert", reason="the extra report is not installed")

OLD = Path(__file__).parents[2] / "fixtures" / "run-0.1" / "00000-tiny-shapes-16"


def test_the_headline_of_an_old_run():
    text = page([OLD])
    top = text[text.index("<h1>") : text.index("<h2")]
    for fact in (
        '<dd><span class="">tiny</span></dd>',
        "shapes</span><small>24 images</small>",
        "16 × 16 pixels",
        "0.016 of 0.032 kimg",
        "0.117 s</span><small>7.29 s per thousand images, median of the ticks</small>",
        "574.9</span><small>fd-efficientnet-lite0[8-full], 128px-bicubic-antialias-unbiased, at 0.016 kimg;"
        " lower is better</small>",
        '<span class="healthy">healthy</span>',
        "Report made",
    ):
        assert fact in top, fact


def facts(**of):
    """What is told, by name: value, remark and state."""
    return {f.name: (f.value, f.remark, f.state) for f in summary(dataclasses.replace(EMPTY, **of))}


def test_time_is_the_median_of_the_ticks():
    stats = [{"kimg": k, "seconds": 10 * k, "sec_per_kimg": v} for k, v in ((1, 90.0), (2, 8.0), (3, 9.0))]
    stats.append({"kimg": 4, "seconds": 4000, "sec_per_kimg": None})
    assert pace(stats) == 9 and pace([]) is None
    told = facts(stats=stats)["Training time"]
    assert told == ("1 h 6 min", "9 s per thousand images, median of the ticks", "")
    assert [duration(s) for s in (8.44, 65, 3700)] == ["8.44 s", "1 min 5 s", "1 h 1 min"]


def test_the_state_of_health_has_its_reason():
    event = {"state": "drifting", "reason": "<fakes> alike"}
    found = facts(stats=[{"kimg": 1, "health": "drifting"}], events=[event])
    assert found["Health"] == ("drifting", "<fakes> alike", "drifting")
    assert facts(stats=[{"kimg": 2, "health": "healthy"}], events=[event])["Health"][1] == ""


@pytest.mark.parametrize(
    "config",
    [
        {"preset": "<b>", "data": "x", "generator": 3, "kimg": "many"},
        {"data": {"path": "/a/<faces>.zip"}, "generator": {"resolution": "big", "base": [4]}},
        {"generator": {"resolution": 128, "base": [3, 4]}},
    ],
)
def test_settings_that_are_not_as_expected(config):
    found = facts(config=config, data={"images": "7"}, stats=[{}])
    assert found["Data set"][1] == "number of images not recorded"
    size = {"128 × 96 pixels"} if config["generator"] == {"resolution": 128, "base": [3, 4]} else set()
    assert {value for name, (value, *_) in found.items() if name == "Resolution"} == size


def test_a_damaged_checkpoint_is_named_and_the_data_set_is_that_of_the_settings(tmp_path):
    (tmp_path / "config.yaml").write_text("data: {path: /a/faces.zip}")
    config = tmp_path / "checkpoints" / "000016" / "config.json"
    config.parent.mkdir(parents=True)
    config.write_text('{"data": ')
    said = []
    assert "faces</span><small>number of images not recorded" in page([tmp_path], said.append)
    assert len(said) == 1 and said[0].startswith(f"{config} is damaged (")

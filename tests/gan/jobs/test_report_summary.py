"""The headline tells what there is, and stands what is not as expected."""

from pathlib import Path

import pytest

from gan.jobs.report_summary import duration, pace, summary
from gan.jobs.reporting import page

OLD = Path(__file__).parents[2] / "fixtures" / "run-0.1" / "00000-tiny-shapes-16"


def test_the_headline_of_an_old_run():
    text = page(OLD)
    top = text[text.index("<h1>") : text.index("<h2")]
    for fact in (
        "<dd>tiny</dd>",
        "shapes<small>24 images</small>",
        "16 × 16 pixels",
        "0.016 of 0.032 kimg",
        "0.117 s<small>7.29 s per thousand images, median of the ticks</small>",
        "574.9<small>fd-efficientnet-lite0[8-full], at 0.016 kimg; lower is better</small>",
        '<span class="healthy">healthy</span>',
        "Report made",
    ):
        assert fact in top, fact


def test_time_is_the_median_of_the_ticks():
    stats = [{"kimg": k, "seconds": 10 * k, "sec_per_kimg": v} for k, v in ((1, 90.0), (2, 8.0), (3, 9.0))]
    stats.append({"kimg": 4, "seconds": 4000, "sec_per_kimg": None})
    assert pace(stats) == 9 and pace([]) is None
    assert "1 h 6 min<small>9 s per thousand" in summary({}, {}, stats, [], [])
    assert [duration(s) for s in (8.44, 65, 3700)] == ["8.44 s", "1 min 5 s", "1 h 1 min"]


def test_the_state_of_health_has_its_reason():
    stats, event = [{"kimg": 1, "health": "drifting"}], {"state": "drifting", "reason": "<fakes> alike"}
    found = summary({}, {}, stats, [event], [])
    assert '<span class="drifting">drifting</span><small>&lt;fakes&gt; alike</small>' in found
    assert "alike" not in summary({}, {}, [{"kimg": 2, "health": "healthy"}], [event], [])


@pytest.mark.parametrize(
    "config",
    [
        {"preset": "<b>", "data": "x", "generator": 3, "kimg": "many"},
        {"data": {"path": "/a/<faces>.zip"}, "generator": {"resolution": "big", "base": [4]}},
        {"generator": {"resolution": 128, "base": [3, 4]}},
    ],
)
def test_settings_that_are_not_as_expected(config):
    found = summary(config, {"images": "7"}, [{}], [], [])
    assert "<b>" not in found and "<faces>" not in found and "number of images not recorded" in found
    assert ("128 × 96 pixels" in found) == (config["generator"] == {"resolution": 128, "base": [3, 4]})


def test_a_damaged_checkpoint_is_named_and_the_data_set_is_that_of_the_settings(tmp_path):
    (tmp_path / "config.yaml").write_text("data: {path: /a/faces.zip}")
    config = tmp_path / "checkpoints" / "000016" / "config.json"
    config.parent.mkdir(parents=True)
    config.write_text('{"data": ')
    said = []
    assert "faces<small>number of images not recorded" in page(tmp_path, said.append)
    assert len(said) == 1 and said[0].startswith(f"{config} is damaged (")

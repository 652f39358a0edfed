"""Settings that differ from the preset, and from run to run."""

import dataclasses

from gan.config import override, to_dict
from gan.jobs.report_settings import against_each_other, against_preset, shown
from tests.gan.jobs.test_report_marks import EMPTY
from training.recipes import load_preset


def run(*assignments, name="x"):
    config = to_dict(
        override(load_preset("stylegan2-tiny"), ["data.path=a.zip", "generator.resolution=64", *assignments])
    )
    return dataclasses.replace(EMPTY, config=config, name=name)


def test_what_differs_from_the_preset_but_for_the_data():
    rows, why = against_preset(run("batch=8", "loss.r1_gamma=3"))
    wanted = load_preset("stylegan2-tiny")
    assert [(row["setting"], row["this run"]) for row in rows] == [("batch", "8"), ("loss.r1_gamma", "3")]
    assert rows[0]["preset stylegan2-tiny"] == str(wanted.batch) and why == ""
    assert against_preset(run()) == ([], "Nothing: all settings are those of the preset stylegan2-tiny.")


def test_presets_that_are_not_known():
    for preset, words in (
        ("<b>", "The preset <b> is not known here."),
        (None, "no preset"),
        (["x"], "is not known"),
    ):
        rows, why = against_preset(dataclasses.replace(EMPTY, config={"preset": preset}))
        assert rows == [] and words in why


def test_what_differs_from_run_to_run():
    rows = against_each_other([run(name="a"), run("batch=8", name="b")])
    assert rows == [{"setting": "batch", "a": str(load_preset("stylegan2-tiny").batch), "b": "8"}]
    odd = dataclasses.replace(EMPTY, config={"mine": {"key": None}}, name="c")
    assert {"setting": "mine.key", "a": "not there", "c": "null"} in against_each_other([run(name="a"), odd])


def test_values_as_yaml_has_them():
    assert [shown(v) for v in (None, True, 1e-8, [1, 2.5], "a")] == ["null", "true", "1e-08", "[1, 2.5]", "a"]

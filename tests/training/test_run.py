"""Run directories: numbering, refusals, scores."""

from types import SimpleNamespace

import pytest
import yaml

from gan.errors import UserError
from training import resuming
from training.config import RunConfig
from training.run import new_run, scores


def data(name="my faces"):
    return SimpleNamespace(slug=name)


def test_runs_are_numbered_and_named_safely(tmp_path):
    first = new_run(tmp_path / "runs", RunConfig(preset="demo"), data())
    (tmp_path / "runs" / "00007-old").mkdir()
    (tmp_path / "runs" / "notes").mkdir()
    second = new_run(tmp_path / "runs", RunConfig(preset="demo"), data())
    assert [first.name, second.name] == ["00000-demo-my-faces", "00008-demo-my-faces"]
    assert yaml.safe_load((first / "config.yaml").read_text())["preset"] == "demo"
    assert "torch" in (first / "environment.json").read_text()


def test_a_run_without_checkpoint_is_not_found(tmp_path):
    new_run(tmp_path, RunConfig(preset="demo"), data())
    assert resuming.find(tmp_path, "demo", None) == (None, [])


def test_unwritable_place_names_the_remedy(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="choose another --out"):
        new_run(tmp_path / "file", RunConfig(), data())


def test_scores_pass_over_a_half_written_line(tmp_path):
    assert scores(tmp_path) == []
    (tmp_path / "metrics.jsonl").write_text('{"metric": "fid", "value": 3.5}\n{"metric": "fi')
    assert scores(tmp_path) == [{"metric": "fid", "value": 3.5}]

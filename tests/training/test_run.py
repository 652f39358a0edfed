"""Run directories: numbering, refusals, the card."""

from types import SimpleNamespace

import pytest
import yaml

from gan.errors import UserError
from training.config import RunConfig
from training.run import card, find_run, new_run


def data(name="my faces"):
    return SimpleNamespace(path=SimpleNamespace(stem=name))


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
    assert find_run(tmp_path, RunConfig(preset="demo"), data()) is None


def test_unwritable_place_names_the_remedy(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="choose another --out"):
        new_run(tmp_path / "file", RunConfig(), data())


def test_card_states_data_and_licence():
    about = {"name": "glyphs", "images": 7, "sha256": "ab12", "licence": "CC BY-SA 4.0"}
    text = card(SimpleNamespace(config=RunConfig(), nimg=2500), about)
    for part in ("2.5 kimg", "glyphs", "7 images", "ab12", "CC BY-SA 4.0", "made by a machine"):
        assert part in text

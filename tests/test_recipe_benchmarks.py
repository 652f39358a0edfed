"""What benchmarks/few_shot.py and benchmarks/seeds.py share, and which recipes they give to it."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

import gan
from benchmarks import budget, few_shot, recognise, seeds
from gan.config import load_yaml
from gan.models.runs import Run
from tests.training.tiny import plain


@pytest.fixture
def given(monkeypatch):
    """What is asked of `trained`, in both benchmarks; the values are those of no training."""
    calls = []

    def trained(preset, data, folder, seconds, overrides, metrics):
        folder.mkdir(parents=True, exist_ok=True)
        calls.append((preset, data, seconds, overrides))
        return folder / "run", {"kimg": 1.5, "kid": 0.25}

    monkeypatch.setattr(few_shot, "trained", trained)
    monkeypatch.setattr(seeds, "trained", trained)
    return calls


def test_training_ends_by_its_processor_time_and_is_scored(tiny_zip, tmp_path, monkeypatch):
    """A budget of nothing is one step; the samples are as many as are said, the settings those given."""
    asked = []

    def evaluate(run, data, metrics, num_fakes, device):
        asked.append((data, metrics, num_fakes))
        return [{"metric": "fd", "label": name, "value": 2.0} for name in metrics]

    monkeypatch.setattr(gan, "evaluate", evaluate)
    monkeypatch.setattr(budget, "FAKES", 7)
    settings = plain(tiny_zip)
    overrides = ["batch=4", "seed=3", "kimg=0.02"]
    run, values = budget.trained(settings, tiny_zip, tmp_path / "out", 0.0, overrides, ["fd[a]", "fd[b]"])
    assert values == {"kimg": 0.004, "seconds": 0.0, "fd[a]": 2.0, "fd[b]": 2.0}
    assert asked == [(tiny_zip, ["fd[a]", "fd[b]"], 7)]
    config = load_yaml(run / "config.yaml")
    assert (config["seed"], config["kimg"]) == (3, 0.02)
    assert (tmp_path / "out" / "grid.png").is_file()


def test_who_stops_a_run_stops_those_after_it(tmp_path, monkeypatch):
    monkeypatch.setattr(gan, "train", lambda *_, **__: Run(tmp_path, interrupted=True))
    with pytest.raises(KeyboardInterrupt):
        budget.trained("demo", tmp_path, tmp_path, 1.0, [], ["kid"])


def test_each_seed_of_each_recipe_is_trained_once(tiny_zip, tmp_path, given, monkeypatch):
    """`demo` trains on classes; the share is that of the samples; a record is read, not made again."""
    fakes = SimpleNamespace(sure=np.array([True, False, False, False]))
    monkeypatch.setattr(recognise, "compared", lambda *_: (None, None, fakes))
    arguments = ["--data", str(tiny_zip), "--out", str(tmp_path), "--seconds", "5", "--seeds", "2"]
    printed = CliRunner().invoke(seeds.main, arguments).output
    asked = [(preset, seconds, overrides) for preset, _, seconds, overrides in given]
    classes = "data.conditional=labels"
    assert asked == [
        ("demo", math.inf, [classes, "seed=0", "kimg=0.354"]),
        ("demo", math.inf, [classes, "seed=1", "kimg=0.354"]),
        ("stylegan2-tiny", math.inf, ["seed=0", "kimg=0.281"]),
        ("stylegan2-tiny", math.inf, ["seed=1", "kimg=0.281"]),
    ]
    assert "| stylegan2-tiny, seed 1 | 1.5 | 0.25 | 5 | 0.25 |" in printed
    assert json.loads((tmp_path / "demo-1" / "record.json").read_text())["recognised"] == 0.25
    assert CliRunner().invoke(seeds.main, arguments).output == printed
    assert len(given) == 4


def test_the_few_images_are_of_one_group_and_a_model_goes_to_one_recipe(tmp_path, given, monkeypatch):
    """Without --transfer its recipe is left out; with it, only that recipe starts from a model."""
    drawn = []
    monkeypatch.setattr(few_shot, "prepare_data", lambda data, clock: None)
    monkeypatch.setattr(few_shot, "subset", lambda data, out, **how: drawn.append((out, how)))
    without = CliRunner().invoke(few_shot.main, ["--out", str(tmp_path / "a"), "--seconds", "9"])
    assert without.exit_code == 0, without.output
    assert [preset for preset, *_ in given] == ["stylegan2-tiny"] * 2 + ["demo"] * 2
    assert drawn == [(tmp_path / "a" / "nature-200.zip", {"classes": ["nature"], "count": 200})]
    assert {data for _, data, *_ in given} == {tmp_path / "a" / "nature-200.zip"}
    given.clear()
    CliRunner().invoke(few_shot.main, ["--out", str(tmp_path / "b"), "--transfer", "runs/of-mine"])
    started = [overrides for *_, overrides in given if "init_from=runs/of-mine" in overrides]
    assert len(given) == 5 and len(started) == 1 and given[0][2] == 1200.0

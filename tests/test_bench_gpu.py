"""`make bench-gpu` on a CPU: nothing in it fails on the day, and what is done is not done again."""

import json

import pytest
from click.testing import CliRunner

from benchmarks.gpu import __main__ as slices
from benchmarks.gpu import training
from benchmarks.gpu.steps import Step, steps
from training.recipes import preset_names


def test_the_steps_are_named_once_and_name_what_exists():
    found = steps()
    assert len({step.name for step in found}) == len(found) > 20
    named = [step.command[step.command.index("--preset") + 1] for step in found if "--preset" in step.command]
    assert set(named) <= set(preset_names()) and {"stylegan2", "stylegan3-t", "r3gan-64"} <= set(named)
    assert sum(step.minutes for step in found) < 90
    for step in found:
        assert max(step.minutes, 1) < 9, f"{step.name} does not fit into a slice"


def test_a_training_step_is_measured():
    small = [
        "--preset=stylegan2-tiny",
        "--resolution=16",
        "--batch=4",
        "--steps=2",
        "--repeats=1",
        "--device=cpu",
    ]
    result = CliRunner().invoke(training.main, [*small, "--set=micro_batch=2"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["sec_per_kimg"] > 0 and found["memory_gib"] > 0 and found["busy"] is None
    assert found["micro_batch"] == 2 and found["settings"] == ["micro_batch=2"]


@pytest.fixture
def three(monkeypatch):
    """Three steps: one with figures, one that fails, one that runs out of time; the names as they ran."""
    figures = (
        "import json; print(json.dumps(dict(sec_per_kimg=1.5, memory_gib=2, busy=.5, micro_batch=None)))"
    )
    found = [
        Step("figures", [], ["-c", figures]),
        Step("fails", [], ["-c", "print('no GPU'); raise SystemExit(3)"]),
        Step("slow", [], ["-c", "import time; time.sleep(60)"]),
    ]
    ran, executed = [], slices.executed
    monkeypatch.setattr(slices, "steps", lambda: found)
    limit = {"slow": 0.2}
    monkeypatch.setattr(
        slices,
        "executed",
        lambda step, tiny, left: ran.append(step.name) or executed(step, tiny, limit.get(step.name, left)),
    )
    return ran


def test_slices_add_up(three, tmp_path):
    arguments = ["--tiny", "--out", str(tmp_path), "--minutes=5"]
    result = CliRunner().invoke(slices.main, arguments)
    assert result.exit_code == 1  # a step failed
    assert "| figures | 1.5 | 2 | 50% | whole | done  |" in result.stdout
    assert "failed (3) no GPU" in result.stdout and "out of time" in result.stdout
    record = json.loads((tmp_path / "figures.json").read_text())
    assert record["code"] == 0 and record["torch"] and record["result"]["memory_gib"] == 2
    assert three == ["figures", "fails", "slow"]
    CliRunner().invoke(slices.main, arguments)
    assert three == ["figures", "fails", "slow", "slow"]  # only what ran out of time


def test_a_slice_without_time_begins_nothing(three, tmp_path):
    result = CliRunner().invoke(slices.main, ["--tiny", "--out", str(tmp_path), "--minutes=0.5"])
    assert three == [] and "0 of 3 steps; type it again" in result.stderr and result.exit_code == 0

"""A run sabotaged on purpose is caught within two ticks and goes on from its last healthy checkpoint."""

import json

import pytest
import torch
from safetensors.torch import load_file

from gan import checkpoint
from gan.cli.train import run_training
from gan.config import override
from gan.errors import UserError
from tests.training.tiny import configured, files, torchrun
from training import loop, state
from training.config import LossConfig, RunConfig
from training.phases import recorded
from training.rollback import hardened
from training.schedules import Schedule

GUARDED = ["kimg=0.064", "loss.r1_gamma=1", "health.max_growth=3"]


def events(run):
    return [json.loads(line) for line in (run / "health.jsonl").read_text().splitlines()]


def zero_generator(now):
    for parameter in now.generator.parameters():
        parameter.zero_()


def poison_generator(now):
    next(now.generator.parameters()).fill_(float("nan"))


@pytest.fixture
def sabotage(monkeypatch):
    """Do something to the state before the step at 32 images, once or each time."""

    def arrange(act, once=True):
        honest, left = loop.train_step, [1 if once else 99]

        def step(now, real, c):
            if now.nimg == 32 and left[0]:
                left[0] -= 1
                with torch.no_grad():
                    act(now)
            return honest(now, real, c)

        monkeypatch.setattr(loop, "train_step", step)

    return arrange


@pytest.mark.parametrize("act", [zero_generator, poison_generator])
def test_sabotage_is_rolled_back(act, sabotage, tiny_zip, tmp_path):
    sabotage(act)
    run = run_training(configured(tiny_zip, *GUARDED, "health.on_collapse=rollback"), out=tmp_path)
    caught, back, *_ = (event for event in events(run) if event["state"] != "healthy")
    assert caught["state"] in ("collapsed", "diverged") and 0.032 < caught["kimg"] <= 0.048
    assert back["state"] == "rollback" and back["rollbacks"] == 1 and back["kimg"] <= 0.032
    assert "optimizer_d.lr 0.002 -> 0.001" in back["reason"] and "loss.r1_gamma 1 -> 2" in back["reason"]
    name = checkpoint.folder_name(round(caught["kimg"] * 1000))
    assert (run / "evidence" / name / "fakes.png").is_file()
    assert json.loads((run / "evidence" / name / "record.json").read_text())["health"] == caught["state"]
    last = checkpoint.read(run / "checkpoints" / "000000.064")
    assert last.config["run"]["optimizer_d"]["lr"] == 0.001 and last.training()[1]["rollbacks"] == 1
    kimg = [json.loads(line)["kimg"] for line in (run / "stats.jsonl").read_text().splitlines()]
    assert kimg == sorted(set(kimg)) and kimg[-1] == 0.064


def test_a_discriminator_a_thousand_times_too_fast(monkeypatch, tiny_zip, tmp_path):
    honest = state.set_rates
    begun = []

    def fast(now):
        honest(now)
        if now.nimg >= 32 and not now.rollbacks:
            begun.append(now.nimg)
            now.optimizer_d.param_groups[0]["lr"] *= 1000

    monkeypatch.setattr("training.step.set_rates", fast)
    run = run_training(configured(tiny_zip, *GUARDED, "health.on_collapse=rollback"), out=tmp_path)
    caught = next(event for event in events(run) if event["state"] in ("collapsed", "diverged"))
    assert begun and caught["kimg"] <= 0.048


def test_the_command_resumes_a_run_that_was_rolled_back(sabotage, tiny_zip, tmp_path):
    sabotage(zero_generator)
    config = configured(tiny_zip, *GUARDED, "health.on_collapse=rollback")
    straight = run_training(config, out=tmp_path / "a")
    sabotage(zero_generator)
    half = run_training(override(config, ["kimg=0.048"]), out=tmp_path / "b")
    assert run_training(config, out=tmp_path / "b", resume="auto") == half
    assert files(straight, "000000.064") == files(half, "000000.064")


def test_a_rollback_to_before_a_phase_keeps_its_settings(sabotage, tiny_zip, tmp_path):
    config = configured(tiny_zip, *GUARDED, "health.on_collapse=rollback")
    changed = override(config, ["optimizer_g.lr=0.001"])
    run_training(override(config, ["kimg=0.032"]), out=tmp_path)
    sabotage(zero_generator)
    run = run_training(changed, out=tmp_path, resume="auto", accept_change=True)
    (phase,) = recorded(run)
    assert phase["kimg"] == 0.032 and [c["field"] for c in phase["changes"]] == ["optimizer_g.lr"]
    last = checkpoint.read(run / "checkpoints" / "000000.064").config
    assert last["run"]["optimizer_g"]["lr"] == last["run"]["optimizer_d"]["lr"] == 0.001
    assert last["phases"] == [phase]
    assert run_training(changed, out=tmp_path, resume="auto") == run


def test_stop_and_giving_up_name_the_reason(sabotage, tiny_zip, tmp_path):
    sabotage(zero_generator, once=False)
    with pytest.raises(UserError, match=r"stopped at 0.04 kimg, collapsed: .* healthy checkpoint is .*0.032"):
        run_training(configured(tiny_zip, *GUARDED, "health.on_collapse=stop"), out=tmp_path / "a")
    twice = configured(tiny_zip, *GUARDED, "health.on_collapse=rollback", "health.max_rollbacks=2")
    with pytest.raises(UserError, match="gave up at 0.04 kimg after 2 rollbacks, collapsed"):
        run_training(twice, out=tmp_path / "b")


def test_ignore_warns_and_goes_on(sabotage, tiny_zip, tmp_path):
    sabotage(zero_generator)
    run = run_training(configured(tiny_zip, *GUARDED), out=tmp_path)
    assert any(event["state"] == "collapsed" and event["action"] == "ignore" for event in events(run))
    assert "health: collapsed" in (run / "log.txt").read_text()
    assert (run / "checkpoints" / "000000.064").is_dir()


TOGETHER = [*GUARDED, "batch=8", "tick_kimg=0.016", "discriminator.mbstd_group=2"]


@pytest.mark.slow
def test_two_processes_roll_back_together(tiny_zip, tmp_path):
    """All go back to the same checkpoint with the same settings, go on, and hold the same bits."""
    settings = [*TOGETHER, "health.on_collapse=rollback"]
    told = torchrun("two_runs.py", "rollback", str(tiny_zip), str(tmp_path), *settings)
    (run,) = (tmp_path / "runs").iterdir()
    caught, back, *_ = (event for event in events(run) if event["state"] != "healthy")
    assert caught["state"] in ("collapsed", "diverged") and back["state"] == "rollback"
    first, second = (load_file(tmp_path / f"{rank}.safetensors") for rank in (0, 1))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert first["settings"].tolist() == pytest.approx([2, 0.001, 1, 64])
    saved = checkpoint.read(run / "checkpoints" / "000000.064").training()[0]
    assert torch.equal(saved["generator.mapping.fc0.weight"], first["g.mapping.fc0.weight"])
    assert told.count("rollback 1 of at most 3") == 1


@pytest.mark.slow
def test_two_processes_stop_together(tiny_zip, tmp_path):
    """Both raise the reason, and neither waits for the other."""
    settings = [*TOGETHER, "health.on_collapse=stop"]
    told = torchrun("two_runs.py", "stop", str(tiny_zip), str(tmp_path), *settings)
    assert all(f"{rank}: stopped at 0.048 kimg, collapsed: " in told for rank in (0, 1))


def test_ladder():
    start = RunConfig(loss=LossConfig(r1_gamma=Schedule(start=2, end=1, kimg=9)))
    assert hardened(start, 0) == start
    third = hardened(start, 3)
    assert third.loss.r1_gamma == Schedule(start=16, end=8, kimg=9)
    assert third.optimizer_d.lr == 0.002 / 8 and third.optimizer_g == start.optimizer_g
    assert hardened(RunConfig(loss=LossConfig(r1_gamma=0)), 2).loss.r1_gamma == 0

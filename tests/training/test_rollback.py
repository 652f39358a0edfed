"""A run sabotaged on purpose is caught within two ticks and goes on from its last healthy checkpoint."""

import dataclasses
import json
from typing import get_args, get_type_hints

import pytest
import torch
from safetensors.torch import load_file

from gan.config import dumps_yaml, from_dict, load_yaml, override
from gan.errors import UsageError, UserError
from gan.jobs.reporting import page
from gan.models import checkpoint
from gan.networks.reparametrize import sigmas
from tests.training.test_parts import held
from tests.training.tiny import configured, files, run_training, tiny_state
from training import loop, phases, state
from training import run as runs
from training.config import LossConfig, RunConfig
from training.health import HealthConfig
from training.phases import recorded
from training.rollback import REMEDIES, check_remedies, described, hardened
from training.schedules import Schedule
from training.snapshots import save
from training.step import train_step

GUARDED = ["kimg=0.064", "loss.r1_gamma=1", "health.max_growth=3"]
ALL = "health.remedies=[gamma,d_lr,spectral_norm]"
NORM = "health.remedies=[spectral_norm]"
ORIGINAL = ".parametrizations.weight.original"


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
    """With every remedy: D's settings, and its parameters by name, are others than in the command."""
    sabotage(zero_generator)
    config = configured(tiny_zip, *GUARDED, "health.on_collapse=rollback", ALL)
    straight = run_training(config, out=tmp_path / "a")
    sabotage(zero_generator)
    half = run_training(override(config, ["kimg=0.048"]), out=tmp_path / "b")
    assert run_training(config, out=tmp_path / "b", resume="auto") == half
    assert files(straight, "000000.064") == files(half, "000000.064")
    assert sigmas(checkpoint.read(straight / "checkpoints" / "000000.064").discriminator())
    stats = [json.loads(line) for line in (straight / "stats.jsonl").read_text().splitlines()]
    assert ["sigma/d" in line for line in stats] == sorted("sigma/d" in line for line in stats)
    assert "discriminator.spectral_norm off -&gt; on" in page([straight])


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
def test_two_processes_roll_back(tiny_zip, tmp_path, ranks):
    """All go back to the same checkpoint with the same settings, go on, and hold the same bits."""
    settings = [*TOGETHER, "health.on_collapse=rollback", ALL]
    told = ranks("training/two_runs.py", "rollback", str(tiny_zip), str(tmp_path), *settings)
    (run,) = (tmp_path / "runs").iterdir()
    caught, back, *_ = (event for event in events(run) if event["state"] != "healthy")
    assert caught["state"] in ("collapsed", "diverged") and back["state"] == "rollback"
    first, second = (load_file(tmp_path / f"{rank}.safetensors") for rank in (0, 1))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert first["settings"].tolist() == pytest.approx([2, 0.001, 1, 64])
    assert f"d.b4.fc{ORIGINAL}" in first
    saved = checkpoint.read(run / "checkpoints" / "000000.064").training()[0]
    assert torch.equal(saved["generator.mapping.fc0.weight"], first["g.mapping.fc0.weight"])
    assert told.count("rollback 1 of at most 3") == 1


@pytest.mark.slow
def test_two_processes_stop_together(tiny_zip, tmp_path, ranks):
    """Both raise the reason, and neither waits for the other."""
    settings = [*TOGETHER, "health.on_collapse=stop"]
    told = ranks("training/two_runs.py", "stop", str(tiny_zip), str(tmp_path), *settings)
    assert all(f"{rank}: stopped at 0.048 kimg, collapsed: " in told for rank in (0, 1))


def test_ladder():
    start = RunConfig(loss=LossConfig(r1_gamma=Schedule(start=2, end=1, kimg=9)))
    assert hardened(start, 0) == start
    third = hardened(start, 3)
    assert third.loss.r1_gamma == Schedule(start=16, end=8, kimg=9)
    assert third.optimizer_d.lr == 0.002 / 8 and third.optimizer_g == start.optimizer_g
    assert hardened(RunConfig(loss=LossConfig(r1_gamma=0)), 2).loss.r1_gamma == 0


DATA = {"name": "noise", "sha256": "0", "images": 4, "classes": [], "licence": "none"}
SMALL = ["loss.r1_gamma=1", "loss.r1_interval=2", "health.on_collapse=rollback"]


def advance(now, steps):
    for _ in range(steps):
        generator = torch.Generator().manual_seed(now.nimg)
        train_step(now, torch.rand(4, 3, 8, 8, generator=generator) * 2 - 1, None)
        now.nimg += 4


@pytest.fixture
def rolled_back(tmp_path):
    """Assignments -> run, config, state after three steps, and what a rollback to there goes on with.

    D is R3GAN's, some weights of which start as zeros. Its run has nothing but what a rollback needs.
    """

    def arrange(*assignments):
        lost = tiny_state("discriminator={type: r3gan, widths: [8, 8]}", *SMALL, *assignments)
        advance(lost, 3)
        save(tmp_path, lost, DATA)
        lost.nimg += 4
        back, notes = runs.roll_back(tmp_path, lost, "collapsed: test", lost.config, DATA)
        assert back.nimg == 12 and back is not lost
        return lost, back, notes

    return arrange


def test_weights_and_moments_of_d_stay_under_its_new_norms(rolled_back):
    lost, back, (note, *_) = rolled_back(ALL)
    assert note.endswith("gamma 1 -> 2, optimizer_d.lr 0.002 -> 0.001, discriminator.spectral_norm off -> on")
    old, new = (dict(each.discriminator.named_parameters()) for each in (lost, back))
    assert {name.replace(ORIGINAL, ".weight") for name in new} == set(old) != set(new)
    for name, parameter in new.items():
        before = old[name.replace(ORIGINAL, ".weight")]
        assert torch.equal(parameter, before)
        ours, theirs = back.optimizer_d.state[parameter], lost.optimizer_d.state[before]
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ("step", "exp_avg_sq"))  # beta1 is 0
    assert len(back.optimizer_d.state) == len(new)


def test_norms_settle_on_the_weights_that_stay(rolled_back):
    _, back, _ = rolled_back(NORM)
    found, network = sigmas(back.discriminator), back.discriminator
    assert network.config == back.config.discriminator and network.config.spectral_norm
    for name, sigma in found.items():
        weight = network.get_submodule(name).parametrizations.weight.original.flatten(1)
        assert 0.8 < sigma / torch.linalg.matrix_norm(weight, 2) < 1.001, name
    assert len(found) > 5


@pytest.mark.parametrize("remedies", [ALL, NORM])
def test_killed_after_the_rollback_it_goes_on_bit_for_bit(remedies, rolled_back, tmp_path):
    lost, back, _ = rolled_back(remedies)
    saved = checkpoint.read(checkpoint.newest(tmp_path))
    assert phases.changes(saved, lost.config, DATA) == []
    again = runs.restore(saved, lost.config, [], torch.device("cpu"))
    assert again.config == back.config == from_dict(RunConfig, load_yaml(tmp_path / "config.yaml"))
    for each in (back, again):
        advance(each, 2)
    assert held(back).keys() == held(again).keys()
    assert all(torch.equal(value, held(again)[name]) for name, value in held(back).items())
    assert all(torch.equal(value, again.tensors()[name]) for name, value in back.tensors().items())


def test_the_optimiser_has_the_order_of_one_that_resumes(tmp_path):
    """In it processes add up gradients, some of which may have gone back and some joined later."""
    lost = tiny_state(*SMALL, NORM)
    advance(lost, 1)
    save(tmp_path, lost, DATA)
    lost.nimg += 4
    back, _ = runs.roll_back(tmp_path, lost, "collapsed: test", lost.config, DATA)
    [group] = back.optimizer_d.param_groups
    names = {parameter: name for name, parameter in back.discriminator.named_parameters()}
    assert [names[parameter] for parameter in group["params"]] == list(names.values())


def test_other_remedies_after_a_rollback_are_a_change(rolled_back, tmp_path):
    lost, *_ = rolled_back(NORM)
    saved, config = checkpoint.read(checkpoint.newest(tmp_path)), lost.config
    more = phases.changes(saved, override(config, ["health.remedies=[spectral_norm,d_lr]"]), DATA)
    assert {change.field for change in more} == {"health.remedies", "optimizer_d.lr"}
    other = override(config, ["health.remedies=[d_lr]"])
    less = phases.changes(saved, other, DATA)
    with pytest.raises(UserError, match=r"other weights .*discriminator\.spectral_norm True -> False"):
        runs.restore(saved, other, less, torch.device("cpu"))


def test_a_norm_alone_helps_once(rolled_back, tmp_path):
    lost, back, _ = rolled_back(NORM)
    back.nimg += 4
    with pytest.raises(
        UserError, match=r"after 1 rollbacks, .*spectral_norm stays on.* add to them; evidence"
    ):
        runs.roll_back(tmp_path, back, "collapsed: test", lost.config, DATA)


def test_a_second_rollback_goes_on_with_the_others(rolled_back, tmp_path):
    lost, back, _ = rolled_back("health.remedies=[d_lr,spectral_norm]")
    back.nimg += 4
    twice, (note, *_) = runs.roll_back(tmp_path, back, "collapsed: test", lost.config, DATA)
    assert note.endswith("optimizer_d.lr 0.001 -> 0.0005, discriminator.spectral_norm stays on")
    assert twice.rollbacks == 2 and len(sigmas(twice.discriminator)) == len(sigmas(back.discriminator))


def test_remedies_that_change_nothing(tiny_zip, tmp_path):
    typed = configured(tiny_zip, *SMALL, NORM, "discriminator.spectral_norm=true")
    with pytest.raises(UsageError, match=r"\(discriminator\.spectral_norm stays on\), .* add d_lr"):
        run_training(typed, out=tmp_path)
    assert not list(tmp_path.iterdir())
    check_remedies(override(typed, ["health.on_collapse=stop"]))
    check_remedies(override(typed, ["health.remedies=[spectral_norm,d_lr]"]))
    with pytest.raises(UsageError, match=r"loss\.r1_gamma stays 0"):
        check_remedies(override(typed, ["health.remedies=[gamma]", "loss.r1_gamma=0"]))


def test_a_discriminator_without_norms_is_left_alone():
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config:
        type: str = "toy"
        c_dim: int = 0
        channels: int = 3
        resolution: int = 8
        base: tuple[int, int] = (4, 4)

    config = dataclasses.replace(tiny_state(*SMALL, ALL).config, discriminator=Config())
    after = hardened(config, 1)
    assert after.discriminator == config.discriminator and after.loss.r1_gamma == 2
    assert described(config, after).endswith("discriminator.spectral_norm does not exist")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (
            "[gamma,spectral_nrm]",
            r"health.remedies\[1\]: unknown value 'spectral_nrm'; did you mean 'spectral_norm'",
        ),
        ("[gamma,d_lr,gamma]", r"remedies must differ .*'gamma', 'd_lr', 'gamma'"),
        ("[]", "remedies must not be empty: with nothing changed"),
        ("gamma", "health.remedies: expected a list"),
    ],
)
def test_wrong_remedies_are_refused(value, words):
    with pytest.raises(UsageError, match=words):
        override(RunConfig(), [f"health.remedies={value}"])


def test_remedies_in_yaml(tmp_path):
    config = override(RunConfig(), ["health.remedies=[spectral_norm, d_lr]"])
    assert config.health.remedies == ("spectral_norm", "d_lr")
    path = tmp_path / "config.yaml"
    path.write_text(dumps_yaml(config))
    assert "  remedies: [spectral_norm, d_lr]" in path.read_text()
    assert from_dict(RunConfig, load_yaml(path)) == config
    assert set(get_args(get_type_hints(HealthConfig)["remedies"])[0].__args__) == set(REMEDIES)

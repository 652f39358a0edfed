"""`gan tune` on tiny networks: pilots, table, preset; stopped and repeated; budgets and mistakes."""

import dataclasses
import json

import click
import pytest
from click.testing import CliRunner

from gan.cli.main import main
from gan.config import override
from gan.errors import UserError
from gan.jobs import training
from training.recipes import load_preset
from training.schedules import default_r1_gamma

SMALL = [
    *(f"--set={n}.channel_base=64" for n in ("generator", "discriminator")),
    *(f"--set={n}.channel_max=8" for n in ("generator", "discriminator")),
    "--set=generator.z_dim=8",
    "--set=generator.w_dim=8",
    "--set=health.images=0",
    "--set=batch=4",
    "--device=cpu",
    "--preset=stylegan2-tiny",
    "--metric=fd-untrained",
    "--num-fakes=8",
]


def invoke(*arguments):
    return CliRunner().invoke(main, ["tune", *map(str, arguments)])


@pytest.fixture
def pilots(monkeypatch):
    """Names of the pilots' folders, as training was called; `fail` raises in a chosen call instead."""
    calls, real = [], training.train

    def run_training(config, *, out, **options):
        calls.append((out.name, config.kimg))
        if failure := run_training.failures.pop(len(calls), None):
            raise failure
        return real(config, out=out, **options)

    run_training.failures = {}
    monkeypatch.setattr(training, "train", run_training)
    return calls, run_training.failures


def test_a_search_writes_a_preset_that_trains(tiny_zip, tmp_path, pilots):
    arguments = ["--data", tiny_zip, "--out", tmp_path, "--gammas=0.1,1,10", "--pilot-kimg=0.004", *SMALL]
    result = invoke(*arguments, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [(row["round"], row["kimg"]) for row in found["ranking"]] == [(2, 0.008), (2, 0.008), (1, 0.004)]
    scores = [row["score"] for row in found["ranking"]]
    assert scores[0] <= scores[1] and len(pilots[0]) == 5
    best = found["ranking"][0]
    run = (
        tmp_path
        / "tune-stylegan2-tiny-tiny-16"
        / f"gamma{best['gamma']:g}-lr0.002"
        / "00000-stylegan2-tiny-tiny-16"
    )
    assert best["run"] == str(run)
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [r["kimg"] for r in records] == [0.004, 0.008] and records[1]["value"] == best["score"]
    assert {r["num_fake"] for r in records} == {8}
    trained = load_preset(str(run / "config.yaml"))
    assert (trained.loss.r1_gamma, trained.optimizer_g.lr) == (best["gamma"], best["lr"])
    path = tmp_path / "tuned-stylegan2-tiny-tiny-16.yaml"
    assert found["preset"] == str(path)
    wanted = override(
        load_preset("stylegan2-tiny"), [item.removeprefix("--set=") for item in SMALL if "--set" in item]
    )
    wanted = override(wanted, [f"loss.r1_gamma={best['gamma']}", "preset=tuned-stylegan2-tiny-tiny-16"])
    assert load_preset(str(path)) == wanted
    again = invoke(*arguments)
    assert again.exit_code == 0 and len(pilots[0]) == 5, again.output
    assert f"{best['score']:.5g}" in again.stdout and f"--preset {path}" in again.stdout


def test_interrupted_and_repeated_it_goes_on(tiny_zip, tmp_path, pilots):
    calls, failures = pilots
    arguments = ["--data", tiny_zip, "--out", tmp_path, "--gammas=1,10", "--pilot-kimg=0.008", *SMALL]
    failures[2] = click.Abort()
    assert invoke(*arguments).exit_code == 130
    assert [name for name, _ in calls] == ["gamma1-lr0.002", "gamma10-lr0.002"]
    result = invoke(*arguments)
    assert result.exit_code == 0 and [name for name, _ in calls][2:] == ["gamma10-lr0.002"]
    other = invoke(*arguments, "--set=loss.r1_interval=8")
    assert other.exit_code == 1 and "choose another --out" in other.stderr


def test_no_rule_ends_a_pilot_before_its_length(tiny_zip, tmp_path, monkeypatch):
    seen = []

    def train(config, **_):
        seen.append(config.stop.when)
        raise UserError("enough")

    monkeypatch.setattr(training, "train", train)
    arguments = ["--data", tiny_zip, "--out", tmp_path, "--gammas=0.1,1", "--pilot-kimg=0.004", *SMALL]
    assert invoke(*arguments, "--set=stop.when=[stalled, overfit]").exit_code == 1
    assert seen == [()]


def test_who_stops_a_pilot_stops_those_after_it(tiny_zip, tmp_path, pilots, monkeypatch):
    asked = []

    def stopped(config, **options):
        asked.append(config)
        return dataclasses.replace(real(config, **options), interrupted=True)

    real = training.train
    monkeypatch.setattr(training, "train", stopped)
    result = invoke("--data", tiny_zip, "--out", tmp_path, "--gammas=1,10", "--pilot-kimg=0.004", *SMALL)
    assert result.exit_code == 130 and "the same command goes on" in result.stderr
    assert len(asked) == 1


def test_a_lost_pilot_is_last_and_tells_why(tiny_zip, tmp_path, pilots, monkeypatch):
    def stopped(config, *, out, **options):
        if config.loss.r1_gamma != 1:
            return real(config, out=out, **options)
        run = out / "00000-stylegan2-tiny-tiny-16"
        run.mkdir(parents=True)
        event = {"state": "diverged", "reason": "weights are NaN", "action": "stop"}
        (run / "health.jsonl").write_text(json.dumps(event) + "\n")
        raise UserError("stopped at 0.004 kimg")

    real = training.train
    monkeypatch.setattr(training, "train", stopped)
    result = invoke(
        "--data", tiny_zip, "--out", tmp_path, "--gammas=1,10", "--pilot-kimg=0.004", "--json", *SMALL
    )
    rows = json.loads(result.stdout)["ranking"]
    assert [(row["gamma"], row["score"] is None) for row in rows] == [(10, False), (1, True)]
    assert rows[1]["reason"] == "diverged: weights are NaN"
    trial = invoke("--data", tiny_zip, "--out", tmp_path / "c", "--gammas=1,10", *SMALL)
    assert trial.exit_code == 1 and "weights are NaN: leave it out" in trial.stderr
    pilots[1][len(pilots[0]) + 1] = UserError("disk is full")
    other = invoke("--data", tiny_zip, "--out", tmp_path / "b", "--gammas=2,3", "--pilot-kimg=0.004", *SMALL)
    assert other.exit_code == 1 and "disk is full" in other.stderr


@pytest.mark.slow
def test_the_budget_sets_the_length_and_ends_the_search(tiny_zip, tmp_path):
    result = invoke("--data", tiny_zip, "--out", tmp_path, "--budget=0.1", "--json", *SMALL)
    assert result.exit_code == 0, result.output
    found, record = (
        json.loads(result.stdout),
        json.loads((tmp_path / "tune-stylegan2-tiny-tiny-16/tune.json").read_text()),
    )
    heuristic = default_r1_gamma(256, 4)
    assert {row["gamma"] for row in found["ranking"]} <= {
        heuristic,
        heuristic / 10,
        heuristic * 10,
        heuristic * 100,
        30,
    }
    assert record["first_kimg"] >= 0.004 and record["seconds"] / 60 == pytest.approx(
        found["minutes"], abs=0.01
    )
    assert record["seconds"] < 9
    short = invoke(
        "--data", tiny_zip, "--out", tmp_path / "short", "--pilot-kimg=99", "--budget=0.005", *SMALL
    )
    assert short.exit_code == 1 and "raise --budget" in short.stderr


def test_mistakes_are_one_line(tiny_zip, tmp_path, monkeypatch):
    common = ["--data", tiny_zip, "--out", tmp_path]
    for arguments, message in (
        (["--gammas=1,x"], "0.1,1,10"),
        (["--gammas=-1,1"], ">= 0"),
        (["--gammas=1"], "--lrs"),
        (["--gammas=1,2", "--metric=fd-untraind"], "fd-untrained"),
    ):
        result = invoke(*common, *SMALL, *arguments)
        assert result.exit_code == 2 and message in result.stderr, result.stderr
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "without torchrun" in invoke(*common, *SMALL).stderr
    assert not list(tmp_path.iterdir())


def test_candidates_are_of_the_pixels_and_the_values_that_were_typed(tiny_zip, tmp_path, monkeypatch):
    """The rule of thumb counts pixels: 256 of 16x16, whatever the channels."""
    seen = []

    def candidates(config, *about):
        seen.append(about)
        raise UserError("enough")

    monkeypatch.setattr("gan.jobs.tuning.candidates", candidates)
    invoke("--data", tiny_zip, "--out", tmp_path, "--gammas=1,2", "--lrs=0.1", *SMALL)
    assert seen == [(256, (1.0, 2.0), (0.1,))]

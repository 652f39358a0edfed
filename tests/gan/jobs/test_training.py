"""`gan.train`: a run goes on under its own settings; what is typed beside it is a difference."""

import json
import os
import shutil
import signal

import pytest
import yaml

import gan
from gan.errors import UsageError, UserError
from gan.jobs import training
from gan.models.runs import Run
from tests.training.tiny import EVERY_TWO_STEPS, TINY, files
from training.losses import LOSSES

SMALL = [*TINY, *EVERY_TWO_STEPS]


@pytest.fixture(scope="module")
def trained(tiny_zip, tmp_path_factory):
    """A run of eight images with a seed of its own."""
    typed, out = [*SMALL, "seed=7", "optimizer_g.lr=0.003"], tmp_path_factory.mktemp("runs")
    return gan.train("stylegan2-tiny", tiny_zip, out=out, overrides=typed, device="cpu")


@pytest.fixture
def run(trained, tmp_path):
    """A copy of it."""
    return Run(shutil.copytree(trained.path, tmp_path / trained.path.name))


def config_of(run):
    return yaml.safe_load((run.path / "config.yaml").read_text())


def test_a_run_says_whether_a_signal_ended_it(run):
    """So that a script that trains several in turn can end with it, instead of beginning the next one."""

    class Interrupt:
        def step(self, state, terms):
            os.kill(os.getpid(), signal.SIGINT)

    stopped = gan.train(None, resume=run.path, overrides=["kimg=0.1"], callbacks=[Interrupt()], device="cpu")
    assert stopped.interrupted and not run.interrupted
    assert stopped.kimg == pytest.approx(0.012)


def test_settings_and_data_come_from_the_run(run, tiny_zip, tmp_path):
    straight = gan.train(
        "stylegan2-tiny",
        tiny_zip,
        out=tmp_path / "b",
        overrides=[*SMALL, "seed=7", "optimizer_g.lr=0.003", "kimg=0.016"],
    )
    assert gan.train(None, resume=run.path, overrides=["kimg=0.016"]).path == run.path
    assert files(run.path, "000000.016") == files(straight.path, "000000.016")
    assert config_of(run)["seed"] == 7 and config_of(run)["kimg"] == 0.016
    assert "setting kimg 0.008 -> 0.016" in (run.path / "log.txt").read_text()


def test_the_card_repeats_the_sheet_beside_the_data(tiny_zip, tmp_path):
    data = tmp_path / "shapes.zip"
    shutil.copy(tiny_zip, data)
    question = "Did the people shown consent, and were minors among them?"
    (tmp_path / "shapes.DATASHEET.md").write_text(f"**{question}**\n\nNobody is shown.\n")
    run = gan.train("stylegan2-tiny", data, out=tmp_path / "runs", overrides=SMALL, device="cpu")
    *_, card = sorted(run.path.glob("checkpoints/*/card.md"))
    assert f"**{question}**\n\n> Nobody is shown.\n" in card.read_text()


def test_auto_finds_the_run_and_takes_its_settings(run, tiny_zip, tmp_path):
    for config, data in (("stylegan2-tiny", tiny_zip), (None, tiny_zip), (None, None)):
        plan = training.prepare(config, data, out=tmp_path, resume="auto")
        assert plan.saved.run == run.path and plan.config.seed == 7 and plan.changes == []
    assert (
        training.prepare("sngan-32", tiny_zip, out=tmp_path, resume="auto", overrides=["batch=4"]).saved
        is None
    )


def test_auto_tells_runs_of_one_name_apart_by_their_data(run, tmp_path, tiny_zip):
    other = tmp_path / "elsewhere" / tiny_zip.name
    other.parent.mkdir()
    import zipfile

    with zipfile.ZipFile(tiny_zip) as source, zipfile.ZipFile(other, "w") as target:
        for name in source.namelist()[1:]:
            if name != "dataset.json":
                target.writestr(name, source.read(name))
    newer = gan.train("stylegan2-tiny", other, out=tmp_path, overrides=[*SMALL, "seed=1"], device="cpu")
    assert newer.path.name == "00001-stylegan2-tiny-tiny-16"
    assert training.prepare("stylegan2-tiny", tiny_zip, out=tmp_path, resume="auto").saved.run == run.path
    assert training.prepare("stylegan2-tiny", other, out=tmp_path, resume="auto").saved.run == newer.path
    assert training.prepare("stylegan2-tiny", None, out=tmp_path, resume="auto").saved.run == newer.path


def test_a_difference_is_shown_refused_and_taken(run):
    changed = ["kimg=0.016", "loss.r1_gamma=3"]
    with pytest.raises(UserError, match=r"--accept-change\n  loss.r1_gamma  30.0 -> 3.0$"):
        gan.train(None, resume=run.path, overrides=changed)
    assert not (run.path / "phases.json").exists()
    gan.train(None, resume=run.path, overrides=changed, accept_change=True)
    assert json.loads((run.path / "phases.json").read_text())[0]["changes"][0]["field"] == "loss.r1_gamma"
    assert config_of(run)["loss"]["r1_gamma"] == 3
    assert training.prepare(None, None, resume=run.path).changes == []


def test_another_preset_beside_a_run_is_refused(run, tiny_zip):
    assert training.prepare("stylegan2-tiny", tiny_zip, resume=run.path).config.seed == 7
    assert training.prepare(run.path / "config.yaml", None, resume=run.path).config.seed == 7
    with pytest.raises(UsageError, match="is of preset stylegan2-tiny, not sngan-32: leave out --preset"):
        training.prepare("sngan-32", tiny_zip, resume=run.path)


def test_settings_after_a_rollback_are_not_hardened_twice(run):
    """config.yaml has what rollbacks made of the settings; what is typed is compared with what was typed."""
    folder = run.checkpoint
    for path, change in ((run.path / "config.yaml", None), (folder / "config.json", "run")):
        data = yaml.safe_load(path.read_text()) if change is None else json.loads(path.read_text())
        settings = data if change is None else data[change]
        settings["loss"]["r1_gamma"] *= 2
        settings["optimizer_d"]["lr"] /= 2
        path.write_text(yaml.dump(data) if change is None else json.dumps(data))
    counters = json.loads((folder / "training.json").read_text())
    (folder / "training.json").write_text(json.dumps({**counters, "rollbacks": 1}))
    manifest = json.loads((folder / "manifest.json").read_text())
    for name in ("config.json", "training.json"):
        from gan.models.content import entry

        manifest["files"][name] = entry(folder / name)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    plan = training.prepare(None, None, resume=run.path)
    assert plan.config.loss.r1_gamma == 30 and plan.changes == []
    assert (
        plan.config.optimizer_d.lr == training.prepare("stylegan2-tiny", plan.dataset).config.optimizer_d.lr
    )


def test_a_branch_that_is_left_is_set_aside(run):
    gan.train(None, resume=run.path, overrides=["kimg=0.024"])
    first = run.path / "checkpoints" / "000000.008"
    gan.train(None, resume=first, overrides=["kimg=0.016"])
    assert run.checkpoint.name == "000000.016" and run.kimg == 0.016
    aside = run.path / "evidence" / "checkpoints"
    assert sorted(p.name for p in aside.iterdir()) == ["000000.016", "000000.024"]


def test_data_that_is_gone_and_data_that_differs(run, tmp_path, tiny_zip):
    settings = config_of(run)
    settings["data"]["path"] = "gone.zip"
    (run.path / "config.yaml").write_text(yaml.dump(settings))
    with pytest.raises(
        UserError, match="was trained on gone.zip, which is not here: name the data set with --data"
    ):
        training.prepare(None, None, resume=run.path)
    assert training.prepare(None, tiny_zip, resume=run.path).changes == []


def test_without_anything_to_train_on(tmp_path):
    with pytest.raises(UsageError, match="no data set: name a zip or folder of images with --data"):
        training.prepare("stylegan2-tiny", None, out=tmp_path)


def test_without_a_preset_the_device_decides(tiny_zip, tmp_path):
    plan = training.prepare(None, tiny_zip, out=tmp_path, device="cpu")
    assert (
        plan.config.preset == "stylegan2-tiny"
        and "no preset was named: stylegan2-tiny, made for cpu" in plan.notes[0]
    )
    import torch

    assert training.default_preset(torch.device("cuda")) == "stylegan2-small"


def test_a_run_at_its_end_says_how_to_go_on(run, capsys):
    gan.train(None, resume=run.path)
    told = capsys.readouterr().err
    assert f"the run has had its 0.008 kimg; to go on: gan train --resume {run.path} --kimg 0.016" in told


def test_a_loss_given_as_an_object_is_asked_for(tiny_zip, tmp_path):
    loss = LOSSES["hinge"]
    run = gan.train("stylegan2-tiny", tiny_zip, out=tmp_path, overrides=SMALL, loss=loss)
    assert config_of(run)["loss"]["name"] == "given:LogitLoss"
    with pytest.raises(UsageError, match=r"an object, of the class LogitLoss: .*gan.train\(loss=\.\.\.\)"):
        gan.train(None, resume=run.path)
    assert gan.train(None, resume=run.path, loss=loss, overrides=["kimg=0.012"]).kimg == 0.012


def test_dry_runs_of_runs_that_go_on(run):
    text = training.dry_run(training.prepare(None, None, resume=run.path, overrides=["kimg=1"]), False)
    assert f"# goes on from {run.checkpoint}" in text and "# setting kimg 0.008 -> 1.0" in text
    with pytest.raises(UserError, match="--accept-change"):
        training.dry_run(training.prepare(None, None, resume=run.path, overrides=["seed=8"]), False)
    with pytest.raises(UserError, match="no model at"):
        training.prepare(None, None, resume=run.path / "none")


def test_what_follows_from_the_data_is_refused_where_it_contradicts(tiny_zip, tmp_path):
    for item, value in (
        ("generator.resolution=64", 16),
        ("discriminator.channels=1", 3),
    ):
        with pytest.raises(
            UsageError, match=rf"{item} contradicts .*tiny-16.zip, whose images make it {value}"
        ):
            training.prepare("stylegan2-tiny", tiny_zip, out=tmp_path, overrides=[item])
    training.prepare("stylegan2-tiny", tiny_zip, out=tmp_path, overrides=["generator.resolution=16"])


def test_a_console_line_fits_a_terminal_and_warnings_are_lines(run, capsys):
    gan.train(None, resume=run.path, overrides=["kimg=0.016"], metrics=["fd-untrained"], metrics_fakes=8)
    lines = capsys.readouterr().err.splitlines()
    [tick] = [line for line in lines if line.startswith("kimg ")]
    assert len(tick) <= 80 and "ETA 0m00s" in tick
    assert any(line.startswith("warning: 40 real images for 64 features") for line in lines)
    assert not any("UserWarning" in line for line in lines)


def test_a_long_run_says_how_long_it_takes(tiny_zip, tmp_path, capsys):
    class Enough:
        def step(self, state, terms):
            return "enough" if state.nimg >= 28 else None

    gan.train(
        "stylegan2-tiny",
        tiny_zip,
        out=tmp_path,
        overrides=[*SMALL, "kimg=99999", "tick_kimg=100"],
        callbacks=[Enough()],
    )
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("a step takes")]
    assert len(told) == 1 and "to 99999 kimg; --max-minutes stops it earlier" in told[0]

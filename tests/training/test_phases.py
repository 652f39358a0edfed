"""Runs that go on with other settings or data: refused with what differs, or recorded as a new phase."""

import json
import shutil
import zipfile

import pytest
import torch
import yaml
from click.testing import CliRunner

from gan.cli.main import main
from gan.config import to_dict
from gan.errors import UsageError, UserError
from gan.jobs.reporting import page
from gan.jobs.training import train
from gan.models import checkpoint
from tests.conftest import draw
from tests.training.tiny import files, plain, run_training
from training import loop
from training.phases import recorded

CHANGED = ["optimizer_g.lr=0.1", "augment.name=ada", "batch=8", "seed=3"]
FREE = ["micro_batch=4", "keep_last=9", "data.workers=1", "health.images=8", "snapshot_ticks=2"]


@pytest.fixture(scope="module")
def begun(tiny_zip, tmp_path_factory):
    """A run of two steps. Read only: the fixture `run` is a copy."""
    return run_training(plain(tiny_zip), out=tmp_path_factory.mktemp("begun"), device="cpu")


@pytest.fixture
def run(begun, tmp_path):
    """A run of two steps."""
    return shutil.copytree(begun, tmp_path / begun.name)


@pytest.fixture(scope="module")
def other_zip(tmp_path_factory):
    """Other images of the same size and name, 44 of them."""
    path = tmp_path_factory.mktemp("other") / "tiny-16.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for index in range(44):
            archive.writestr(f"{index:02d}.png", draw(index % 8))
    return path


def go_on(run, config, accept=False, name="000000.008"):
    resume = str(run / "checkpoints" / name)
    return run_training(config, out=run.parent, resume=resume, accept_change=accept, device="cpu")


def test_what_differs_is_told_line_by_line(run, other_zip):
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(UserError) as caught:
        go_on(run, plain(other_zip, "optimizer_g.lr=0.1", "augment.name=ada", "kimg=0.016"))
    first, *rows = str(caught.value).splitlines()
    assert "--accept-change" in first and "restore what differs" in first and str(run) in first
    sha = checkpoint.read(run / "checkpoints" / "000000.008").config["data"]["sha256"]
    assert rows[0].startswith(f"  data.sha256     {sha[:21]}... -> ")
    assert rows[1:] == [
        "  data.images     40 -> 44",
        "  optimizer_g.lr  0.002 -> 0.1",
        "  augment.name    none -> ada",
    ]
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_free_settings_start_no_phase(run, tiny_zip):
    go_on(run, plain(tiny_zip, *FREE, "kimg=0.016"))
    assert recorded(run) == [] and not (run / "phases.json").exists()
    assert json.loads((run / "stats.jsonl").read_text().splitlines()[-1])["phase"] == 1


def test_an_accepted_change_is_a_phase(run, other_zip):
    go_on(run, plain(other_zip, *CHANGED, "kimg=0.024"), accept=True)
    (phase,) = recorded(run)
    fields = {change["field"] for change in phase["changes"]}
    assert phase["kimg"] == 0.008
    assert {"data.sha256", "data.images", "seed", "batch", "augment.name"} <= fields
    assert {"field": "optimizer_g.lr", "old": 0.002, "new": 0.1} in phase["changes"]
    assert yaml.safe_load((run / "config.yaml").read_text())["optimizer_g"]["lr"] == 0.1
    assert "phase 2 from 0.008 kimg on: data.sha256" in (run / "log.txt").read_text()
    stats = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
    assert [(r["kimg"], r["phase"]) for r in stats] == [(0.008, 1), (0.016, 2), (0.024, 2)]
    saved = checkpoint.read(checkpoint.newest(run))
    assert saved.config["phases"] == [phase] and saved.config["data"]["images"] == 44
    assert "optimizer_g.lr 0.002 -> 0.1" in (saved.path / "card.md").read_text()
    assert "<td>optimizer_g.lr</td><td>0.002</td><td>0.1</td>" in page([run])
    go_on(run, plain(other_zip, *CHANGED, "kimg=0.032"), name="000000.024")  # no change any more
    assert recorded(run) == [phase]


def test_a_phase_that_was_killed_before_its_first_checkpoint_goes_on(monkeypatch, run, tiny_zip):
    def killed(*_):
        raise KeyboardInterrupt

    changed = plain(tiny_zip, "optimizer_g.lr=0.1", "kimg=0.016")
    with monkeypatch.context() as patch:
        patch.setattr(loop, "train_step", killed)
        with pytest.raises(KeyboardInterrupt):
            go_on(run, changed, accept=True)
    go_on(run, changed)
    assert len(recorded(run)) == 1


def test_newer_checkpoints_of_other_settings_are_set_aside(run, tiny_zip):
    go_on(run, plain(tiny_zip, "optimizer_g.lr=0.1"), accept=True, name="000000")
    assert (run / "evidence" / "checkpoints" / "000000.008").is_dir()
    assert recorded(run)[0]["kimg"] == 0
    fresh = files(run, "000000.008")
    go_on(run, plain(tiny_zip, "kimg=0.016"), accept=True)  # and back
    assert [len(phase["changes"]) for phase in recorded(run)] == [1, 1]
    assert files(run, "000000.008") == fresh


def test_another_network_is_no_phase(run, tiny_zip):
    smaller = plain(tiny_zip, "generator.channel_max=4")
    with pytest.raises(UserError, match="weights of other shapes need a new run, with --init-from"):
        go_on(run, smaller)
    with pytest.raises(UserError, match=r"generator would have other weights \(generator.channel_max 8 -> 4"):
        go_on(run, smaller, accept=True)
    assert recorded(run) == []


@pytest.mark.parametrize(
    "change", ["augment={name: ada, p: 0.5}", "augment.name=diffaugment", "precision=fp16"]
)
def test_features_can_be_switched_on(change, run, tiny_zip):
    go_on(run, plain(tiny_zip, change, "kimg=0.016"), accept=True)
    assert (run / "checkpoints" / "000000.016").is_dir()


def test_an_imported_model_cannot_go_on(tiny_zip, tmp_path):
    sizes = [f"{n}.resolution=16" for n in ("generator", "discriminator")]
    folder = imported(tmp_path / "imported", plain(tiny_zip, *sizes))
    with pytest.raises(UserError, match=f"{folder} is for sampling only.* new run with --init-from {folder}"):
        run_training(plain(tiny_zip), out=tmp_path / "runs", resume=str(folder), device="cpu")


def imported(folder, config):
    """A checkpoint as `gan convert` leaves it."""
    torch.manual_seed(0)
    networks = {"generator": to_dict(config.generator), "discriminator": to_dict(config.discriminator)}
    data = {"name": "", "sha256": "", "classes": [], "licence": ""}
    return checkpoint.write(
        folder,
        config={"kimg": 1.0, **networks, "run": {}, "data": data},
        generator=config.generator.build(),
        discriminator=config.discriminator.build(),
        card="",
    )


def test_the_option_needs_a_run(tiny_zip):
    result = CliRunner().invoke(main, ["train", "--data", str(tiny_zip), "--accept-change"])
    assert result.exit_code == 2 and "name it with --resume" in result.stderr


def test_another_preset_beside_a_run_is_refused(run):
    with pytest.raises(UsageError, match="is of preset tiny, not stylegan2-tiny: leave out --preset"):
        train("stylegan2-tiny", out=run.parent, resume=run, device="cpu")

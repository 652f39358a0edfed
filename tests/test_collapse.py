"""The mode-collapse benchmark: what is counted, what differs between its runs, resuming, sabotage."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from benchmarks.collapse import classifier, digits, perceptron, points, report
from benchmarks.collapse.__main__ import main
from benchmarks.collapse.runs import GUARDS, SEEDS, Job, configured, execute, jobs
from gan.config import to_dict
from gan.errors import UserError
from gan.networks import ARCHITECTURES, Architecture

TINY_GRID = ("kimg=0.4", "batch=8", "tick_kimg=0.2", "snapshot_ticks=1", "generator.width=8")
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def families_stay_as_they_are(monkeypatch) -> None:
    """The family that the benchmark registers is gone after a test."""
    perceptrons = Architecture(perceptron.GeneratorConfig, perceptron.DiscriminatorConfig)
    monkeypatch.setitem(ARCHITECTURES, "perceptron", perceptrons)


class Brightness(torch.nn.Module):
    """Names the digit by the mean of the pixels: -1 is 0, 1 is 9."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(4.5), requires_grad=False)

    def forward(self, x):
        level = (x.mean(dim=(1, 2, 3)) + 1) * self.scale
        return -(level[:, None] - torch.arange(10)).abs()


def plain_digits() -> tuple[np.ndarray, np.ndarray]:
    """20 digits: the digit d is a square of the level that `Brightness` reads as d."""
    labels = np.arange(20) % 10
    levels = (labels * 255 / 9).round().astype(np.uint8)
    return np.broadcast_to(levels[:, None, None], (20, 32, 32)).copy(), labels


def test_stacked_digits() -> None:
    found = digits.StackedDigits(*plain_digits())
    image = found.image(7)
    assert image.shape == found.shape == (3, 32, 32)
    assert image.dtype == np.uint8
    red, green, blue = (image[:, 0, 0].astype(float) * 9 / 255).round().astype(int)
    assert found.modes([7])[0] == 100 * red + 10 * green + blue
    assert len(np.unique(found.modes(range(30_000)))) == digits.MODES
    assert found.sha256 == digits.StackedDigits(*plain_digits()).sha256


def test_modes_of_images() -> None:
    found = digits.StackedDigits(*plain_digits())
    images = torch.from_numpy(np.stack([found.image(i) for i in range(50)]))
    assert digits.modes_of(Brightness(), images).tolist() == found.modes(range(50)).tolist()


@pytest.mark.parametrize(
    ("classes", "modes", "kl"),
    [
        (torch.arange(1000).repeat(3), 1000, 0.0),
        (torch.zeros(500, dtype=torch.int64), 1, np.log(1000)),
        (torch.arange(500), 500, np.log(2)),
    ],
)
def test_coverage(classes: torch.Tensor, modes: int, kl: float) -> None:
    assert digits.coverage_of(classes) == pytest.approx({"modes": modes, "kl": kl}, abs=1e-9)


def test_score_of_a_generator_that_has_one_image() -> None:
    class One(torch.nn.Module):
        z_dim, c_dim, channels, resolution = 2, 0, 3, 32

        def __init__(self):
            super().__init__()
            self.value = torch.nn.Parameter(torch.tensor(1.0))

        def forward(self, z, c=None):
            return self.value.expand(len(z), 3, 32, 32)

    assert digits.score(One().train(), Brightness(), 300) == pytest.approx({"modes": 1, "kl": np.log(1000)})


def test_digits_without_scikit_learn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sklearn", None)
    with pytest.raises(UserError, match="pip install scikit-learn"):
        digits.load_digits(tmp_path / "digits.npz")


def test_classifier_is_trained_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifier, "EPOCHS", 30)
    monkeypatch.setattr(classifier, "BATCH", 20)
    monkeypatch.setattr(classifier, "REALS", 260)
    images, labels = (np.repeat(x, 10, axis=0) for x in plain_digits())
    order = np.random.default_rng(0).permutation(len(images))
    before = torch.get_rng_state()
    model, quality = classifier.prepared(tmp_path, images[order], labels[order])
    assert torch.equal(torch.get_rng_state(), before)
    assert quality.digits > 0.9
    assert quality.held_out == 40
    monkeypatch.setattr(classifier, "fit", None)
    again, same = classifier.prepared(tmp_path, images, labels)
    assert same == quality
    assert torch.equal(model[0].weight, again[0].weight)


def test_points() -> None:
    found = points.GaussianGrid()
    assert points.score(torch.from_numpy(found.points[:2500]))["modes"] == 25
    share = points.score(torch.from_numpy(found.points))["quality"]
    assert share == pytest.approx(1 - np.exp(-4.5), abs=1e-3)  # Rayleigh: within 3 deviations
    assert points.score(points.centres()) == {"modes": 25, "quality": 1.0}
    assert points.score(points.centres()[:1].expand(50, 2)) == {"modes": 1, "quality": 1.0}
    assert points.score(points.centres() + 1) == {"modes": 0, "quality": 0.0}
    x = torch.from_numpy(found.image(3)) / 127.5 - 1
    assert x.flatten().tolist() == pytest.approx((found.points[3] / points.SCALE).tolist(), abs=1e-6)


def test_runs_differ_in_the_guard_and_the_seed_only() -> None:
    assert len(jobs()) == 2 * len(GUARDS) * len(SEEDS) + 2
    for task in ("digits", "grid"):
        plain = to_dict(configured(Job(task, "none", 0)))
        assert plain["loss"]["r1_gamma"] == 0
        for guard, changed in (
            ("spectral", {"discriminator"}),
            ("r1", {"loss"}),
            ("relativistic", {"loss"}),
        ):
            guarded = to_dict(configured(Job(task, guard, 0)))
            assert {key for key in plain if plain[key] != guarded[key]} == changed
        assert configured(Job(task, "none", 2)).seed == 2


def test_finished_runs_are_skipped(tmp_path: Path) -> None:
    options = [f"--set={item}" for item in (*TINY_GRID, "discriminator.width=8")]
    call = ["--out", str(tmp_path), "--device", "cpu", "--only", "grid/r1:1", *options]
    first = CliRunner().invoke(main, call)
    assert first.exit_code == 0, first.output
    path = tmp_path / "grid-r1-1" / "result.json"
    before, result = path.stat().st_mtime_ns, json.loads(path.read_text())
    assert (result["kimg"], result["steps"], result["job"]) == (0.4, 50, "grid/r1:1")
    second = CliRunner().invoke(main, call)
    assert second.stdout == first.stdout
    assert "| R1 |" in second.stdout
    assert path.stat().st_mtime_ns == before
    refused = CliRunner().invoke(main, [*call, "--set", "loss.r1_gamma=9"])
    assert refused.exit_code == 1
    assert "other settings" in refused.output
    unknown = CliRunner().invoke(main, ["--only", "grid/r3"])
    assert unknown.exit_code == 2


def result(job: str, at: float | None = None, events: tuple = ()) -> dict:
    """A result as `execute` writes it."""
    scores = {"modes": 990, "kl": 0.5, "quality": 0.5}
    config = {"batch": 64, "tick_kimg": 2.0}
    common = {"job": job, "steps": 10, "minutes": 1.0, "average": scores, "latest": scores, "config": config}
    return common | {"health": "healthy", "sabotaged": at, "events": list(events)}


def test_tables() -> None:
    lost = {"kimg": 12.0, "state": "collapsed", "reason": "one image", "action": "rollback"}
    back = {"kimg": 8.0, "state": "rollback", "reason": "went back", "action": "rollback"}
    text = report.tables(
        [
            result("digits/none:0"),
            result("digits/none:1"),
            result("sabotage/rate:0", 10.0, (lost, back)),
        ]
    )
    assert "990, 990 (mean 990) | 0.500, 0.500 (mean 0.500)" in text
    assert "| rate | 10 kimg | 1 | collapsed: one image | went back | 990 |" in text
    assert "| rate | 10 kimg | never |" in report.tables([result("sabotage/rate:0", 10.0)])


def test_panel() -> None:
    empty, one = report.panel(torch.empty(0, 2)), report.panel(torch.tensor([[1.0, 1.0], [99.0, 0.0]]))
    assert empty.shape == (3, report.PANEL, report.PANEL)
    assert (empty != one).any(dim=0).sum() == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["generator", "rate"])
def test_sabotage_is_rolled_back_within_two_ticks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    images, labels = plain_digits()
    images += np.random.default_rng(0).integers(0, 20, images.shape).astype(np.uint8)
    np.savez(tmp_path / "digits.npz", images=images, labels=labels)
    save_file(classifier.network().state_dict(), tmp_path / "classifier.safetensors")
    (tmp_path / "classifier.json").write_text(
        json.dumps(dict.fromkeys(["digits", "triples", "held_out", "real_modes", "real_kl"], 0))
    )
    monkeypatch.setattr(digits, "SAMPLES", 250)
    job = Job("sabotage", name, 0)
    config = configured(job, ["kimg=1.28", "batch=8", "tick_kimg=0.16"])
    found = execute(job, config, tmp_path, CPU)
    assert found["sabotaged"] == 0.64
    lost = [e for e in found["events"] if e["state"] in ("collapsed", "diverged")]
    assert lost and lost[0]["action"] == "rollback"
    assert 0 < lost[0]["kimg"] - found["sabotaged"] <= 2 * config.tick_kimg + 1e-9
    assert any(e["state"] == "rollback" for e in found["events"])
    assert found["kimg"] == 1.28


@pytest.mark.slow
def test_several_runs_at_once(tmp_path):
    command = [sys.executable, "-m", "benchmarks.collapse", "--only", "grid/none", "--jobs", "2"]
    options = [word for assignment in TINY_GRID for word in ("--set", assignment)]
    command += [*options, "--out", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(list(tmp_path.glob("grid-none-*/result.json"))) == len(SEEDS)

"""Adding a model, a loss or a metric is one module and one line of a table.

The "module" is the top of this file; the lines are those of the fixture. Nothing else of the library knows
of them, and yet every command works with them by name.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn

import gan
from gan.cli.main import main
from gan.networks import ARCHITECTURES, Architecture
from metrics import METRICS
from metrics.registry import Inputs, Spec, metric
from training.losses import LOSSES, LogitLoss

# A model: its configs, each above the network it builds. No style space, no minibatch statistics.


@dataclass(frozen=True, kw_only=True)
class ToyConfig:
    """What both networks have in common."""

    type: Literal["toy"] = "toy"
    resolution: int = 16
    channels: int = 3
    c_dim: int = 0

    @property
    def pixels(self) -> int:
        return self.channels * self.resolution**2


@dataclass(frozen=True, kw_only=True)
class ToyGeneratorConfig(ToyConfig):
    z_dim: int = 6

    def build(self) -> nn.Module:
        return ToyGenerator(self)


@dataclass(frozen=True, kw_only=True)
class ToyDiscriminatorConfig(ToyConfig):
    width: int = 8

    def build(self) -> nn.Module:
        return ToyDiscriminator(self)


class ToyGenerator(nn.Module):
    """One layer: z [N, z_dim], c [N, c_dim] -> [N, channels, resolution, resolution]."""

    def __init__(self, config: ToyGeneratorConfig):
        super().__init__()
        self.z_dim, self.c_dim = config.z_dim, config.c_dim
        self.resolution, self.channels = config.resolution, config.channels
        self.layer = nn.Linear(config.z_dim + config.c_dim, config.pixels)

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        z = torch.cat([z, c], dim=1) if self.c_dim else z
        return self.layer(z).tanh().view(-1, self.channels, self.resolution, self.resolution)


class ToyDiscriminator(nn.Module):
    """Two layers: [N, channels, resolution, resolution], c [N, c_dim] -> [N, 1]."""

    def __init__(self, config: ToyDiscriminatorConfig):
        super().__init__()
        self.c_dim, self.resolution, self.channels = config.c_dim, config.resolution, config.channels
        self.hidden = nn.Linear(config.pixels, config.width)
        self.out = nn.Linear(config.width, config.c_dim or 1)

    def forward(self, img: Tensor, c: Tensor | None = None) -> Tensor:
        logits = self.out(self.hidden(img.flatten(1)).tanh())
        return (logits * c).sum(dim=1, keepdim=True) if self.c_dim else logits


# A loss: both sides of the game.


def toy_generator_loss(real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
    return (1 - fake_logits).exp()


def toy_discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    return (-real_logits).exp() + fake_logits.exp()


# A metric: what it needs, and the number.


@metric(Spec(scores="pixels", fakes=8, unit="levels, 0 to 255", better="", convention="toy"))
def brightness(inputs: Inputs) -> dict[str, float]:
    """Mean of all pixels."""
    return {"brightness": inputs.pixels.double().mean().item()}


PRESET = """
batch: 4
kimg: 0.2
tick_kimg: 0.1
snapshot_ticks: 1
generator: {type: toy}
discriminator: {type: toy}
loss: {name: toy, r1_gamma: 1}
optimizer_g: {lr: 0.02}
"""


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The preset's file; until the test ends the three tables have one line more."""
    monkeypatch.setitem(ARCHITECTURES, "toy", Architecture(ToyGeneratorConfig, ToyDiscriminatorConfig))
    monkeypatch.setitem(LOSSES, "toy", LogitLoss(toy_generator_loss, toy_discriminator_loss))
    monkeypatch.setitem(METRICS, "brightness", brightness)
    path = tmp_path / "toy.yaml"
    path.write_text(PRESET)
    return path


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., str]:
    """`command("train", ...)`: run `gan train ...` on the CPU and return its stdout."""

    def run(*arguments: object) -> str:
        result = CliRunner().invoke(main, [*map(str, arguments), "--device=cpu"])
        assert result.exit_code == 0, result.output
        return result.stdout

    return run


@pytest.mark.parametrize("conditional", ["false", "true"])
def test_model_loss_and_metric_are_trained_sampled_and_scored(conditional, toy, command, tiny_zip, tmp_path):
    data = ["--data", tiny_zip]
    options = ["--preset", toy, "--metrics", "brightness", f"--set=data.conditional={conditional}"]
    run = Path(command("train", *data, *options, "--out", tmp_path).strip())

    ticks = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
    assert [tick["kimg"] for tick in ticks] == [0.1, 0.2]
    assert all(tick[key] > 0 for tick in ticks for key in ("loss/g", "loss/d", "r1", "diversity"))
    scores = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [score["metric"] for score in scores] == ["brightness", "brightness/real"] * 3  # 0, 0.1, 0.2 kimg

    G, D = gan.load(run), gan.load_discriminator(run)
    assert type(G) is ToyGenerator and type(D) is ToyDiscriminator
    c = torch.eye(4)[:2] if conditional == "true" else None
    assert D(G(torch.randn(2, 6), c), c).shape == (2, 1)

    command("sample", run, "--seeds", "0-3", "--out", tmp_path / "grid.png")
    assert (tmp_path / "grid.png").stat().st_size > 0
    records = json.loads(command("evaluate", "--model", run, *data, "--metrics=brightness", "--json"))
    assert [r["value"] for r in records] == pytest.approx([s["value"] for s in scores[-2:]], rel=1e-6)

    resumed = command("train", *data, *options, "--out", tmp_path, "--kimg=0.3", "--resume=auto")
    assert Path(resumed.strip()) == run and (run / "checkpoints" / "000000.300").is_dir()


def test_its_options_are_checked_like_all_others(toy, tiny_zip, tmp_path):
    for assignment, message in {
        "generator.z_dimm=7": "did you mean 'generator.z_dim'",
        "loss.style_mixing=0.5": "loss.style_mixing needs a style space, which generator.type toy lacks",
    }.items():
        arguments = ["train", "--data", str(tiny_zip), "--preset", str(toy), "--set", assignment]
        result = CliRunner().invoke(main, [*arguments, "--out", str(tmp_path)])
        assert result.exit_code == 2 and message in result.stderr and "Traceback" not in result.output


def test_other_networks_go_with_the_toy(toy, command, tiny_zip, tmp_path):
    """Its generator against a discriminator of another family."""
    small = ["--set=discriminator={type: stylegan2, channel_base: 64, channel_max: 8}", "--kimg=0.1"]
    run = command("train", "--data", tiny_zip, "--preset", toy, *small, "--out", tmp_path).strip()
    assert type(gan.load(run)) is ToyGenerator
    assert type(gan.load_discriminator(run)).__module__ == "gan.networks.stylegan2"

"""States and runs of tiny networks, for the tests of the step, its parts and the loop."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from gan.config import override
from gan.jobs.training import train
from training.config import RunConfig
from training.objectives import objectives
from training.parts import Terms
from training.recipes import fit
from training.state import TrainState, create
from training.step import learn

TINY = [
    *(f"{n}.channel_base=64" for n in ("generator", "discriminator")),
    *(f"{n}.channel_max=8" for n in ("generator", "discriminator")),
    "generator.z_dim=8",
    "generator.w_dim=8",
    "generator.mapping.layers=2",
    "discriminator.mapping.layers=2",
    "batch=4",
]
# Runs of two steps, with a tick and a checkpoint after them.
EVERY_TWO_STEPS = ["kimg=0.008", "tick_kimg=0.008", "snapshot_ticks=1", "loss.r1_interval=2"]
RICH = [
    "data.xflip=true",
    "data.conditional=true",
    "loss.path_length_weight=2",
    "loss.path_length_interval=3",
    "loss.style_mixing=0.9",
]


def tiny_state(*assignments: str, classes: int = 0, device: torch.device | str = "cpu") -> TrainState:
    """StyleGAN2 of 8x8 pixels and batches of 4, or what the assignments make of it."""
    config = override(override(RunConfig(), TINY), assignments)
    return create(fit(config, shape=(3, 8, 8), c_dim=classes), torch.device(device))


def learned(state: TrainState, name: str, real: torch.Tensor, c: torch.Tensor | None = None) -> Terms:
    """One optimiser step on the objective of that name: g, d, r1 or path_length."""
    [objective] = [o for o in objectives(state.config.loss, state.loss) if o.name == name]
    return learn(state, objective, real, c)


def plain(path: Path, *assignments: str) -> RunConfig:
    """A run of preset "tiny" on the data at `path`: batches of 4 and EVERY_TWO_STEPS, unless assigned."""
    return override(RunConfig(preset="tiny"), [f"data.path={path}", *TINY, *EVERY_TWO_STEPS, *assignments])


def configured(path: Path, *assignments: str) -> RunConfig:
    """The same with classes, flips, path length and style mixing."""
    return plain(path, *RICH, *assignments)


def run_training(config: RunConfig, *, out: Path, **options: Any) -> Path:
    """Train as configured, or go on; the run directory."""
    return train(config, out=out, **options).path


def files(run: Path, name: str) -> dict[str, bytes]:
    """The tensors of checkpoint `name` of a run, file by file."""
    return {p.name: p.read_bytes() for p in (run / "checkpoints" / name).glob("*.safetensors")}


def weights(network: torch.nn.Module) -> list[torch.Tensor]:
    """A copy of every parameter."""
    return [p.detach().clone() for p in network.parameters()]


def moved(network: torch.nn.Module, before: list[torch.Tensor]) -> list[bool]:
    """Per parameter, whether it differs from its copy."""
    return [not torch.equal(p, b) for p, b in zip(network.parameters(), before, strict=True)]


class Plain(torch.nn.Module):
    """A generator without a style space: G(z, c) only."""

    z_dim, num_ws = 4, 0

    def __init__(self, c_dim):
        super().__init__()
        self.c_dim = c_dim
        self.linear = torch.nn.Linear(4 + c_dim, 3 * 8 * 8)

    def forward(self, z, c=None):
        return self.linear(z if c is None else torch.cat([z, c], dim=1)).view(-1, 3, 8, 8)


def plain_state(*assignments: str, classes: int = 0) -> TrainState:
    """The same with a `Plain` generator."""
    state = tiny_state(*assignments, classes=classes)
    state.generator = Plain(classes).requires_grad_(False)
    state.optimizer_g = torch.optim.Adam(state.generator.parameters(), lr=0.01)
    return state


def torchrun(script: str, *arguments: str, processes: int = 2) -> str:
    """Run a script of this folder in processes of one thread over gloo; what they said on stderr."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
    command += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]
    command += [str(Path(__file__).parent / script), *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stderr

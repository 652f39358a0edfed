"""TrainState: everything that changes while training, saved and restored as one."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from training.config import AdamConfig, RunConfig
from training.schedules import lazy_adam

MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # Adam's state per parameter


@dataclass
class TrainState:
    """Networks, weight average, optimisers and counters.  nimg: real images shown so far."""

    config: RunConfig
    generator: nn.Module
    discriminator: nn.Module
    ema: nn.Module
    optimizer_g: torch.optim.Adam
    optimizer_d: torch.optim.Adam
    path_mean: Tensor  # scalar: running mean of path lengths
    nimg: int = 0
    tick: int = 0
    seconds: float = 0.0  # training time of all sessions of this run

    @property
    def step(self) -> int:
        """Optimisation steps done."""
        return self.nimg // self.config.batch

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor but the weight average and the discriminator, by name."""
        tensors = {f"generator.{k}": v for k, v in self.generator.state_dict().items()}
        for name, optimizer, network in self._optimizers():
            for key, parameter in network.named_parameters():
                for moment, value in optimizer.state.get(parameter, {}).items():
                    tensors[f"{name}.{key}.{moment}"] = value
        tensors["path_mean"] = self.path_mean
        return tensors

    def counters(self) -> dict[str, float]:
        """Plain numbers, for JSON. Random draws need no entry: they follow from the seed and nimg."""
        return {"nimg": self.nimg, "tick": self.tick, "seconds": self.seconds, "seed": self.config.seed}

    def restore(self, tensors: dict[str, Tensor], counters: dict[str, float]) -> None:
        """Inverse of `tensors` and `counters`; the weight average and D are loaded by the caller."""
        weights = {k.removeprefix("generator."): v for k, v in tensors.items() if k.startswith("generator.")}
        self.generator.load_state_dict(weights)
        for name, optimizer, network in self._optimizers():
            for key, parameter in network.named_parameters():
                found = {m: tensors.get(f"{name}.{key}.{m}") for m in MOMENTS}
                if found["step"] is not None:
                    device = parameter.device
                    optimizer.state[parameter] = {m: v.to(device, copy=True) for m, v in found.items()}
        self.path_mean = tensors["path_mean"].to(self.path_mean.device, copy=True)
        self.nimg, self.tick = int(counters["nimg"]), int(counters["tick"])
        self.seconds = float(counters["seconds"])

    def _optimizers(self):
        yield "optimizer_g", self.optimizer_g, self.generator
        yield "optimizer_d", self.optimizer_d, self.discriminator


def create(config: RunConfig, device: torch.device) -> TrainState:
    """A fresh state; the initial weights follow from config.seed alone."""
    torch.manual_seed(config.seed)
    generator = config.generator.build().to(device).requires_grad_(False)
    discriminator = config.discriminator.build().to(device).requires_grad_(False)
    path_length = config.loss.path_length_interval if config.loss.path_length_weight else None
    return TrainState(
        config=config,
        generator=generator,
        discriminator=discriminator,
        ema=copy.deepcopy(generator).eval(),
        optimizer_g=adam(generator, config.optimizer_g, path_length),
        optimizer_d=adam(
            discriminator, config.optimizer_d, config.loss.r1_interval if config.loss.r1_gamma else None
        ),
        path_mean=torch.zeros([], device=device),
    )


def adam(network: nn.Module, config: AdamConfig, interval: int | None) -> torch.optim.Adam:
    """Adam with the correction for a penalty every `interval` steps (None: no separate penalty step)."""
    lr, beta1, beta2 = lazy_adam(config.lr, config.beta1, config.beta2, interval)
    return torch.optim.Adam(network.parameters(), lr=lr, betas=(beta1, beta2), eps=config.eps, fused=True)

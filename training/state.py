"""TrainState: everything that changes while training, saved and restored as one."""

import copy
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from gan.errors import UsageError
from gan.networks import blocks
from gan.sampling import remember_conditions
from training.augment.adaptive import Augmentation
from training.config import GIVEN, AdamConfig, RunConfig
from training.graphs import Graphs, graphs_of
from training.losses.base import Loss
from training.parts import fixed
from training.schedules import lazy_adam, value_at

HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}  # by RunConfig.precision
OLD = ("path_mean", "logit_means")  # names in the memory of version 0.1.0, without its prefix
MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # Adam's state per parameter; the second is not kept unused


@dataclass
class TrainState:
    """Networks, weight average, optimisers and counters.  nimg: real images shown so far.

    scaler_g, scaler_d: factors of the losses that bring gradients into the range of float16; they do nothing
    in another precision.
    """

    config: RunConfig
    generator: nn.Module
    discriminator: nn.Module
    ema: nn.Module
    optimizer_g: torch.optim.Adam
    optimizer_d: torch.optim.Adam
    scaler_g: torch.amp.GradScaler
    scaler_d: torch.amp.GradScaler
    loss: Loss | None = None  # an object given in Python; None: the one that config.loss.name stands for
    memory: dict[str, Tensor] = field(default_factory=dict)  # what losses remember; replaced, not written to
    micro_batch: int | None = None  # images at once in this process, in effect; None: all of its share
    augmentation: Augmentation | None = None  # None: D sees images as they are
    graphs: Graphs | None = None  # None: every kernel is launched by Python
    nimg: int = 0
    tick: int = 0
    seconds: float = 0.0  # training time of all sessions of this run
    health: str = "healthy"  # state of the latest tick, see training/health.py
    threads: int | None = None  # of PyTorch, see training/threads.py; None: not settled, or on a GPU
    rollbacks: int = 0  # how often this run went back, see training/rollback.py
    run: Path | None = None  # the directory of the run, where there is one

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return next(self.discriminator.parameters()).device

    @property
    def step(self) -> int:
        """Optimisation steps done."""
        return self.nimg // self.config.batch

    def weights(self) -> list[Tensor]:
        """Every tensor of the three networks."""
        networks = self.generator, self.discriminator, self.ema
        return [t for network in networks for t in (*network.parameters(), *network.buffers())]

    def checksum(self) -> Tensor:
        """Sums of the weights of the three networks, float64 [3] on the CPU, to compare processes by."""
        networks = self.generator, self.discriminator, self.ema
        sums = [torch.stack([p.detach().double().sum() for p in n.parameters()]).sum() for n in networks]
        return torch.stack(sums).cpu()

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor but the weight average and the discriminator, by name."""
        tensors = {f"generator.{k}": v for k, v in self.generator.state_dict().items()}
        for name, optimizer, network in self._optimizers():
            used = [m for m in MOMENTS if m != "exp_avg" or optimizer.param_groups[0]["betas"][0]]
            for key, parameter in network.named_parameters():
                state = optimizer.state.get(parameter, {})
                tensors |= {f"{name}.{key}.{m}": state[m] for m in used if m in state}
        return tensors | {f"memory.{name}": value for name, value in self.memory.items()}

    def counters(self) -> dict[str, float | str | None]:
        """Plain values, for JSON. Random draws need no entry: they follow from the seed and nimg."""
        counters = {"nimg": self.nimg, "tick": self.tick, "seconds": self.seconds, "seed": self.config.seed}
        counters |= {"health": self.health, "rollbacks": self.rollbacks, "threads": self.threads}
        for name in ("scaler_g", "scaler_d"):
            counters |= {f"{name}/{key}": value for key, value in getattr(self, name).state_dict().items()}
        return counters | (self.augmentation.counters() if self.augmentation else {})

    def restore(self, tensors: dict[str, Tensor], counters: dict[str, float | str]) -> None:
        """Inverse of `tensors` and `counters`; the weight average and D are loaded by the caller."""
        weights = {k.removeprefix("generator."): v for k, v in tensors.items() if k.startswith("generator.")}
        self.generator.load_state_dict(weights)
        for name, optimizer, network in self._optimizers():
            for key, parameter in network.named_parameters():
                found = {m: tensors.get(f"{name}.{key}.{m}") for m in MOMENTS}
                if found["step"] is not None:
                    if found["exp_avg"] is None:  # with beta1 0 the next step overwrites it unread
                        found["exp_avg"] = torch.zeros_like(found["exp_avg_sq"])
                    device = parameter.device
                    optimizer.state[parameter] = {m: v.to(device, copy=True) for m, v in found.items()}
        kept = {
            k.removeprefix("memory."): v for k, v in tensors.items() if k in OLD or k.startswith("memory.")
        }
        self.memory = {name: value.to(self.device, copy=True) for name, value in kept.items()}
        self.nimg, self.tick = int(counters["nimg"]), int(counters["tick"])
        self.seconds = float(counters["seconds"])
        self.health, self.rollbacks = counters.get("health", "healthy"), int(counters.get("rollbacks", 0))
        self.threads = counters.get("threads")
        for name in ("scaler_g", "scaler_d"):
            ours = getattr(self, name)
            found = {key: counters.get(f"{name}/{key}") for key in ours.state_dict()}
            if None not in found.values():
                ours.load_state_dict(found)
        if self.augmentation:
            self.augmentation.restore(counters)

    def _optimizers(self):
        yield "optimizer_g", self.optimizer_g, self.generator
        yield "optimizer_d", self.optimizer_d, self.discriminator


def create(
    config: RunConfig,
    device: torch.device | str = "cpu",
    *,
    loss: Loss | None = None,
    conditions: Tensor | None = None,
) -> TrainState:
    """A fresh state; the initial weights follow from config.seed alone.

    config: as `fit` returns it.  loss: an object instead of the loss that config.loss names.
    conditions: vectors [M, c_dim] that samples are drawn for; None for classes, or for no condition.
    """
    device = torch.device(device)
    check_loss(config, loss)
    torch.manual_seed(config.seed)
    generator = config.generator.build().to(device).requires_grad_(False)
    discriminator = config.discriminator.build().to(device).requires_grad_(False)
    remember_conditions(generator, None if conditions is None else conditions.to(device))
    ema, augment = copy.deepcopy(generator).eval(), config.augment
    if config.precision in HALVES:
        for network in (generator, discriminator):
            half = HALVES[config.precision]
            blocks.halve(network, half, network.resolution, config.half_resolutions)
    if config.checkpoint_activations:
        blocks.recompute(generator)
        blocks.recompute(discriminator)
    state = TrainState(
        config=config,
        generator=generator,
        discriminator=discriminator,
        ema=ema,
        optimizer_g=adam(generator, config.optimizer_g),
        optimizer_d=adam(discriminator, config.optimizer_d),
        scaler_g=scaler(config, device),
        scaler_d=scaler(config, device),
        loss=loss,
        micro_batch=fixed(config),
        augmentation=None if augment.name == "none" else Augmentation(augment, config.batch, device),
        graphs=graphs_of(config, device),
    )
    set_rates(state)
    return state


def check_loss(config: RunConfig, loss: Loss | None) -> None:
    """UsageError where a run's loss was given as an object and is not given now."""
    if config.loss.name.startswith(GIVEN) and loss is None:
        name = config.loss.name.removeprefix(GIVEN)
        raise UsageError(
            f"the loss of this run is an object, of the class {name}: go on in Python, by gan.train(loss=...)"
        )


def scaler(config: RunConfig, device: torch.device) -> torch.amp.GradScaler:
    """A fresh scaler of losses, which does nothing unless the precision is fp16."""
    return torch.amp.GradScaler(device.type, enabled=config.precision == "fp16")


def adam(network: nn.Module, config: AdamConfig) -> torch.optim.Adam:
    """Adam for one network; its learning rate and betas come from `set_rates`."""
    return torch.optim.Adam(network.parameters(), eps=config.eps, fused=True)


def set_rates(state: TrainState) -> None:
    """Learning rates and betas of this step, with the correction for penalties that run now and then."""
    config = state.config
    for optimizer, options, interval in (
        (state.optimizer_g, config.optimizer_g, config.loss.lazy_g),
        (state.optimizer_d, config.optimizer_d, config.loss.lazy_d),
    ):
        now = value_at(options.lr, state.nimg), options.beta1, value_at(options.beta2, state.nimg)
        lr, beta1, beta2 = lazy_adam(*now, interval)
        for group in optimizer.param_groups:
            group["lr"], group["betas"] = lr, (beta1, beta2)

"""One optimisation step: four phases, each a loss of one network, in the order of Karras et al. 2020.

Every phase returns the terms it measured, as detached tensors. Random numbers come from torch's global
state, which `seed_step` sets from the run's seed and the image count: a resumed run draws what it would
have drawn.
"""

import numpy as np
import torch
from torch import Tensor, nn

from gan.latents import mix
from gan.sampling import has_styles
from training.losses import LOSSES
from training.losses.penalties import path_length, r1_penalty
from training.schedules import decay
from training.state import TrainState

Terms = dict[str, Tensor]


def seed_step(seed: int, nimg: int, rank: int = 0) -> None:
    """Set torch's random state from (seed, images seen, rank)."""
    torch.manual_seed(int(np.random.SeedSequence((seed, nimg, rank)).generate_state(1, np.uint64)[0] >> 1))


def train_step(state: TrainState, real: Tensor, c: Tensor | None) -> Terms:
    """Generator, then discriminator, each with its penalty when due.

    Args:
        real: [N, C, H, W] in [-1, 1].
        c: one-hot labels of `real` [N, c_dim], or None. Fakes take the same labels, see `fake_labels`.
    """
    loss, step = state.config.loss, state.step
    seed_step(state.config.seed, state.nimg)
    terms = g_main(state, real, c)
    if loss.path_length_weight and step % loss.path_length_interval == 0:
        terms |= g_path_length(state, len(real), c)
    terms |= d_main(state, real, c)
    if loss.r1_gamma and step % loss.r1_interval == 0:
        terms |= d_r1(state, real, c)
    return terms


def g_main(state: TrainState, real: Tensor, c: Tensor | None) -> Terms:
    """Adversarial loss of the generator; also moves the running mean of w. `real` counts in pairs only."""
    adversarial = LOSSES[state.config.loss.name]
    real_logits, c_fake = None, fake_labels(state, c)
    if adversarial.paired:
        with torch.no_grad():
            real_logits = state.discriminator(real, c)
    with training(state.generator):
        fake = draw_fakes(state, len(real), c_fake, update_w_avg=True)
        loss = adversarial.generator(real_logits, state.discriminator(fake, c_fake)).mean()
        loss.backward()
    return {"loss/g": loss.detach(), "grad_norm/g": update(state.optimizer_g)}


def g_path_length(state: TrainState, batch: int, c: Tensor | None) -> Terms:
    """Path length regularisation on a fraction of the batch, weighted by its interval."""
    config = state.config.loss
    batch = max(batch // config.path_length_shrink, 1)
    c = None if c is None else shuffled(c)[:batch]
    with training(state.generator):
        ws = draw_ws(state, batch, c)
        images = state.generator.synthesis(ws, noise="random")
        noise = torch.randn_like(images)
        penalty, state.path_mean, lengths = path_length(
            ws, images, noise, state.path_mean, config.path_length_decay
        )
        (penalty.mean() * config.path_length_weight * config.path_length_interval).backward()
    update(state.optimizer_g)
    return {"path_length": lengths.mean()}


def d_main(state: TrainState, real: Tensor, c: Tensor | None) -> Terms:
    """Adversarial loss of the discriminator on reals and fresh fakes."""
    c_fake = fake_labels(state, c)
    with torch.no_grad():
        fake = draw_fakes(state, len(real), c_fake)
    with training(state.discriminator):
        labels = None if c is None else interleaved(c_fake, c)
        fake_logits, real_logits = state.discriminator(interleaved(fake, real), labels).view(-1, 2).unbind(1)
        loss = LOSSES[state.config.loss.name].discriminator(real_logits, fake_logits).mean()
        loss.backward()
    return {
        "loss/d": loss.detach(),
        "logits/real": real_logits.detach().mean(),
        "logits/fake": fake_logits.detach().mean(),
        "grad_norm/d": update(state.optimizer_d),
        "diversity": fake.std(dim=0).mean() / real.std(dim=0).mean().clamp_min(1e-8),
    }


def d_r1(state: TrainState, real: Tensor, c: Tensor | None) -> Terms:
    """gamma / 2 * R1, weighted by its interval."""
    config = state.config.loss
    gamma = config.r1_gamma
    if config.r1_gamma_end is not None:
        gamma = decay(gamma, config.r1_gamma_end, state.nimg / (config.r1_gamma_kimg * 1000))
    real = real.detach().requires_grad_()
    with training(state.discriminator):
        penalty = r1_penalty(real, state.discriminator(real, c))
        (penalty.mean() * (gamma / 2) * config.r1_interval).backward()
    update(state.optimizer_d)
    return {"r1": penalty.detach().mean()}


def draw_fakes(state: TrainState, batch: int, c: Tensor | None, update_w_avg: bool = False) -> Tensor:
    """Images [batch, C, H, W] of fresh z, from a generator with or without a style space."""
    if has_styles(state.generator):
        return state.generator.synthesis(draw_ws(state, batch, c, update_w_avg), noise="random")
    return state.generator(draw_z(state, batch), c)


def draw_ws(state: TrainState, batch: int, c: Tensor | None, update_w_avg: bool = False) -> Tensor:
    """ws [batch, num_ws, w_dim] of fresh z, with style mixing at the configured probability."""
    generator, probability = state.generator, state.config.loss.style_mixing
    ws = generator.mapping(draw_z(state, batch), c)
    if update_w_avg:
        generator.mapping.update_w_avg(ws[:, 0])
    if probability and torch.rand([]) < probability:
        start = int(torch.randint(1, generator.num_ws, []))
        ws = mix(ws, generator.mapping(draw_z(state, batch), c), start)
    return ws


def draw_z(state: TrainState, batch: int) -> Tensor:
    """Unit normal [batch, z_dim]."""
    return torch.randn(batch, state.generator.z_dim, device=state.path_mean.device)


def interleaved(a: Tensor, b: Tensor) -> Tensor:
    """a0, b0, a1, b1, ...: [N, ...] twice -> [2N, ...].

    One pass of D over both costs less than two. Minibatch statistics group the samples with numbers equal
    modulo the number of groups, which is even here, so they never mix the two.
    """
    return torch.stack([a, b], dim=1).flatten(0, 1)


def fake_labels(state: TrainState, c: Tensor | None) -> Tensor | None:
    """The labels of the fakes: those of the reals, in random order unless the loss pairs the two."""
    return c if LOSSES[state.config.loss.name].paired else shuffled(c)


def shuffled(c: Tensor | None) -> Tensor | None:
    """The batch's labels in random order."""
    return None if c is None else c[torch.randperm(len(c))]


def update(optimizer: torch.optim.Optimizer) -> Tensor:
    """One optimiser step, then empty gradients; returns the gradient's L2 norm.

    A non-finite gradient entry becomes 0 (NaN) or +-1e5 (infinity), so that one bad batch cannot end a run.
    """
    gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    if not torch.isfinite(norm):
        for gradient in gradients:
            torch.nan_to_num(gradient, nan=0.0, posinf=1e5, neginf=-1e5, out=gradient)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return norm


class training:
    """Gradients for the parameters of one network only, within the block."""

    def __init__(self, network: nn.Module):
        self.network = network

    def __enter__(self) -> None:
        self.network.requires_grad_(True)

    def __exit__(self, *_: object) -> None:
        self.network.requires_grad_(False)

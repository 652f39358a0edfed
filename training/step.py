"""One optimisation step: phases, each a loss of one network, in the order of Karras et al. 2020.

Every phase returns the terms it measured, as detached tensors. Random numbers come from torch's global
state, which `seed_step` sets from the run's seed and the image count: a resumed run draws what it would
have drawn. What the phases show the networks is made in training/passes.py.
"""

import numpy as np
import torch
from torch import Tensor, nn

from training.losses import LOSSES
from training.losses.penalties import between, gradient_penalty, lecam, moved_means, path_length, r1_penalty
from training.passes import draw_fakes, draw_ws, fake_labels, interleaved, judged, shuffled
from training.schedules import value_at
from training.state import TrainState, set_rates

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
    loss, terms = state.config.loss, {}
    seed_step(state.config.seed, state.nimg)
    set_rates(state)
    if state.step % loss.d_steps == 0:
        terms |= g_main(state, real, c)
        if loss.lazy_g and state.step // loss.d_steps % loss.lazy_g == 0:
            terms |= g_path_length(state, len(real), c)
    terms |= d_main(state, real, c)
    if loss.lazy_d and state.step % loss.lazy_d == 0:
        terms |= d_r1(state, real, c)
    if state.augmentation:
        state.augmentation.step(state.step + 1)
    return terms


def g_main(state: TrainState, real: Tensor, c: Tensor | None) -> Terms:
    """Adversarial loss of the generator; also moves the running mean of w. `real` counts in pairs only."""
    adversarial = LOSSES[state.config.loss.name]
    real_logits, c_fake = None, fake_labels(state, c)
    if adversarial.paired:
        with torch.no_grad():
            real_logits = judged(state, real, c)
    with training(state.generator):
        fake = draw_fakes(state, len(real), c_fake, update_w_avg=True)
        loss = adversarial.generator(real_logits, judged(state, fake, c_fake)).mean()
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
    """Adversarial loss of the discriminator on reals and fresh fakes, and the penalties of every step."""
    config, c_fake = state.config.loss, fake_labels(state, c)
    with torch.no_grad():
        fake = draw_fakes(state, len(real), c_fake, update_emas=True)
    with training(state.discriminator):
        images = interleaved(fake, real).requires_grad_(config.r1_in_every_step)
        logits = judged(state, images, None if c is None else interleaved(c_fake, c))
        fake_logits, real_logits = logits.view(-1, 2).unbind(1)
        if state.augmentation:
            state.augmentation.observe(real_logits)
        loss = LOSSES[config.name].discriminator(real_logits, fake_logits).mean()
        penalty, terms = d_penalties(state, images, logits, c)
        (loss + penalty).backward()
    return terms | {
        "loss/d": loss.detach(),
        "logits/real": real_logits.detach().mean(),
        "logits/fake": fake_logits.detach().mean(),
        "grad_norm/d": update(state.optimizer_d),
        "diversity": fake.std(dim=0).mean() / real.std(dim=0).mean().clamp_min(1e-8),
    }


def d_penalties(state: TrainState, images: Tensor, logits: Tensor, c: Tensor | None) -> tuple[Tensor, Terms]:
    """What is added to the adversarial loss of D, with weights, and its terms.

    images, logits: of fakes and reals in turn [2N, ...].  c: labels of the reals.
    """
    config, total, terms = state.config.loss, 0.0, {}
    (fake, real), (fake_logits, real_logits) = (t.unflatten(0, (-1, 2)).unbind(1) for t in (images, logits))
    if config.r1_in_every_step:
        total, terms = r1_terms(state, images, logits)
    if config.gradient_penalty_weight:
        points = between(real, fake).detach().requires_grad_()
        penalty = gradient_penalty(points, judged(state, points, c)).mean()
        total, terms["gradient_penalty"] = total + penalty * config.gradient_penalty_weight, penalty.detach()
    if config.lecam_weight:
        state.logit_means = moved_means(state.logit_means, real_logits, fake_logits, config.lecam_decay)
        penalty = lecam(real_logits, fake_logits, state.logit_means).mean()
        total, terms["lecam"] = total + penalty * config.lecam_weight, penalty.detach()
    return total, terms


def d_r1(state: TrainState, real: Tensor, c: Tensor | None) -> Terms:
    """R1 in a step of its own, weighted by its interval."""
    images, labels = real, c
    if state.config.loss.r2:
        labels = fake_labels(state, c)
        with torch.no_grad():
            images = interleaved(draw_fakes(state, len(real), labels), real)
        labels = None if c is None else interleaved(labels, c)
    images = images.detach().requires_grad_()
    with training(state.discriminator):
        penalty, terms = r1_terms(state, images, judged(state, images, labels))
        (penalty * state.config.loss.r1_interval).backward()
    update(state.optimizer_d)
    return terms


def r1_terms(state: TrainState, images: Tensor, logits: Tensor) -> tuple[Tensor, Terms]:
    """gamma / 2 * (R1, and R2 where configured), and its terms.

    images, logits: of reals [N, ...], or of fakes and reals in turn [2N, ...] where both were needed.
    """
    config, slopes = state.config.loss, r1_penalty(images, logits)
    if config.r2 or config.r1_in_every_step:
        fake, real = slopes.view(-1, 2).unbind(1)
        means = {"r1": real.mean(), "r2": fake.mean()} if config.r2 else {"r1": real.mean()}
    else:
        means = {"r1": slopes.mean()}
    gamma = value_at(config.r1_gamma, state.nimg)
    return sum(means.values()) * (gamma / 2), {name: mean.detach() for name, mean in means.items()}


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

"""One optimisation step: phases, each a loss of one network, in the order of Karras et al. 2020.

Every phase returns the terms it measured, as detached tensors. Random numbers come from torch's global
state, which `seed_step` sets from the run's seed and the image count: a resumed run draws what it would
have drawn. Each loss is that of one part of the batch (training/parts.py). What the phases show the networks
is made in training/passes.py.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from gan import distributed
from training.losses import LOSSES
from training.losses.penalties import (
    between,
    gradient_penalty,
    lecam,
    moved_means,
    path_length,
    path_lengths,
    r1_penalty,
)
from training.parts import Part, Terms, measured, merge_gradients, over_parts, own, split, together
from training.passes import draw_fakes, draw_ws, fake_labels, interleaved, judged, shuffled
from training.schedules import value_at
from training.state import TrainState, set_rates

FROM_GRADIENTS = frozenset({"r1", "r2", "gradient_penalty", "path_length"})  # terms


def seed_step(seed: int, nimg: int, rank: int = 0) -> None:
    """Set torch's random state from (seed, images seen, rank)."""
    torch.manual_seed(int(np.random.SeedSequence((seed, nimg, rank)).generate_state(1, np.uint64)[0] >> 1))


def train_step(state: TrainState, real: Tensor, c: Tensor | None, every: bool = False) -> Terms:
    """Generator, then discriminator, each with its penalty when due, or all phases if `every`.

    Args:
        real: this process's images [N / processes, C, H, W] in [-1, 1], every n-th of the batch.
        c: one-hot labels of the whole batch [N, c_dim], or None. Fakes take the same, see `fake_labels`.
    """
    loss, terms = state.config.loss, {}
    seed_step(state.config.seed, state.nimg)
    set_rates(state)
    if every or state.step % loss.d_steps == 0:
        terms |= g_main(state, real, c)
        if loss.lazy_g and (every or state.step // loss.d_steps % loss.lazy_g == 0):
            terms |= g_path_length(state, len(real) * distributed.world(), c)
    terms |= d_main(state, real, c)
    if loss.lazy_d and (every or state.step % loss.lazy_d == 0):
        terms |= d_r1(state, real, c)
    if state.augmentation:
        state.augmentation.step(state.step + 1)
    return terms


def g_main(state: TrainState, real: Tensor, c: Tensor | None) -> Terms:
    """Adversarial loss of the generator; also moves the running mean of w. `real` counts in pairs only."""
    adversarial = LOSSES[state.config.loss.name]
    parts, c_fake = batch_parts(state, real), fake_labels(state, c)

    def loss(part: Part) -> tuple[Tensor, Terms]:
        real_logits, labels = None, part.rows(c_fake)
        if adversarial.paired:
            with torch.no_grad():
                real_logits = judged(state, own(real, parts, part), part.rows(c))
        fake = draw_fakes(state, len(part), labels, update_w_avg=True)
        value = adversarial.generator(real_logits, judged(state, fake, labels)).mean()
        return value, {"loss/g": value}

    terms = learn(state, state.generator, parts, loss, state.scaler_g)
    return moved(state, terms, "g", norm="grad_norm/g")


def g_path_length(state: TrainState, batch: int, c: Tensor | None) -> Terms:
    """Path length regularisation on a fraction of the batch, weighted by its interval."""
    config = state.config.loss
    batch = max(batch // config.path_length_shrink, 1)
    parts, c = split(state, batch), None if c is None else shuffled(c)[:batch]
    before, whole, scale = state.path_mean, None, state.scaler_g.get_scale()

    def passed(part: Part) -> tuple[Tensor, Tensor, Tensor]:
        ws = draw_ws(state, len(part), part.rows(c)).requires_grad_()
        images = state.generator.synthesis(ws, noise="random")
        return ws, images, torch.randn_like(images)

    def loss(part: Part) -> tuple[Tensor, Terms]:
        penalty, state.path_mean, lengths = path_length(
            *passed(part), before, config.path_length_decay, whole, scale
        )
        weight = config.path_length_weight * config.path_length_interval
        return penalty.mean() * weight, {"path_length": lengths.mean()}

    if parts[0].count > 1:  # the penalty looks at the mean of the batch's lengths, which no part knows
        whole = measured(state, parts, lambda part: path_lengths(*passed(part), scale).detach().mean())
    terms = learn(state, state.generator, parts, loss, state.scaler_g)
    terms = moved(state, terms, "path_length")
    if "path_length" not in terms:
        state.path_mean = before
    return terms


def d_main(state: TrainState, real: Tensor, c: Tensor | None) -> Terms:
    """Adversarial loss of the discriminator on reals and fresh fakes, and the penalties of every step."""
    config, parts, c_fake = state.config.loss, batch_parts(state, real), fake_labels(state, c)

    def passed(part: Part) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        images = own(real, parts, part)
        with torch.no_grad():
            fake = draw_fakes(state, len(part), part.rows(c_fake), update_emas=True)
        both = interleaved(fake, images).requires_grad_(config.r1_in_every_step)
        labels = None if c is None else interleaved(part.rows(c_fake), part.rows(c))
        return fake, images, both, judged(state, both, labels)

    def loss(part: Part) -> tuple[Tensor, Terms]:
        fake, images, both, logits = passed(part)
        fake_logits, real_logits = logits.view(-1, 2).unbind(1)
        if state.augmentation:
            state.augmentation.observe(real_logits)
        if config.lecam_weight and part.count == 1:
            move_logit_means(state, logits.detach().view(-1, 2).mean(0))
        value = LOSSES[config.name].discriminator(real_logits, fake_logits).mean()
        penalty, terms = d_penalties(state, both, logits, part.rows(c))
        return value + penalty, terms | {
            "loss/d": value,
            "logits/real": real_logits.mean(),
            "logits/fake": fake_logits.mean(),
            "diversity": fake.std(dim=0).mean() / images.std(dim=0).mean().clamp_min(1e-8),
        }

    if config.lecam_weight and parts[0].count > 1:  # the penalty looks at means over the batch
        with torch.no_grad():
            means = measured(state, parts, lambda part: passed(part)[3].view(-1, 2).mean(0))
        move_logit_means(state, means)
    terms = learn(state, state.discriminator, parts, loss, state.scaler_d)
    return moved(state, terms, "d", norm="grad_norm/d")


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
        scale = state.scaler_d.get_scale()
        penalty = gradient_penalty(points, judged(state, points, c), scale).mean()
        total, terms["gradient_penalty"] = total + penalty * config.gradient_penalty_weight, penalty.detach()
    if config.lecam_weight:
        penalty = lecam(real_logits, fake_logits, state.logit_means).mean()
        total, terms["lecam"] = total + penalty * config.lecam_weight, penalty.detach()
    return total, terms


def d_r1(state: TrainState, real: Tensor, c: Tensor | None) -> Terms:
    """R1 in a step of its own, weighted by its interval."""
    config, parts, c_fake = state.config.loss, batch_parts(state, real), None
    if config.r2:
        c_fake = fake_labels(state, c)

    def loss(part: Part) -> tuple[Tensor, Terms]:
        images, labels = own(real, parts, part), part.rows(c)
        if config.r2:
            with torch.no_grad():
                images = interleaved(draw_fakes(state, len(part), part.rows(c_fake)), images)
            labels = None if c is None else interleaved(part.rows(c_fake), labels)
        images = images.detach().requires_grad_()
        penalty, terms = r1_terms(state, images, judged(state, images, labels))
        return penalty * config.r1_interval, terms

    terms = learn(state, state.discriminator, parts, loss, state.scaler_d)
    return moved(state, terms, "r1")


def r1_terms(state: TrainState, images: Tensor, logits: Tensor) -> tuple[Tensor, Terms]:
    """gamma / 2 * (R1, and R2 where configured), and its terms.

    images, logits: of reals [N, ...], or of fakes and reals in turn [2N, ...] where both were needed.
    """
    config, slopes = state.config.loss, r1_penalty(images, logits, state.scaler_d.get_scale())
    if config.r2 or config.r1_in_every_step:
        fake, real = slopes.view(-1, 2).unbind(1)
        means = {"r1": real.mean(), "r2": fake.mean()} if config.r2 else {"r1": real.mean()}
    else:
        means = {"r1": slopes.mean()}
    gamma = value_at(config.r1_gamma, state.nimg)
    return sum(means.values()) * (gamma / 2), {name: mean.detach() for name, mean in means.items()}


def learn(
    state: TrainState,
    network: nn.Module,
    parts: Sequence[Part],
    loss: Callable[[Part], tuple[Tensor, Terms]],
    scaler: torch.amp.GradScaler,
) -> Terms:
    """Gradients of `network` from the scaled `loss`, part by part on every process.

    Returns the terms' means over the batch.
    """

    def work(part: Part) -> Terms:
        value, terms = loss(part)
        scaler.scale(value * part.weight).backward()
        return {name: term.detach() * part.weight for name, term in terms.items()}

    with training(network):
        found = over_parts(state, parts, work)
        merge_gradients([p for p in network.parameters() if p.requires_grad])
    names = list(found[0])
    means = distributed.summed(torch.stack([sum(terms[name] for terms in found) for name in names]))
    return dict(zip(names, means.unbind(), strict=True))


def batch_parts(state: TrainState, real: Tensor) -> list[Part]:
    """This process's parts of the batch of which it holds `real`."""
    return split(state, len(real) * distributed.world())


def move_logit_means(state: TrainState, means: Tensor) -> None:
    """LeCam's running means, towards the batch's mean logits [2] of fakes and reals in turn."""
    fake, real = means.unbind()
    state.logit_means = moved_means(state.logit_means, real, fake, state.config.loss.lecam_decay)


def moved(state: TrainState, terms: Terms, phase: str, norm: str = "") -> Terms:
    """One optimiser step; returns the terms of the phase, with the gradient's norm under the key `norm`.

    With loss scaling also `loss_scale/<network>` and `skipped/<phase>` (0 or 1). A skipped step loses the
    terms that come from scaled gradients: they say that the scale was too large, nothing of the networks.
    """
    network = "g" if phase in ("g", "path_length") else "d"
    optimizer, scaler = (getattr(state, f"{name}_{network}") for name in ("optimizer", "scaler"))
    with together(state):
        found = update(optimizer, scaler)
    if scaler.is_enabled():
        terms[f"loss_scale/{network}"] = torch.tensor(scaler.get_scale())
        terms[f"skipped/{phase}"] = torch.tensor(float(found is None))
    if found is None:
        return {name: term for name, term in terms.items() if name not in FROM_GRADIENTS}
    return terms | ({norm: found} if norm else {})


def update(optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler | None = None) -> Tensor | None:
    """One optimiser step, then empty gradients; returns the gradient's L2 norm, None for a skipped step.

    With loss scaling, a gradient that is not finite skips the step and halves the scale. Without, an entry
    that is not finite becomes 0 (NaN) or +-1e5 (infinity), so that one bad batch cannot end a run.
    """
    scaler = scaler or torch.amp.GradScaler(enabled=False)
    gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    scaler.unscale_(optimizer)
    norm = torch.nn.utils.get_total_norm(gradients)
    if not scaler.is_enabled() and not torch.isfinite(norm):
        for gradient in gradients:
            torch.nan_to_num(gradient, nan=0.0, posinf=1e5, neginf=-1e5, out=gradient)
    before = scaler.get_scale()
    scaler.step(optimizer)
    scaler.update()
    optimizer.zero_grad(set_to_none=True)
    return None if scaler.get_scale() < before else norm


class training:
    """Gradients for the parameters of one network only, within the block."""

    def __init__(self, network: nn.Module):
        self.network = network

    def __enter__(self) -> None:
        self.network.requires_grad_(True)

    def __exit__(self, *_: object) -> None:
        self.network.requires_grad_(False)

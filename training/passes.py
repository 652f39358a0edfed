"""Passes through the networks: fresh fakes with their labels, and what the discriminator makes of images."""

import torch
from torch import Tensor

from gan.randomness import Draws
from training.blur import blurred, sigma_at
from training.state import TrainState


def judged(state: TrainState, images: Tensor, c: Tensor | None, draws: Draws) -> Tensor:
    """D's logits [N, 1] of images [N, C, H, W], which it sees blurred and augmented as is due by now.

    draws: of the samples that the images belong to, one or several images each.
    """
    return state.discriminator(seen(state, images, draws), c)


def seen(state: TrainState, images: Tensor, draws: Draws) -> Tensor:
    """Images as D sees them. Arguments as `judged`."""
    config = state.config.loss
    if config.blur_sigma:
        images = blurred(images, sigma_at(config.blur_sigma, config.blur_fade_kimg, state.nimg))
    if state.augmentation:
        images = state.augmentation(images, draws.rows(len(images)))
    return images


def draw_ws(state: TrainState, draws: Draws, c: Tensor | None, update_w_avg: bool = False) -> Tensor:
    """ws [n, num_ws, w_dim] of fresh z, with style mixing at the configured probability.

    Whether a batch is mixed, and from which layer on, all its samples share. Nothing waits for the coin: the
    other w are made whether or not they are taken.
    """
    generator, probability = state.generator, state.config.loss.style_mixing
    ws = generator.mapping(draws.normal((generator.z_dim,)), c)
    if update_w_avg:
        generator.mapping.update_w_avg(ws[:, 0])
    if probability:
        coin, place = draws.shared((2,), ws.device)
        first = 1 + (place * (generator.num_ws - 1)).floor()
        later = (torch.arange(generator.num_ws, device=ws.device) >= first) & (coin < probability)
        ws = torch.where(later[:, None], generator.mapping(draws.normal((generator.z_dim,)), c), ws)
    return ws


def interleaved(a: Tensor, b: Tensor) -> Tensor:
    """a0, b0, a1, b1, ...: [N, ...] twice -> [2N, ...].

    One pass of D over both costs less than two. Minibatch statistics group the samples with numbers equal
    modulo the number of groups, which is even here, so they never mix the two.
    """
    return torch.stack([a, b], dim=1).flatten(0, 1)


def shuffled(c: Tensor | None, draws: Draws) -> Tensor | None:
    """The batch's labels in random order."""
    return None if c is None else c[draws.shared((len(c),), c.device).argsort(stable=True)]

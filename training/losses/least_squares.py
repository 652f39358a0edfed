"""Least-squares loss (Mao et al. 2017, "Least Squares GANs", eq. 9): reals aim at 1, fakes at 0."""

from torch import Tensor


def generator_loss(real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
    """(D(fake) - 1)^2 / 2, per sample."""
    return (fake_logits - 1).square() / 2


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """(D(real) - 1)^2 / 2 + D(fake)^2 / 2, per sample."""
    return (real_logits - 1).square() / 2 + fake_logits.square() / 2

"""Wasserstein loss (Arjovsky et al. 2017, eq. 2 and algorithm 1).

It asks for a discriminator of bounded slope: a gradient penalty, or spectral normalisation.
"""

from torch import Tensor


def generator_loss(real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
    """-D(fake), per sample."""
    return -fake_logits


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """D(fake) - D(real), per sample."""
    return fake_logits - real_logits

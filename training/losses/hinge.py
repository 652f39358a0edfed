"""Hinge loss (Lim and Ye 2017, "Geometric GAN"; Miyato et al. 2018, "Spectral Normalization", eq. 16, 17)."""

import torch.nn.functional as F
from torch import Tensor


def generator_loss(real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
    """-D(fake), per sample."""
    return -fake_logits


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """max(0, 1 - D(real)) + max(0, 1 + D(fake)), per sample."""
    return F.relu(1 - real_logits) + F.relu(1 + fake_logits)

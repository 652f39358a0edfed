"""Non-saturating logistic loss (Goodfellow et al. 2014, section 3)."""

import torch.nn.functional as F
from torch import Tensor


def generator_loss(real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
    """-log sigmoid(D(fake)) = softplus(-D(fake)), per sample."""
    return F.softplus(-fake_logits)


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """softplus(D(fake)) + softplus(-D(real)), per sample."""
    return F.softplus(fake_logits) + F.softplus(-real_logits)

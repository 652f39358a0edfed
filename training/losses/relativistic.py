"""Relativistic pairing loss (Jolicoeur-Martineau 2018; Huang et al. 2024, "The GAN is dead", eq. 2).

Sample i of the reals is set against sample i of the fakes: only the difference of their logits counts.
"""

import torch.nn.functional as F
from torch import Tensor


def generator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """softplus(-(D(fake) - D(real))), per pair."""
    return F.softplus(real_logits - fake_logits)


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """softplus(-(D(real) - D(fake))), per pair."""
    return F.softplus(fake_logits - real_logits)

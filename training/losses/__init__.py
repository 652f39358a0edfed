"""Adversarial losses by name."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from gan.registry import table
from training.losses import logistic


class Loss(NamedTuple):
    """Both sides of a game; each returns one value per sample."""

    generator: Callable[[Tensor], Tensor]  # (fake logits)
    discriminator: Callable[[Tensor, Tensor], Tensor]  # (real logits, fake logits)


LOSSES = table(
    "loss",
    {"logistic": Loss(logistic.generator_loss, logistic.discriminator_loss)},
)

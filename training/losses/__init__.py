"""Adversarial losses by name."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from gan.registry import table
from training.losses import hinge, least_squares, logistic, relativistic, wasserstein


class Loss(NamedTuple):
    """Both sides of a game: (real logits, fake logits), alike in shape -> one value per sample.

    paired: the loss compares a real image with a fake one. Both then carry the same label, and the generator
    sees real logits; that of another loss gets None.
    """

    generator: Callable[[Tensor | None, Tensor], Tensor]
    discriminator: Callable[[Tensor, Tensor], Tensor]
    paired: bool = False


LOSSES = table(
    "loss",
    {
        "hinge": Loss(hinge.generator_loss, hinge.discriminator_loss),
        "least-squares": Loss(least_squares.generator_loss, least_squares.discriminator_loss),
        "logistic": Loss(logistic.generator_loss, logistic.discriminator_loss),
        "relativistic": Loss(relativistic.generator_loss, relativistic.discriminator_loss, paired=True),
        "wasserstein": Loss(wasserstein.generator_loss, wasserstein.discriminator_loss),
    },
)

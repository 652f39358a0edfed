"""Adversarial losses by name."""

from gan.registry import Table, table
from training.losses import hinge, least_squares, logistic, relativistic, wasserstein
from training.losses.base import LogitLoss, Loss

LOSSES: Table[Loss] = table(
    "loss",
    {
        "hinge": LogitLoss(hinge.generator_loss, hinge.discriminator_loss),
        "least-squares": LogitLoss(least_squares.generator_loss, least_squares.discriminator_loss),
        "logistic": LogitLoss(logistic.generator_loss, logistic.discriminator_loss),
        "relativistic": LogitLoss(relativistic.generator_loss, relativistic.discriminator_loss, paired=True),
        "wasserstein": LogitLoss(wasserstein.generator_loss, wasserstein.discriminator_loss),
    },
)

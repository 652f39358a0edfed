"""Adversarial losses against hand computation."""

import math

import pytest
import torch

from gan.errors import UsageError
from training.losses import LOSSES

REAL, FAKE = 1.5, -0.25
BY_HAND = {  # loss of G, of D, at D(real) = 1.5, D(fake) = -0.25
    "logistic": (math.log1p(math.exp(0.25)), math.log1p(math.exp(-0.25)) + math.log1p(math.exp(-1.5))),
    "hinge": (0.25, 0.75),
    "wasserstein": (0.25, -1.75),
    "least-squares": (1.25**2 / 2, 0.5**2 / 2 + 0.25**2 / 2),
    "relativistic": (math.log1p(math.exp(1.75)), math.log1p(math.exp(-1.75))),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_by_hand(name):
    loss, (g, d) = LOSSES[name], BY_HAND[name]
    real, fake = torch.tensor([REAL], dtype=torch.float64), torch.tensor([FAKE], dtype=torch.float64)
    assert loss.of_generator(real if loss.paired else None, fake).item() == pytest.approx(g)
    assert loss.of_discriminator(real, fake).item() == pytest.approx(d)


@pytest.mark.parametrize("name", LOSSES)
def test_each_side_pulls_its_own_way(name):
    real, fake = torch.zeros(3, 1, requires_grad=True), torch.zeros(3, 1, requires_grad=True)
    (up,) = torch.autograd.grad(LOSSES[name].of_generator(real.detach(), fake).sum(), fake)
    assert (up < 0).all()  # less loss where fakes look more real
    d_real, d_fake = torch.autograd.grad(LOSSES[name].of_discriminator(real, fake).sum(), (real, fake))
    assert (d_real < 0).all() and (d_fake >= 0).all()


def test_unknown_loss_names_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'logistic'"):
        LOSSES["logistics"]

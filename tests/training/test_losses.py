"""Losses, penalties and Adam's correction against hand computation."""

import math

import pytest
import torch

from gan.errors import UsageError
from training.losses import LOSSES
from training.losses.penalties import path_length, r1_penalty
from training.schedules import decay, default_r1_gamma, lazy_adam

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
    assert loss.generator(real if loss.paired else None, fake).item() == pytest.approx(g)
    assert loss.discriminator(real, fake).item() == pytest.approx(d)


@pytest.mark.parametrize("name", LOSSES)
def test_each_side_pulls_its_own_way(name):
    real, fake = torch.zeros(3, 1, requires_grad=True), torch.zeros(3, 1, requires_grad=True)
    (up,) = torch.autograd.grad(LOSSES[name].generator(real.detach(), fake).sum(), fake)
    assert (up < 0).all()  # less loss where fakes look more real
    d_real, d_fake = torch.autograd.grad(LOSSES[name].discriminator(real, fake).sum(), (real, fake))
    assert (d_real < 0).all() and (d_fake >= 0).all()


def test_unknown_loss_names_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'logistic'"):
        LOSSES["logistics"]


def test_r1_of_a_quadratic():
    x = torch.randn(3, 1, 2, 2, requires_grad=True)
    a = torch.tensor(0.5, requires_grad=True)
    penalty = r1_penalty(x, (a * x.square()).sum(dim=(1, 2, 3))[:, None])
    torch.testing.assert_close(penalty, x.square().sum(dim=(1, 2, 3)))  # |2 a x|^2 with a = 1/2
    penalty.sum().backward()
    torch.testing.assert_close(a.grad, 8 * 0.5 * x.detach().square().sum())  # d/da 4 a^2 |x|^2


def test_path_length_of_a_linear_generator():
    A = torch.randn(12, 5, dtype=torch.float64, requires_grad=True)
    ws = torch.randn(2, 3, 5, dtype=torch.float64, requires_grad=True)
    images = (ws @ A.T).sum(dim=1).reshape(2, 3, 2, 2)
    noise = torch.randn_like(images)
    penalty, mean, lengths = path_length(ws, images, noise, torch.tensor(1.0, dtype=torch.float64), 0.25)
    want = (noise.reshape(2, 12) @ A / 2).norm(dim=1)  # the same for each of the three layers; sqrt(H W) = 2
    torch.testing.assert_close(lengths, want.detach())
    torch.testing.assert_close(mean, (0.75 + 0.25 * want.mean()).detach())
    torch.testing.assert_close(penalty, (want - (0.75 + 0.25 * want.mean())).square())
    (grad,) = torch.autograd.grad(penalty.sum(), A)
    assert not mean.requires_grad and grad.abs().sum() > 0


def test_decay_is_a_cosine_of_the_logarithm():
    assert decay(100.0, 1.0, 0.0) == pytest.approx(100)
    assert decay(100.0, 1.0, 0.5) == pytest.approx(10)
    assert decay(100.0, 1.0, 1.0) == decay(100.0, 1.0, 7.0) == pytest.approx(1)


def test_lazy_adam_and_gamma():
    assert lazy_adam(0.002, 0.0, 0.99, None) == (0.002, 0.0, 0.99)
    lr, beta1, beta2 = lazy_adam(0.002, 0.5, 0.99, 16)
    assert (lr, beta1, beta2) == pytest.approx((0.002 * 16 / 17, 0.5 ** (16 / 17), 0.99 ** (16 / 17)))
    assert default_r1_gamma(256, 32) == pytest.approx(0.4096)

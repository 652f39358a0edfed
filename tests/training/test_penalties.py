"""Penalties, and what the step makes of them, against hand computation."""

import dataclasses

import pytest
import torch

from tests.training.tiny import learned, tiny_state
from training.config import LossConfig
from training.losses.penalties import (
    between,
    gradient_penalty,
    lecam,
    moved_means,
    path_length,
    path_lengths,
    r1_penalty,
)
from training.schedules import Schedule


def test_r1_of_a_quadratic():
    x = torch.randn(3, 1, 2, 2, requires_grad=True)
    a = torch.tensor(0.5, requires_grad=True)
    penalty = r1_penalty(x, (a * x.square()).sum(dim=(1, 2, 3))[:, None])
    torch.testing.assert_close(penalty, x.square().sum(dim=(1, 2, 3)))  # |2 a x|^2 with a = 1/2
    penalty.sum().backward()
    torch.testing.assert_close(a.grad, 8 * 0.5 * x.detach().square().sum())  # d/da 4 a^2 |x|^2


def test_gradient_penalty_of_a_linear_discriminator():
    x = torch.randn(3, 1, 2, 2, requires_grad=True)
    a = torch.tensor(0.75, requires_grad=True)
    penalty = gradient_penalty(x, (a * x).sum(dim=(1, 2, 3))[:, None])  # a slope of a per pixel: norm 2 a
    torch.testing.assert_close(penalty, torch.full([3], 0.25))
    penalty.sum().backward()
    assert a.grad.item() == pytest.approx(3 * 2 * 0.5 * 2)


def test_gradient_penalty_of_a_flat_discriminator_is_finite():
    x = torch.randn(2, 1, 2, 2, requires_grad=True)
    a = torch.tensor(0.0, requires_grad=True)
    penalty = gradient_penalty(x, (a * x).sum(dim=(1, 2, 3))[:, None])
    penalty.sum().backward()
    assert penalty.tolist() == [1, 1] and torch.isfinite(a.grad)


def test_points_between_lie_on_the_lines():
    real, fake = torch.zeros(50, 1, 2, 2), torch.ones(50, 1, 2, 2)
    places = torch.linspace(0, 1, 50)
    torch.testing.assert_close(between(real, fake, places), places.view(50, 1, 1, 1).expand_as(real))


def test_lecam_by_hand():
    real, fake = torch.tensor([1.0, 3.0]), torch.tensor([-1.0, -2.0])
    means = moved_means(torch.tensor([4.0, 0.0]), real, fake, 0.25)
    torch.testing.assert_close(means, torch.tensor([3.5, -0.375]))
    torch.testing.assert_close(lecam(real, fake, means), torch.tensor([1.375**2 + 4.5**2, 3.375**2 + 5.5**2]))


def test_path_length_of_a_linear_generator():
    A = torch.randn(12, 5, dtype=torch.float64, requires_grad=True)
    ws = torch.randn(2, 3, 5, dtype=torch.float64, requires_grad=True)
    images = (ws @ A.T).sum(dim=1).reshape(2, 3, 2, 2)
    noise = torch.randn_like(images)
    lengths = path_lengths(ws, images, noise)
    penalty, mean = path_length(lengths, torch.tensor(1.0, dtype=torch.float64), 0.25)
    want = (noise.reshape(2, 12) @ A / 2).norm(dim=1)  # the same for each of the three layers; sqrt(H W) = 2
    torch.testing.assert_close(lengths.detach(), want.detach())
    torch.testing.assert_close(mean, (0.75 + 0.25 * want.mean()).detach())
    torch.testing.assert_close(penalty, (want - (0.75 + 0.25 * want.mean())).square())
    (grad,) = torch.autograd.grad(penalty.sum(), A)
    assert not mean.requires_grad and grad.abs().sum() > 0


A, B = 0.3, -0.7


class Quadratic(torch.nn.Module):
    """D(x) = sum of a x + b x^2 / 2, whose gradient is a + b x. Labels must be of reals and fakes alike."""

    def __init__(self):
        super().__init__()
        self.a, self.b = (torch.nn.Parameter(torch.tensor(v, dtype=torch.float64)) for v in (A, B))

    def forward(self, x, c=None):
        return (self.a * x + self.b * x.square() / 2).sum(dim=(1, 2, 3))[:, None]


class Constant(torch.nn.Module):
    """Every fake has this value in every pixel."""

    z_dim, num_ws, value = 4, 0, 0.5

    def forward(self, z, c=None):
        return torch.full([len(z), 1, 2, 2], self.value, dtype=torch.float64)


def quadratic_state(**loss):
    """A state whose discriminator's parameters move by minus their gradient."""
    state = tiny_state()
    options = {"name": "wasserstein", "r1_gamma": 0.0} | loss
    state.config = dataclasses.replace(state.config, loss=LossConfig(**options))
    state.generator, state.discriminator = Constant(), Quadratic().requires_grad_(False)
    state.optimizer_d = torch.optim.SGD(state.discriminator.parameters(), lr=1.0)
    return state


def slope_gradients(x):
    """Derivatives of the mean over samples of |a + b x|^2 with respect to a and b."""
    slope = A + B * x
    return torch.stack([(2 * slope).sum(), (2 * slope * x).sum()]) / len(x)


def moments(x):
    """Derivatives of the mean logit with respect to a and b."""
    return torch.stack([x.sum(), x.square().sum() / 2]) / len(x)


def moved_by(state):
    return torch.stack([A - state.discriminator.a, B - state.discriminator.b])


REAL = torch.linspace(-1, 1, 16, dtype=torch.float64).view(4, 1, 2, 2)
FAKE = torch.full([4, 1, 2, 2], 0.5, dtype=torch.float64)
WANT = {
    "wasserstein": moments(FAKE) - moments(REAL),
    "r1": slope_gradients(REAL),
    "r2": slope_gradients(FAKE),
}


@pytest.mark.parametrize("r2", [False, True])
def test_r1_in_every_step_is_added_to_the_loss(r2):
    state = quadratic_state(r1_gamma=3.0, r1_interval=None, r2=r2)
    terms = learned(state, "d", REAL, None)
    want = WANT["wasserstein"] + 1.5 * (WANT["r1"] + (WANT["r2"] if r2 else 0))
    torch.testing.assert_close(moved_by(state), want)
    assert terms["r1"].item() == pytest.approx((A + B * REAL).square().sum().item() / 4)
    assert ("r2" in terms) == r2
    if r2:
        assert terms["r2"].item() == pytest.approx(4 * (A + B * 0.5) ** 2)


@pytest.mark.parametrize("r2", [False, True])
def test_lazy_r1_weighs_its_interval(r2):
    state = quadratic_state(r1_gamma=3.0, r1_interval=8, r2=r2)
    terms = learned(state, "r1", REAL, None)
    torch.testing.assert_close(moved_by(state), 8 * 1.5 * (WANT["r1"] + (WANT["r2"] if r2 else 0)))
    assert terms.keys() == {"r1", "repaired", *(["r2"] if r2 else [])}


def test_gamma_follows_its_schedule():
    state = quadratic_state(r1_gamma=Schedule(start=3, end=1, kimg=2, shape="linear"), r1_interval=1)
    state.nimg = 1000
    learned(state, "r1", REAL, None)
    torch.testing.assert_close(moved_by(state), WANT["r1"])  # gamma / 2 = 1


def test_gradient_penalty_in_the_step():
    state = quadratic_state(gradient_penalty_weight=10.0)
    state.discriminator.b.zero_()  # linear: a slope of 0.3 a pixel wherever the points are, norm 0.6
    terms = learned(state, "d", REAL, None)
    assert terms["gradient_penalty"].item() == pytest.approx(0.16)
    want = WANT["wasserstein"][0] + 10 * 2 * (0.6 - 1) * 2
    torch.testing.assert_close(A - state.discriminator.a, want)


def test_lecam_in_the_step_moves_its_means_first():
    state = quadratic_state(lecam_weight=0.5, lecam_decay=0.25)
    real, fake = (Quadratic()(x)[:, 0].detach() for x in (REAL, FAKE))
    terms = learned(state, "d", REAL, None)
    means = torch.stack([real.mean(), fake.mean()]) / 4
    torch.testing.assert_close(state.memory["logit_means"], means)
    assert terms["lecam"].item() == pytest.approx(lecam(real, fake, means).mean().item())
    weights = torch.cat([(real - means[1]) * 2, (fake - means[0]) * 2])  # d lecam / d logit
    x = torch.cat([REAL, FAKE])
    slopes = torch.stack([x.sum(dim=(1, 2, 3)), x.square().sum(dim=(1, 2, 3)) / 2])
    torch.testing.assert_close(moved_by(state), WANT["wasserstein"] + 0.5 * (slopes * weights).sum(dim=1) / 4)

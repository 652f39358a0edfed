"""Precision, recall, density, coverage: by brute force, closed forms, ties, directions, invariances."""

import numpy as np
import pytest
import torch

from metrics import shards
from metrics.precision_recall import ManifoldScores, density_coverage, manifold_scores, precision_recall


def drawn(n, d, seed=0, scale=1.0, gap=0.0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed)) * scale + gap


def by_definition(real, fake, k):
    """All distances in memory; entry 0 of a sorted row is the point itself, entry k its k-th neighbour."""
    real, fake = real.double().numpy(), fake.double().numpy()

    def distances(x, y):
        return ((x[:, None] - y) ** 2).sum(-1)

    real_balls = distances(real, fake) <= np.sort(distances(real, real), 1)[:, k, None]
    fake_balls = distances(real, fake) <= np.sort(distances(fake, fake), 1)[:, k]
    return ManifoldScores(
        real_balls.any(0).mean(),
        fake_balls.any(1).mean(),
        real_balls.sum() / (k * len(fake)),
        real_balls.any(1).mean(),
    )


@pytest.mark.parametrize("block", [1, 16, 1000])
def test_matches_brute_force_in_any_block_size(block, monkeypatch):
    monkeypatch.setattr(shards, "BLOCK", block)
    real, fake = drawn(40, 3), drawn(33, 3, 1, scale=0.8, gap=0.5)
    got = manifold_scores(real, fake, (1, 3, 5))
    assert got == {k: pytest.approx(by_definition(real, fake, k), rel=1e-12) for k in (1, 3, 5)}
    assert precision_recall(real, fake) == got[3][:2]
    assert density_coverage(real, fake) == got[5][2:]


def test_points_on_a_line():
    """Reals 0, 1, 3 and fakes 0.5, 10, 11, k = 1: ball radii are 1, 1, 2 and 9.5, 1, 1."""
    real, fake = torch.tensor([[0.0], [1.0], [3.0]]), torch.tensor([[0.5], [10.0], [11.0]])
    scores = manifold_scores(real, fake, (1,))[1]
    assert scores == ManifoldScores(precision=1 / 3, recall=1, density=2 / 3, coverage=2 / 3)


def test_the_surface_belongs_to_the_ball():
    """The fake at 2 is exactly as far from the real at 1 as that is from its nearest other."""
    assert precision_recall(torch.tensor([[0.0], [1.0]]), torch.tensor([[2.0], [7.0]]), k=1).precision == 0.5


@pytest.mark.parametrize("shift", [0.0, 1e3])
def test_copies_lie_on_every_surface_whatever_the_rounding(shift):
    """Each fake is a real, so k + 1 fakes are in each ball, the outermost of them on its surface."""
    real = drawn(200, 64) + shift
    scores = manifold_scores(real, real[torch.randperm(200)], (3, 5))
    for k in (3, 5):
        assert scores[k] == ManifoldScores(1, 1, (k + 1) / k, 1)


def test_repeated_reals_have_balls_of_radius_zero():
    real = drawn(5, 16).repeat(6, 1)
    assert precision_recall(real, real[:5].repeat(4, 1)) == (1, 1)
    assert precision_recall(real, real + 1e-6) == (0, 0)


def test_equal_distributions_have_density_one_and_known_coverage():
    """E density = 1 and E coverage = 1 - prod (N - i) / (N + M - i) over i = 1..k (Naeem et al. 2020)."""
    found = [density_coverage(drawn(100, 4, 2 * i), drawn(100, 4, 2 * i + 1), k=3) for i in range(60)]
    density, coverage = np.mean(found, axis=0)
    assert density == pytest.approx(1, abs=0.03)
    assert coverage == pytest.approx(1 - (99 * 98 * 97) / (199 * 198 * 197), abs=0.01)


def test_a_collapsed_generator_is_precise_and_recalls_little():
    real = drawn(500, 8)
    scores = manifold_scores(real, drawn(500, 8, 1, scale=0.1), (5,))[5]
    assert scores.precision == 1 and scores.density > 1
    assert scores.recall < 0.05 and scores.coverage < 0.5


def test_a_generator_of_noise_around_the_data_is_imprecise_and_recalls_much():
    real = drawn(500, 8)
    scores = manifold_scores(real, drawn(500, 8, 1, scale=3), (5,))[5]
    assert scores.precision < 0.3 and scores.density < 0.3 and scores.recall > 0.9


def test_far_apart_sets_share_nothing():
    assert manifold_scores(drawn(30, 4), drawn(30, 4, 1, gap=100), (3,))[3] == (0, 0, 0, 0)


def test_exchanging_the_sets_exchanges_precision_and_recall():
    a, b = drawn(60, 3), drawn(80, 3, 1, scale=0.5)
    assert precision_recall(a, b)[::-1] == precision_recall(b, a)


def test_order_does_not_change_a_digit():
    real, fake = drawn(300, 32), drawn(250, 32, 1, scale=0.9)
    shuffled = manifold_scores(real[torch.randperm(300)], fake[torch.randperm(250)].numpy())
    assert shuffled == manifold_scores(real, fake)


@pytest.mark.parametrize("ks", [(), (0,), (3, 5)])
def test_refusals(ks):
    with pytest.raises(ValueError, match="k must be at least 1|real: 5 row"):
        manifold_scores(drawn(5, 2), drawn(9, 2), ks)

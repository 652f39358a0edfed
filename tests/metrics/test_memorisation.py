"""Memorisation: copies, near copies, authentic samples, order and blocks."""

import numpy as np
import pytest
import torch

from metrics import shards
from metrics.memorisation import auth_pct, memorisation


def drawn(n, d, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def test_points_on_a_line():
    """Training 0, 1, 5 have their nearest others at 1, 1, 4. The fake at 2 is at 1 from 1: not authentic."""
    train, fake = torch.tensor([[0.0], [1.0], [5.0]]), torch.tensor([[2.0], [5.0], [-3.0], [6.0]])
    found = memorisation(train, fake, k=2)
    assert found.distances.tolist() == [[1, 2], [0, 4], [3, 4], [1, 5]]
    assert found.indices.tolist() == [[1, 0], [2, 1], [0, 1], [2, 1]]
    assert found.ratios.tolist() == [1, 0, 3, 0.25]
    assert found.worst.tolist() == [1, 3, 0, 2]
    assert found.auth_pct == 25 == auth_pct(train, fake)


def test_copies_are_not_authentic():
    train = drawn(100, 16) + 50
    found = memorisation(train, train[torch.randperm(100)])
    assert found.auth_pct == 0 and (found.ratios == 0).all() and (found.distances == 0).all()
    assert auth_pct(train, train + 1e-3 * drawn(100, 16, 1)) == 0


def test_new_samples_are_mostly_as_authentic_as_held_out_ones_and_noise_is_all_authentic():
    train = drawn(400, 8)
    held_out = np.mean([auth_pct(train, drawn(400, 8, seed)) for seed in (1, 2, 3)])
    half = torch.cat([train[:200], drawn(200, 8, 4)])
    assert 40 < held_out < 90
    assert auth_pct(train, half) == pytest.approx(held_out / 2, abs=5)
    assert auth_pct(train, 10 * drawn(400, 8, 5)) == 100


def test_matches_brute_force_in_any_block_size(monkeypatch):
    train, fake = drawn(37, 5), drawn(23, 5, 1)
    across = torch.cdist(fake.double(), train.double())
    within = torch.cdist(train.double(), train.double()).fill_diagonal_(torch.inf).min(1).values
    nearest = across.argmin(1)
    want = 100 * (across.min(1).values > within[nearest]).double().mean().item()
    for block in (1, 8, 100):
        monkeypatch.setattr(shards, "BLOCK", block)
        found = memorisation(train, fake.numpy(), k=3)
        assert found.auth_pct == want and torch.equal(found.indices[:, 0], nearest)
        torch.testing.assert_close(found.ratios, across.min(1).values / within[nearest])


def test_order_of_the_training_images_does_not_matter():
    train, fake = drawn(50, 6), drawn(30, 6, 1)
    order = torch.randperm(50)
    a, b = memorisation(train, fake), memorisation(train[order], fake)
    assert torch.equal(a.ratios, b.ratios) and torch.equal(a.worst, b.worst)
    assert torch.equal(a.indices, order[b.indices])


def test_repeated_training_images():
    """Next to them nothing is too near; a copy of them still is one."""
    train = torch.tensor([[0.0], [0.0], [0.0], [9.0]])
    found = memorisation(train, torch.tensor([[1.0], [0.0]]))
    assert found.ratios.tolist() == [torch.inf, 0] and found.auth_pct == 50


@pytest.mark.parametrize(("train", "k"), [(1, 1), (3, 4)])
def test_refusals(train, k):
    with pytest.raises(ValueError, match="nearest of"):
        memorisation(drawn(train, 2), drawn(5, 2), k=k)

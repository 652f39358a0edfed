"""Rows: nearest neighbours against brute force, with duplicates and in any block size; checks; subsets."""

import numpy as np
import pytest
import torch

from metrics import rows, shards


def drawn(n, d, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("block", [1, 5, 100])
@pytest.mark.parametrize("exclude_self", [False, True])
def test_nearest_is_what_brute_force_finds(block, exclude_self, monkeypatch):
    monkeypatch.setattr(shards, "BLOCK", block)
    points = drawn(23, 4)
    queries = points if exclude_self else drawn(11, 4, 1)
    squared = (queries[:, None].double() - points.double()).square().sum(-1)
    if exclude_self:
        squared.fill_diagonal_(torch.inf)
    want = squared.sort(1)
    got = rows.nearest(queries, points, 3, exclude_self=exclude_self)
    assert torch.equal(got.indices, want.indices[:, :3])
    torch.testing.assert_close(got.squared, want.values[:, :3], rtol=1e-14, atol=0)
    assert torch.equal(got.distances, got.squared.sqrt())


def test_a_copy_is_at_distance_zero_even_far_from_the_origin():
    points = drawn(50, 30) + 1e4
    found = rows.nearest(points.clone(), points, 2)
    assert (found.squared[:, 0] == 0).all() and torch.equal(found.indices[:, 0], torch.arange(50))
    assert (found.squared[:, 1] > 0).all()


@pytest.mark.parametrize("block", [2, 100])
def test_duplicates_are_neighbours_of_each_other(block, monkeypatch):
    monkeypatch.setattr(shards, "BLOCK", block)
    points = drawn(4, 3).repeat(3, 1)  # rows i, i + 4, i + 8 are equal
    found = rows.nearest(points, points, 2, exclude_self=True)
    assert (found.squared == 0).all()
    assert found.indices[:4].tolist() == [[i + 4, i + 8] for i in range(4)]


def test_rounding_bounds_the_error():
    x, y = drawn(60, 500).double() + 3, drawn(40, 500, 1).double() + 3
    exact = (x[:, None] - y).square().sum(-1)
    assert (rows.squared_distances(x, y) - exact).abs().max() <= rows.rounding(x, y) < 1e-6


@pytest.mark.parametrize(("k", "exclude_self"), [(0, False), (6, False), (5, True)])
def test_impossible_k(k, exclude_self):
    points = drawn(5, 2)
    with pytest.raises(ValueError, match=f"{k} nearest of"):
        rows.nearest(points, points, k, exclude_self=exclude_self)


def test_as_rows():
    assert rows.as_rows(np.ones((2, 3), dtype=np.uint8), "x").whole().dtype == torch.float64
    assert rows.as_rows(torch.ones(2, 3, requires_grad=True), "x").whole().requires_grad is False
    for wrong in (torch.ones(3), torch.ones(2, 0), torch.tensor([[torch.inf]]), torch.ones(0, 3)):
        with pytest.raises(ValueError, match="^x: "):
            rows.as_rows(wrong, "x")


def test_chosen_as_numpy_chooses():
    values = drawn(20, 2)
    got = rows.chosen(np.random.RandomState(3), values, 6)
    assert got.tolist() == np.random.RandomState(3).choice(20, 6, replace=False).tolist()
    assert len(set(got.tolist())) == 6

"""Scores by neighbours of halves of the blocks are the scores of the rows in them."""

import numpy as np
import pytest
import torch

from metrics import neighbour_blocks
from metrics.influence import of_authenticity, of_manifold
from metrics.jackknife import GROUPS, Share, dealt, replicates, splits
from metrics.memorisation import auth_pct
from metrics.neighbour_blocks import authenticity_blocks, manifold_blocks, neighbours_of
from metrics.precision_recall import manifold_scores
from metrics.shards import Shards


def rows(count, shift=0.0, seed=0):
    return torch.from_numpy(np.random.RandomState(seed).standard_normal((count, 3)) + shift)


ALL = torch.ones(GROUPS, dtype=torch.bool)
KEPT = (ALL, splits()[0], ~splits()[0], splits()[14], ~splits()[9])


def left(x, keep, seed):
    """The rows of these blocks."""
    return x[torch.cat([part for part, kept in zip(dealt(len(x), seed), keep, strict=True) if kept])]


def assert_those_of_the_rows(found, real, fake, k, *, seed, strict=False):
    for keep in KEPT:
        want = manifold_scores(left(real, keep, seed), left(fake, keep, seed), (k,), strict=strict)[k]
        got = {name: score(keep) for name, score in found.items()}
        assert got == pytest.approx(want._asdict(), rel=1e-12)
        assert found.keys() == want._asdict().keys()


@pytest.mark.parametrize("k", [1, 4])
def test_manifold_scores_of_halves(k):
    real, fake = rows(90), rows(70, 0.8, seed=1)
    real[3] = fake[5] = real[2]  # repeated rows
    found = manifold_blocks(real, fake, k, seed=2)
    assert_those_of_the_rows(found, real, fake, k, seed=2)
    with pytest.raises(ValueError, match="15 blocks: need all, or a half of a balanced split"):
        found["recall"](torch.arange(GROUPS) > 0)


@pytest.mark.parametrize("strict", [False, True])
def test_surfaces_of_balls_of_halves(strict):
    """Rows of a grid, most distances of which are equal to a radius."""
    rng = np.random.RandomState(4)
    real, fake = (torch.from_numpy(rng.randint(0, 4, (count, 2)) / 1.0) for count in (90, 70))
    found = manifold_blocks(real, fake, 5, strict=strict, seed=2)
    assert_those_of_the_rows(found, real, fake, 5, seed=2, strict=strict)
    want = manifold_scores(real, fake, (5,), strict=strict)[5]
    shares = of_manifold(real, fake, 5, strict=strict).mean(0).tolist()
    assert shares == pytest.approx([want.precision, want.density])


def test_equal_rows_are_counted_few_pairs_at_a_time(monkeypatch):
    """All pairs are near, and many neighbours of each row are of one half: of some rows by far the most."""
    real, fake = torch.zeros(90, 3), torch.zeros(70, 3)
    real[60:] = rows(30)
    seen, comparison = [], neighbour_blocks._comparison

    def watched(strict):
        return lambda a, b: seen.append(a.shape) or comparison(strict)(a, b)

    monkeypatch.setattr(neighbour_blocks, "_comparison", watched)
    monkeypatch.setattr(neighbour_blocks, "_PAIRS", 64)
    monkeypatch.setattr(neighbour_blocks, "_SPARE", 0)
    found = manifold_blocks(real, fake, 3, seed=2)
    assert_those_of_the_rows(found, real, fake, 3, seed=2)
    pairs = [count for count, width in seen if width == 1]
    assert max(pairs) == 64 and sum(pairs) >= 2 * 60 * 70


def test_authenticity_of_halves():
    real, fake = rows(90), rows(70, 0.2, seed=1)
    fake[:9] = real[:9]
    found = authenticity_blocks(real, fake, seed=2)
    for keep in KEPT:
        assert found(keep) == pytest.approx(auth_pct(left(real, keep, 2), left(fake, keep, 2)), rel=1e-12)


def test_neighbours_where_all_near_ones_are_left_out():
    x = torch.cat([torch.zeros(40, 1), torch.arange(24.0)[:, None] + 1])
    kept = torch.ones(64, 2, dtype=torch.bool)
    kept[:40, 0] = False
    squared, indices = neighbours_of(Shards(x), Shards(x), kept, 2, itself=True)
    assert squared[0].tolist() == [4, 0] and indices[0, 0] == 41  # without the zeros the second is at 2
    assert squared[40].tolist() == [4, 1] and indices[40, 0] == 42
    squared, indices = neighbours_of(Shards(x[:1] - 1), Shards(x), kept, 1)
    assert squared.tolist() == [[4, 1]] and indices[0, 0] == 40
    squared, _ = neighbours_of(Shards(1e200 * x.double()), Shards(1e200 * x.double()), kept, 2, itself=True)
    assert squared[0].tolist() == [torch.inf, 0]  # beyond float64
    with pytest.raises(ValueError, match="leave fewer than 2 neighbours"):
        neighbours_of(Shards(x[:42]), Shards(x[:42]), kept[:42], 2, itself=True)


def test_what_the_scores_are_shares_of():
    """Fakes among reals, reals among fakes; a density is no share."""
    real, fake = rows(90), rows(70, seed=1)
    shares = {name: score.share for name, score in manifold_blocks(real, fake, 3).items()}
    assert shares == {
        "precision": Share(70),
        "recall": Share(90),
        "density": None,
        "coverage": Share(90),
    }
    assert authenticity_blocks(real, fake).share == Share(70, 100.0)


@pytest.mark.parametrize("width", [0.02, 0.6])
def test_intervals_of_shares_stay_shares_and_hold_them(width):
    """Near 1 and near 0, where value and error alone leave 0 to 1."""
    found = {name: [] for name in ("precision", "recall", "coverage")}
    beyond = 0
    for seed in range(40):
        scores = manifold_blocks(rows(120, seed=2 * seed), width * rows(120, seed=2 * seed + 1), 3, seed=seed)
        for name, estimates in found.items():
            estimates.append(replicates(scores[name]).estimate())
            reach = 2 * estimates[-1].standard_error
            beyond += not reach <= estimates[-1].corrected <= 1 - reach
    assert beyond
    for name, estimates in found.items():
        truth = np.mean([e.corrected for e in estimates])  # a score of this count
        assert all(0 <= e.low <= e.corrected <= e.high <= 1 and e.low < e.high for e in estimates), name
        assert sum(e.low <= truth <= e.high for e in estimates) >= 36, name


def test_the_error_of_precision_and_recall_is_that_over_other_images():
    found = {name: [] for name in ("precision", "recall", "density", "coverage")}
    for seed in range(60):
        scores = manifold_blocks(rows(200, seed=2 * seed), rows(200, 1.0, seed=2 * seed + 1), 3, seed=seed)
        for name, score in scores.items():
            found[name].append(replicates(score).estimate())
    for name, estimates in found.items():
        errors = np.mean([e.standard_error**2 for e in estimates]) ** 0.5
        assert 0.8 < errors / np.std([e.corrected for e in estimates]) < 1.3, name


def test_influences_are_the_shares_themselves():
    real, pool = rows(90), rows(70, 0.8, seed=1)
    want = manifold_scores(real, pool, (3,))[3]
    assert of_manifold(real, pool, 3).mean(0).tolist() == pytest.approx([want.precision, want.density])
    assert of_authenticity(real, pool).mean().item() == pytest.approx(auth_pct(real, pool))

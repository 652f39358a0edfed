"""Scores by neighbours without a block are the scores of the rows that are left."""

import numpy as np
import pytest
import torch

from metrics.influence import of_authenticity, of_manifold
from metrics.jackknife import GROUPS, Share, dealt, replicates
from metrics.memorisation import auth_pct
from metrics.neighbour_blocks import authenticity_blocks, manifold_blocks, radii_without
from metrics.precision_recall import manifold_scores


def rows(count, shift=0.0, seed=0):
    return torch.from_numpy(np.random.RandomState(seed).standard_normal((count, 3)) + shift)


def left(x, block, seed):
    """The rows of the other blocks."""
    return x[torch.cat([part for j, part in enumerate(dealt(len(x), seed)) if j != block])]


def keep_all_but(block):
    return torch.arange(GROUPS) != block


@pytest.mark.parametrize("k", [1, 4])
def test_manifold_scores_without_each_block(k):
    real, fake = rows(90), rows(70, 0.8, seed=1)
    real[3] = fake[5] = real[2]  # repeated rows
    found = manifold_blocks(real, fake, k, seed=2)
    for block in (GROUPS, 0, 7, 15):
        p, q = (real, fake) if block == GROUPS else (left(real, block, 2), left(fake, block, 2))
        want = manifold_scores(p, q, (k,))[k]
        got = {name: score(keep_all_but(block)) for name, score in found.items()}
        assert got == pytest.approx(want._asdict(), rel=1e-12)
        assert found.keys() == want._asdict().keys()


@pytest.mark.parametrize("strict", [False, True])
def test_surfaces_of_balls_without_each_block(strict):
    """Rows of a grid, most distances of which are equal to a radius."""
    rng = np.random.RandomState(4)
    real, fake = (torch.from_numpy(rng.randint(0, 4, (count, 2)) / 1.0) for count in (90, 70))
    found = manifold_blocks(real, fake, 5, strict=strict, seed=2)
    for block in (GROUPS, 0, 15):
        p, q = (real, fake) if block == GROUPS else (left(real, block, 2), left(fake, block, 2))
        want = manifold_scores(p, q, (5,), strict=strict)[5]
        got = {name: score(keep_all_but(block)) for name, score in found.items()}
        assert got == pytest.approx(want._asdict(), rel=1e-12)
    want = manifold_scores(real, fake, (5,), strict=strict)[5]
    shares = of_manifold(real, fake, 5, strict=strict).mean(0).tolist()
    assert shares == pytest.approx([want.precision, want.density])


def test_authenticity_without_each_block():
    real, fake = rows(90), rows(70, 0.2, seed=1)
    fake[:9] = real[:9]
    found = authenticity_blocks(real, fake, seed=2)
    for block in (0, 7, 15):
        want = auth_pct(left(real, block, 2), left(fake, block, 2))
        assert found(keep_all_but(block)) == pytest.approx(want, rel=1e-12)
    assert found(keep_all_but(GROUPS)) == pytest.approx(auth_pct(real, fake)) and found.halves is False
    with pytest.raises(ValueError, match="2 blocks left out"):
        found(torch.arange(GROUPS) > 1)


def test_radii_where_all_near_ones_are_of_one_block():
    x = torch.cat([torch.zeros(40, 1), torch.arange(24.0)[:, None] + 1])
    of = torch.tensor([0] * 40 + [1 + i % 15 for i in range(24)])
    found = radii_without(x, of, 2)
    assert found[0, 0] == 4 and found[1, 0] == found[GROUPS, 0] == 0  # without the zeros the second is at 2
    with pytest.raises(ValueError, match="leave fewer than 2 neighbours"):
        radii_without(x[:41], of[:41], 2)


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
        assert 0.75 < errors / np.std([e.corrected for e in estimates]) < 1.7, name


def test_influences_are_the_shares_themselves():
    real, pool = rows(90), rows(70, 0.8, seed=1)
    want = manifold_scores(real, pool, (3,))[3]
    assert of_manifold(real, pool, 3).mean(0).tolist() == pytest.approx([want.precision, want.density])
    assert of_authenticity(real, pool).mean().item() == pytest.approx(auth_pct(real, pool))

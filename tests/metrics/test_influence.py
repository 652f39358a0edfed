"""Influence of single images: derivatives by finite differences, and the test of exchanged partners."""

import numpy as np
import pytest
import torch

from metrics import frechet_distance, inception_score, kernel_distance
from metrics.diversity import vendi_score
from metrics.influence import of_frechet, of_inception, of_kernel, of_vendi
from metrics.permutation import paired_p


def rows(count, shift=0.0, seed=0, dim=4):
    x = np.random.RandomState(seed).standard_normal((count, dim)) * np.arange(1, dim + 1) ** -0.5
    return torch.from_numpy(x + shift)


def kernel_v(real, fake):
    return kernel_distance(real, fake, subsets=None).value


def inception(_, fake):
    return inception_score(fake, logits=True, splits=1).mean


CASES = [
    (lambda real, pool: of_frechet(real, pool, ddof=0), lambda p, q: frechet_distance(p, q, ddof=0)),
    (of_kernel, kernel_v),
    (lambda _, pool: of_inception(pool), inception),
    (lambda _, pool: of_vendi(pool), lambda _, fake: vendi_score(fake)),
]


@pytest.mark.parametrize(("influence", "score"), CASES, ids=["frechet", "kernel", "inception", "vendi"])
def test_a_row_more_moves_the_score_by_its_influence(influence, score):
    """One row of many repeated: the score moves by (u(x) - mean u) / N, and a bit of second order."""
    real, pool = rows(900), rows(3000, 0.5, seed=1) * 1.1
    found = influence(real, pool)
    base = score(real, pool)
    chosen = [int(found.argmin()), int(found.argmax()), 7]
    for index in chosen:
        moved = (score(real, torch.cat([pool, pool[index][None]])) - base) * (len(pool) + 1)
        want = (found[index] - found.mean()).item()
        assert moved == pytest.approx(want, rel=0.02, abs=0.02 * found.std().item())


def test_fewer_rows_than_features():
    """Rows lie in a plane: the same as in the coordinates of the plane."""
    real, pool = rows(50, dim=2), rows(60, 0.5, seed=1, dim=2)
    axes = torch.linalg.qr(torch.from_numpy(np.random.RandomState(3).standard_normal((7, 2)))).Q
    assert torch.allclose(of_frechet(real @ axes.T, pool @ axes.T), of_frechet(real, pool), rtol=1e-8)


def test_p_is_uniform_for_equal_sets():
    """Of 400 tests of equal sets no more than a share p, and about that many, have a p as small."""
    rng = np.random.RandomState(0)
    found = []
    for _ in range(400):
        real, a, b = (torch.from_numpy(rng.standard_normal((40, 3))) for _ in range(3))
        u = of_frechet(real, torch.cat([a, b]))
        found.append(paired_p(u[:40] - u[40:], permutations=199, seed=rng.randint(2**31)))
    for level in (0.05, 0.2, 0.5, 0.8):
        share = np.mean(np.array(found) <= level)
        assert abs(share - level) < 3 * (level * (1 - level) / 400) ** 0.5


def test_p_of_few_pairs_is_counted():
    """All signs alike: of the 2^5 exchanges only 2 give as much; where all are 0 each does."""
    p = paired_p(torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]))
    assert p == pytest.approx(2 / 32, rel=0.1)
    assert paired_p(-torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])) == p  # two-sided, seeded
    assert paired_p(torch.zeros(5)) == 1
    assert paired_p(torch.ones(60), permutations=99) == 1 / 100
    for differences, permutations in ((torch.zeros(0), 9), (torch.ones(3), 0)):
        with pytest.raises(ValueError, match="at least 1 of both"):
            paired_p(differences, permutations=permutations)

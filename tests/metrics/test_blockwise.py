"""Scores of blocks are the scores of the rows in these blocks, as the plain functions have them."""

import numpy as np
import pytest
import torch

from metrics import frechet_distance, inception_score, kernel_distance
from metrics.blockwise import BlockFrechet, BlockInception, BlockKernel, BlockVendi
from metrics.diversity import vendi_score
from metrics.frechet import moments_of
from metrics.jackknife import GROUPS, dealt

KEEPS = [torch.ones(GROUPS).bool(), torch.arange(GROUPS) != 5, torch.arange(GROUPS) % 2 == 1]


def rows(count, shift=0.0, seed=0):
    return torch.from_numpy(np.random.RandomState(seed).standard_normal((count, 5)) + shift)


def of(x, keep, seed):
    """The rows of these blocks."""
    return x[torch.cat([part for part, kept in zip(dealt(len(x), seed), keep, strict=True) if kept])]


@pytest.mark.parametrize("keep", KEEPS, ids=["all", "without one", "half"])
def test_scores_of_blocks(keep):
    real, fake = rows(210), rows(170, 0.3, seed=1) * 1.2
    p, q = of(real, keep, 4), of(fake, keep, 4)
    close = {"rel": 1e-9, "abs": 1e-12}
    for ddof in (0, 1):
        want = frechet_distance(p, q, ddof=ddof)
        assert BlockFrechet(real, fake, ddof=ddof, seed=4)(keep) == pytest.approx(want, **close)
    fixed = BlockFrechet(moments_of(real), fake, seed=4)(keep)
    assert fixed == pytest.approx(frechet_distance(real, q), **close)
    assert BlockKernel(real, fake, seed=4)(keep) == pytest.approx(
        kernel_distance(p, q, subsets=None).value, **close
    )
    want = inception_score(q, logits=True, splits=1).mean
    assert BlockInception(fake, seed=4)(keep) == pytest.approx(want, **close)
    assert BlockVendi(fake, seed=4)(keep) == pytest.approx(vendi_score(q), **close)

"""Pairs, paths and equivariance by blocks: closed forms, and errors that are those over other draws."""

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from scipy import stats

from metrics.diversity import random_pairs
from metrics.jackknife import GROUPS, block_of, dealt, replicates
from metrics.path_length import trimmed_mean
from metrics.sample_blocks import BlockDecibels, BlockPairs, BlockPaths

ALL, ODD = torch.ones(GROUPS).bool(), torch.arange(GROUPS) % 2 == 1


def drawn(count, seed=0):
    return torch.from_numpy(np.random.RandomState(seed).standard_normal(count))


def means_of_blocks(x, seed):
    return torch.stack([x[part].mean() for part in dealt(len(x), seed)])


def sure(scores, truth):
    """(how many 95 % intervals hold the truth, error said over seen) of several draws."""
    found = [replicates(score).estimate() for score in scores]
    said = np.mean([e.standard_error**2 for e in found]) ** 0.5
    inside = sum(e.low <= truth <= e.high for e in found)
    return inside, said / np.std([e.corrected for e in found])


def test_all_pairs_of_what_adds_up_have_the_error_of_the_mean():
    """The mean of x_i + x_j over all pairs is twice the mean of x, whose error is known."""
    x = drawn(48)
    pairs = torch.tensor(list(combinations(range(48), 2)))
    score = BlockPairs(pairs, x[pairs].sum(1), 48, seed=3)
    for keep in (ALL, ODD, torch.arange(GROUPS) != 5):
        assert score(keep) == pytest.approx(2 * x[keep[block_of(48, 3)]].mean().item(), rel=1e-9)
    found = replicates(score).estimate()
    means = means_of_blocks(x, 3)
    assert found.standard_error == pytest.approx(2 * means.std().item() / GROUPS**0.5, rel=1e-6)
    assert found.corrected == pytest.approx(2 * x.mean().item(), rel=1e-9)


@pytest.mark.parametrize("of_images", [0.0, 0.3])
def test_the_error_of_pairs_is_that_over_other_images_and_pairs(of_images):
    """Noise of the 600 pairs alone, and of the 100 images as well; seen: 97 and 93 inside."""
    scores = []
    for seed in range(100):
        pairs = random_pairs(100, 600, seed=seed)
        values = of_images * drawn(100, 2 * seed)[pairs].sum(1) + drawn(600, 2 * seed + 1)
        scores.append(BlockPairs(pairs, values, 100, seed=seed))
    inside, said = sure(scores, 0.0)
    assert inside >= 90 and 0.85 < said < 1.25


def test_blocks_know_nothing_of_the_pairs():
    """Drawn by one seed, 160 pairs begin in all 16 blocks alike: a shuffle by it has the same numbers."""
    first = random_pairs(2_000, 160, seed=3)[:, 0]
    assert torch.bincount(block_of(2_000, 3)[first], minlength=GROUPS).max() < 20


def test_blocks_without_a_pair_are_no_numbers():
    score = BlockPairs(torch.tensor([[0, 1]]), torch.ones(1), 64)
    assert score(ALL) == 1
    with pytest.raises(ValueError, match="too few pairs for an interval"):
        replicates(score)


def test_few_paths_have_the_error_of_their_mean():
    """Of 32 none is trimmed."""
    x = drawn(32).exp()
    found = replicates(BlockPaths(x, seed=4)).estimate()
    means = means_of_blocks(x, 4)
    assert found.standard_error == pytest.approx(means.std().item() / GROUPS**0.5, rel=1e-9)
    assert found.corrected == x.mean().item()


def test_the_error_of_trimmed_paths_is_that_over_other_paths():
    """Log-normal distances, whose tails are cut; seen: 96 inside."""
    low, high = stats.norm.ppf((0.01, 0.99))
    truth = math.exp(0.5) * (stats.norm.cdf(high - 1) - stats.norm.cdf(low - 1)) / 0.98
    distances = [drawn(1_000, seed).exp() for seed in range(100)]
    inside, said = sure([BlockPaths(x, seed=i) for i, x in enumerate(distances)], truth)
    assert inside >= 88 and 0.85 < said < 1.2
    assert BlockPaths(distances[0])(ALL) == pytest.approx(trimmed_mean(distances[0]).value, rel=1e-12)


def test_decibels_of_batches():
    """A batch of more values weighs more; errors that are all alike are sure."""
    errors = torch.rand(40, 2, dtype=torch.float64, generator=torch.manual_seed(0)) + 0.5
    kept = errors[ODD[block_of(40, 2)]].sum(0)
    want = 10 * math.log10(4 * kept[1] / kept[0])
    assert BlockDecibels(errors, seed=2)(ODD) == pytest.approx(want, rel=1e-12)
    found = replicates(BlockDecibels(torch.tensor([[0.04, 4.0]]).double().expand(40, 2))).estimate()
    assert found == pytest.approx((10 * math.log10(400), 0, *[10 * math.log10(400)] * 2), abs=1e-6)


def test_the_error_of_decibels_is_that_over_other_batches():
    """Exponential squared errors of 64 batches: 10 / ln 10 / 8 dB to first order; seen: 97 inside."""
    scores = []
    for seed in range(100):
        total = torch.from_numpy(np.random.RandomState(seed).exponential(0.01, 64))
        scores.append(BlockDecibels(torch.stack([total, torch.ones(64).double()], 1), seed=seed))
    inside, said = sure(scores, 10 * math.log10(400))
    errors = [replicates(score).estimate().standard_error for score in scores]
    assert inside >= 88 and 0.85 < said < 1.2
    assert np.mean(errors) == pytest.approx(10 / math.log(10) / 8, rel=0.1)

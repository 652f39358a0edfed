"""The jackknife over blocks: closed forms, and intervals that hold what they should as often as they say."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from metrics.blockwise import BlockFrechet, BlockInception, BlockKernel
from metrics.jackknife import GROUPS, Replicates, Share, dealt, replicates

pytestmark = pytest.mark.filterwarnings("ignore:.*covariance is singular")


class OfBlocks:
    """A function of the number of blocks taken, or of their values."""

    biased, halves, share = True, True, None

    def __init__(self, function, local=False):
        self.function, self.local = function, local
        self.biased = not local

    def __call__(self, keep):
        return self.function(keep)


def test_the_mean_has_the_textbook_error():
    x = np.random.RandomState(0).standard_normal(50)
    without = torch.tensor([np.delete(x, i).mean() for i in range(50)])
    found = Replicates(x.mean(), without, None, True).estimate()
    assert found.standard_error == pytest.approx(x.std(ddof=1) / 50**0.5, rel=1e-12)
    assert found.corrected == x.mean()
    reach = 2.0095752 * found.standard_error  # Student's t, 49 degrees of freedom
    assert (found.low, found.high) == pytest.approx((x.mean() - reach, x.mean() + reach), rel=1e-6)
    assert Replicates(x.mean(), without, None, True).estimate(0.5).high < found.high


@pytest.mark.parametrize(("inside", "images"), [(0, 40), (1, 40), (17, 40), (40, 40)])
def test_the_interval_of_a_share_of_independent_images_is_wilsons(inside, images):
    """As scipy has it; a variance that is found smaller is not believed, one 4 times as large counts."""
    want = stats.binomtest(inside, images).proportion_ci(0.9, method="wilson")
    quantile, p = stats.norm.ppf(0.95), inside / images
    for variance in (0.0, 1e-9):
        assert Share(images).interval(p, variance, quantile) == pytest.approx(tuple(want), abs=1e-9)
        percent = Share(images, 100.0).interval(100 * p, 1e4 * variance, quantile)
        assert percent == pytest.approx((100 * want.low, 100 * want.high), abs=1e-7)
    moved = (inside + 2) / (images + 4)
    low, high = Share(images).interval(p, 4 * moved * (1 - moved) / images, quantile)
    want = stats.binomtest(inside // 4, images // 4).proportion_ci(0.9, method="wilson")
    assert 0 <= low <= p <= high <= 1 and (inside % 4 or (low, high) == pytest.approx(tuple(want), abs=1e-9))


def test_a_share_of_which_no_block_knows_is_no_point():
    """As if all 200 images were independent: 200 / (200 + t^2)."""
    found = Replicates(1.0, torch.ones(GROUPS), None, False, Share(200)).estimate()
    t = stats.t.ppf(0.975, GROUPS - 1)
    assert found == pytest.approx((1.0, 0.0, 200 / (200 + t**2), 1.0))


@pytest.mark.parametrize("local", [False, True])
def test_the_mean_of_blocks_is_not_corrected(local):
    x = torch.from_numpy(np.random.RandomState(0).standard_normal(GROUPS))
    found = replicates(OfBlocks(lambda keep: x[keep].mean().item(), local)).estimate()
    assert found.corrected == pytest.approx(x.mean().item(), abs=1e-12)
    assert found.standard_error == pytest.approx(x.std().item() / GROUPS**0.5, rel=1e-9)


def test_bias_of_two_orders_is_taken_off_exactly():
    def score(keep):
        n = int(keep.sum())
        return 5 + 3 / n - 7 / n**2

    assert replicates(OfBlocks(score)).estimate().corrected == pytest.approx(5, rel=1e-12)
    unbiased = OfBlocks(score)
    unbiased.biased = False
    assert replicates(unbiased).estimate().corrected == score(torch.ones(GROUPS))


@pytest.mark.parametrize(("local", "without"), [(False, [15] * 16), (True, [])])
def test_splits_are_balanced_halves(local, without):
    seen = []
    replicates(OfBlocks(lambda keep: seen.append(keep.clone()) or 0.0, local))
    kept = torch.stack(seen)
    assert sorted(kept.sum(1).tolist()) == [8] * 30 + without + [16]
    halves = kept[kept.sum(1) == 8].double() * 2 - 1  # a half and the other one
    assert torch.equal(halves.T @ halves, 2.0 * (GROUPS * torch.eye(GROUPS) - 1).double())


def test_images_are_dealt_once_by_the_seed():
    parts = dealt(100, seed=3)
    assert sorted(torch.cat(parts).tolist()) == list(range(100))
    assert sorted(map(len, parts)) == [6] * 12 + [7] * 4
    assert [p.tolist() for p in parts] == [p.tolist() for p in dealt(100, seed=3)]
    assert parts[0].tolist() != dealt(100, seed=4)[0].tolist() and parts[0].tolist() != list(range(7))
    with pytest.raises(ValueError, match="31 images are too few for an interval: at least 32"):
        dealt(31)


@pytest.mark.parametrize("local", [False, True])
def test_a_paired_difference_is_surer_than_its_parts(local):
    rng = np.random.RandomState(0)
    shared, own = (torch.from_numpy(rng.standard_normal(GROUPS)) for _ in range(2))
    a, b = (OfBlocks(lambda keep, x=x: x[keep].mean().item(), local) for x in (shared + own / 10, shared))
    found = replicates(a).minus(replicates(b)).estimate()
    want = own / 10
    assert found.corrected == pytest.approx(want.mean().item(), abs=1e-12)
    assert found.standard_error == pytest.approx(want.std().item() / GROUPS**0.5, rel=1e-9)
    assert found.standard_error < replicates(a).estimate().standard_error / 3


def test_halves_have_the_part_of_threes_once_and_the_jackknife_three_times():
    """Mean of x_i x_j x_k over all groups of three: of m blocks its variance is 1 / C(m, 3)."""
    rng = np.random.RandomState(0)
    found = []
    for _ in range(1_500):
        x = rng.standard_normal(GROUPS)

        def score(keep, x=x):
            kept = x[keep.numpy()]
            first, second, third = kept.sum(), (kept**2).sum(), (kept**3).sum()
            return (first**3 - 3 * first * second + 2 * third) / 6 / math.comb(len(kept), 3)

        local = replicates(OfBlocks(score, local=True)).estimate().standard_error ** 2
        whole = replicates(OfBlocks(score))
        found.append((local, whole._replace(halves=None).estimate().standard_error ** 2))
    once, thrice = np.mean(found, 0)
    assert once == pytest.approx(1 / math.comb(8, 3) / 2, rel=0.1)
    assert thrice == pytest.approx(3 * 15 / 16 / math.comb(15, 3), rel=0.1)


def wide_gaps(x, of, keep):
    """Share of the points on a circle whose next one is further away than they are on average."""
    points = np.sort(x[keep.numpy()[of]])
    return float((np.diff(points, append=points[0] + 1) > 1 / len(points)).mean())


def test_the_error_of_a_local_score_is_the_one_that_it_has():
    """Gaps between n points on a circle: P(one > c) = (1 - c)^(n - 1), P(two > c) = (1 - 2 c)^(n - 1)."""
    rng, of, n = np.random.RandomState(0), np.arange(320) % GROUPS, 320
    one, two = (1 - 1 / n) ** (n - 1), (1 - 2 / n) ** (n - 1)
    variance = one / n + two * (n - 1) / n - one**2
    found = []
    for _ in range(200):
        x = rng.random_sample(n)
        again = replicates(OfBlocks(lambda keep, x=x: wide_gaps(x, of, keep)))
        local = again._replace(without=None, biased=False).estimate()
        found.append(
            (local.standard_error**2, again.estimate().standard_error ** 2, local.low <= one <= local.high)
        )
    said, by_pairs, inside = np.mean(found, 0)
    assert said == pytest.approx(variance, rel=0.1) and 0.9 <= inside <= 0.99
    assert by_pairs > 1.5 * variance  # of threes, fours and so on more than once


DIM = 8
SCALES = np.arange(1, DIM + 1) ** -0.5


def drawn(rng, count, shift=0.0):
    x = rng.standard_normal((count, DIM)) * SCALES
    x[:, 0] += shift
    return torch.from_numpy(x)


def frechet(rng, shift):
    return BlockFrechet(drawn(rng, 500), drawn(rng, 500, shift))


def kernel(rng, shift):
    return BlockKernel(drawn(rng, 500), drawn(rng, 500, shift))


def inception(rng, shift):
    return BlockInception(drawn(rng, 500, shift) * 3)


def large_inception(shift):
    """Of so many images that the rest does not matter."""
    return BlockInception(drawn(np.random.RandomState(9), 400_000, shift) * 3)(torch.ones(GROUPS).bool())


@pytest.mark.parametrize(
    ("make", "shift", "truth"),
    [
        (frechet, 0.0, 0.0),
        (frechet, 0.5, 0.25),
        (kernel, 0.0, 0.0),
        (inception, 0.5, large_inception),
    ],
)
def test_intervals_hold_the_truth(make, shift, truth):
    """Of 100 intervals at 95 %; seen: 95, 94, 98 and 96. The errors are those that the values really have."""
    truth = truth(shift) if callable(truth) else truth
    rng = np.random.RandomState(1)
    found = [replicates(make(rng, shift)).estimate() for _ in range(100)]
    inside = sum(e.low <= truth <= e.high for e in found)
    assert 88 <= inside <= 100
    errors = np.mean([e.standard_error**2 for e in found]) ** 0.5
    assert 0.8 < errors / np.std([e.corrected for e in found]) < 1.35

"""The jackknife over blocks: closed forms, and intervals that hold what they should as often as they say."""

import numpy as np
import pytest
import torch
from scipy import stats

from metrics.blockwise import BlockFrechet, BlockInception, BlockKernel
from metrics.jackknife import GROUPS, Replicates, Share, dealt, replicates

pytestmark = pytest.mark.filterwarnings("ignore:.*covariance is singular")


class OfBlocks:
    """A function of the number of blocks taken, or of their values."""

    biased = halves = True
    share = None

    def __init__(self, function):
        self.function = function

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


def test_the_mean_of_blocks_is_not_corrected():
    x = torch.from_numpy(np.random.RandomState(0).standard_normal(GROUPS))
    found = replicates(OfBlocks(lambda keep: x[keep].mean().item())).estimate()
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


def test_splits_are_balanced_halves():
    seen = []
    replicates(OfBlocks(lambda keep: seen.append(keep.clone()) or 0.0))
    kept = torch.stack(seen)
    assert sorted(kept.sum(1).tolist()) == [8] * 30 + [15] * 16 + [16]
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


def test_a_paired_difference_is_surer_than_its_parts():
    rng = np.random.RandomState(0)
    shared, own = (torch.from_numpy(rng.standard_normal(GROUPS)) for _ in range(2))
    a, b = (OfBlocks(lambda keep, x=x: x[keep].mean().item()) for x in (shared + own / 10, shared))
    found = replicates(a).minus(replicates(b)).estimate()
    want = own / 10
    assert found.corrected == pytest.approx(want.mean().item(), abs=1e-12)
    assert found.standard_error == pytest.approx(want.std().item() / GROUPS**0.5, rel=1e-9)
    assert found.standard_error < replicates(a).estimate().standard_error / 3


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

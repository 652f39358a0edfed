"""Kernel distance: the definition by loops, unbiasedness, its standard error, invariances, directions."""

import numpy as np
import pytest
import torch

from metrics import shards
from metrics.kernel import kernel_distance, polynomial_kernel


def drawn(n, d, seed, gap=0.0, scale=1.0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed)) * scale + gap


def by_definition(real, fake):
    """The unbiased estimator of Gretton et al. (2012), eq. 3, pair by pair."""

    def k(a, b):
        return (float(a.double() @ b.double()) / len(a) + 1) ** 3

    within = [
        np.mean([k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j]) for x in (real, fake)
    ]
    return sum(within) - 2 * np.mean([k(a, b) for a in real for b in fake])


def test_kernel():
    x, y = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    assert polynomial_kernel(x, y).tolist() == [[(11 / 2 + 1) ** 3, 1]]


def test_all_rows_match_the_definition():
    real, fake = drawn(9, 3, 0), drawn(7, 3, 1, gap=0.3)
    assert kernel_distance(real, fake, subsets=None).value == pytest.approx(
        by_definition(real, fake), rel=1e-12
    )


def test_one_subset_of_everything_is_the_full_estimate():
    real, fake = drawn(20, 4, 0), drawn(20, 4, 1, gap=0.5)
    full, one = kernel_distance(real, fake, subsets=None), kernel_distance(real, fake, subsets=1)
    assert one.value == pytest.approx(full.value, rel=1e-12) and one.std == one.standard_error == 0
    assert full.std is None and full.standard_error > 0


def test_jackknife_is_leaving_out_one_row_after_the_other():
    real, fake = drawn(8, 3, 0), drawn(6, 3, 1, gap=0.4)
    variance = 0
    for first, second in ((real, fake), (fake, real)):
        left = [by_definition(first[torch.arange(len(first)) != i], second) for i in range(len(first))]
        variance += (len(left) - 1) * np.var(left)
    assert kernel_distance(real, fake, subsets=None).standard_error == pytest.approx(variance**0.5, rel=1e-9)


def test_unbiased_and_its_error_is_the_spread_over_other_images():
    """Shifted by g in every one of d features: E k differs as the moments of a Gaussian say."""
    rng, gap = np.random.default_rng(0), 0.5
    found = [
        kernel_distance(rng.standard_normal((60, 2)), rng.standard_normal((50, 2)) + gap, subsets=None)
        for _ in range(300)
    ]
    values, errors = np.array([f.value for f in found]), np.array([f.standard_error for f in found])
    want = expected_gap(gap)
    assert values.mean() == pytest.approx(want, abs=4 * values.std() / 300**0.5)
    assert errors.mean() == pytest.approx(values.std(), rel=0.2)
    same = [kernel_distance(*rng.standard_normal((2, 50, 2)), subsets=None).value for _ in range(300)]
    assert np.mean(same) == pytest.approx(0, abs=4 * np.std(same) / 300**0.5) and min(same) < 0


def expected_gap(gap: float) -> float:
    """E k(x, x') + E k(y, y') - 2 E k(x, y) for x ~ N(0, I), y ~ N(gap, I) in two dimensions."""

    def third_moment(mean_x: float, mean_y: float) -> float:
        """E (1 + (x1 y1 + x2 y2) / 2)^3 with p = x1 y1 and q = x2 y2 independent and alike."""
        one = mean_x * mean_y
        two = (1 + mean_x**2) * (1 + mean_y**2)
        three = (mean_x**3 + 3 * mean_x) * (mean_y**3 + 3 * mean_y)
        first, second, third = 2 * one, 2 * two + 2 * one**2, 2 * three + 6 * two * one  # of p + q
        return 1 + 3 * first / 2 + 3 * second / 4 + third / 8

    return third_moment(0, 0) + third_moment(gap, gap) - 2 * third_moment(0, gap)


def test_subsets_scatter_around_the_full_estimate():
    real, fake = drawn(300, 8, 0), drawn(250, 8, 1, gap=0.2)
    full = kernel_distance(real, fake, subsets=None).value
    some = kernel_distance(real, fake, subsets=200, subset_size=60)
    assert some.value == pytest.approx(full, abs=4 * some.standard_error)
    assert some.standard_error == pytest.approx(some.std / 200**0.5)
    assert some == kernel_distance(real, fake, subsets=200, subset_size=60, seed=0)
    assert some != kernel_distance(real, fake, subsets=200, subset_size=60, seed=1)


def test_subsets_are_the_published_draws():
    """Fakes first, then reals, from one legacy NumPy stream."""
    real, fake = drawn(30, 3, 0), drawn(40, 3, 1, gap=0.2)
    rng = np.random.RandomState(7)
    chosen = [fake[rng.choice(40, 10, replace=False)], real[rng.choice(30, 10, replace=False)]]
    want = by_definition(chosen[1], chosen[0])
    assert kernel_distance(real, fake, subsets=1, subset_size=10, seed=7).value == pytest.approx(
        want, rel=1e-12
    )


@pytest.mark.parametrize("block", [1, 7, 64])
def test_blocks_and_order_do_not_matter(block, monkeypatch):
    real, fake = drawn(50, 6, 0), drawn(41, 6, 1, gap=0.3)
    want = kernel_distance(real, fake, subsets=None)
    monkeypatch.setattr(shards, "BLOCK", block)
    got = kernel_distance(real[torch.randperm(50)], fake[torch.randperm(41)], subsets=None)
    assert got.value == pytest.approx(want.value, rel=1e-12)
    assert got.standard_error == pytest.approx(want.standard_error, rel=1e-9)


def test_directions():
    """Further away and collapsed are both worse; real and fake may be exchanged."""
    real = drawn(200, 5, 0)
    near, far, collapsed = drawn(200, 5, 1, gap=0.2), drawn(200, 5, 2, gap=1.0), drawn(200, 5, 3, scale=0.01)
    distances = [kernel_distance(real, fake, subsets=None).value for fake in (near, far, collapsed)]
    assert 0 < distances[0] < min(distances[1:])
    assert kernel_distance(far, real, subsets=None).value == pytest.approx(distances[1], rel=1e-12)


def test_arrays_and_tensors_agree():
    real, fake = drawn(12, 3, 0), drawn(12, 3, 1)
    assert kernel_distance(real.numpy(), fake.numpy()) == kernel_distance(real, fake)


@pytest.mark.parametrize(
    ("real", "fake", "options", "message"),
    [
        ((2, 3), (2, 3), {"subsets": None}, "2 row.s., at least 3"),
        ((1, 3), (5, 3), {}, "real: 1 row"),
        ((5, 3), (5, 4), {}, "3 real features against 4"),
        ((5,), (5, 3), {}, "real: need an array"),
        ((5, 3), (5, 3), {"subsets": 0}, "0 subsets"),
        ((5, 3), (5, 3), {"subset_size": 1}, "of 1 rows"),
    ],
)
def test_refusals(real, fake, options, message):
    with pytest.raises(ValueError, match=message):
        kernel_distance(torch.zeros(real), torch.zeros(fake), **options)

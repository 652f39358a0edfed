"""Frechet distance: closed forms, properties, and numbers of the StyleGAN reference metrics."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from metrics import METRICS, frechet_distance
from metrics.features import Moments
from metrics.frechet_infinity import fid_infinity
from metrics.plan import PLAIN
from metrics.registry import Inputs

ROOT = Path(__file__).resolve().parents[2]


def fit(mean, cov, count=1001) -> Moments:
    """Moments whose mean and unbiased covariance are exactly these."""
    mean, cov = torch.as_tensor(mean, dtype=torch.float64), torch.as_tensor(cov, dtype=torch.float64)
    moments = Moments(len(mean))
    moments.count, moments.sum = count, mean * count
    moments.outer = cov * (count - 1) + torch.outer(mean, mean) * count
    return moments


def moments_of(features) -> Moments:
    features = torch.as_tensor(features)
    moments = Moments(features.shape[1])
    moments.add(features)
    return moments


def drawn_features(n, d, seed, scale, shift, mix) -> np.ndarray:
    """The feature formula that the golden cases state."""
    x = np.random.default_rng(seed).standard_normal((n, d))
    j = np.arange(d)
    x = x * (1 + 0.5 * np.cos(j)) * scale + shift * np.sin(j + 1)
    x[:, 1:] += mix * x[:, :-1].copy() if mix else 0
    return x.astype(np.float32)


def random_cov(d, seed) -> torch.Tensor:
    x = torch.randn(3 * d, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return x.T @ x / len(x)


def test_equal_covariances_give_the_squared_mean_gap():
    cov = random_cov(6, 1)
    a, b = fit(torch.zeros(6), cov), fit(torch.arange(6.0), cov)
    assert frechet_distance(a, b) == pytest.approx(55, rel=1e-9)  # 0 + 1 + 4 + 9 + 16 + 25


def test_diagonal_covariances_compare_standard_deviations():
    a, b = fit([0, 0, 0], np.diag([1.0, 4, 9])), fit([0, 0, 2], np.diag([4.0, 4, 1]))
    assert frechet_distance(a, b) == pytest.approx((2 - 1) ** 2 + 0 + (3 - 1) ** 2 + 2**2, rel=1e-9)


def test_commuting_full_covariances():
    turn, _ = torch.linalg.qr(torch.randn(5, 5, dtype=torch.float64))
    p, q = torch.arange(1.0, 6).double(), torch.arange(9.0, 4, -1).double()
    want = (p.sqrt() - q.sqrt()).square().sum().item()
    got = frechet_distance(
        fit(torch.zeros(5), turn @ p.diag() @ turn.T), fit(torch.zeros(5), turn @ q.diag() @ turn.T)
    )
    assert got == pytest.approx(want, rel=1e-9)


def test_symmetric_and_zero_for_equal():
    a, b = fit(torch.zeros(8), random_cov(8, 2)), fit(torch.ones(8), random_cov(8, 3))
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-9)
    assert 0 <= frechet_distance(a, a) < 1e-9


def test_grows_with_the_gap_and_with_collapse():
    rng = np.random.default_rng(0)
    real = moments_of(rng.standard_normal((500, 8)))
    near, far = (moments_of(rng.standard_normal((500, 8)) + gap) for gap in (0.1, 1.0))
    collapsed = moments_of(0.01 * rng.standard_normal((500, 8)))
    assert frechet_distance(real, near) < frechet_distance(real, far)
    assert frechet_distance(real, collapsed) > 7  # all 8 unit variances are lost


def test_rank_deficient_fits_need_no_offset():
    direction = np.zeros((4, 4))
    direction[0, 0] = 9
    assert frechet_distance(fit(np.zeros(4), direction), fit(np.zeros(4), np.eye(4))) == pytest.approx(4 + 3)


# Values of a public StyleGAN metric implementation (population covariance, matrix square root).
PINNED = [
    ((500, 16, 1, 1.0, 0.0, 0.0), (400, 16, 2, 1.1, 0.2, 0.0), 0.9655475882248103),
    ((300, 32, 3, 1.0, 0.0, 0.6), (300, 32, 4, 0.9, 0.1, 0.2), 6.516027284092994),
    ((40, 64, 7, 1.0, 0.0, 0.0), (30, 64, 8, 1.2, 0.1, 0.0), 69.03571935709252),
]


@pytest.mark.filterwarnings("ignore:.*the covariance is singular")
@pytest.mark.parametrize(("real", "fake", "value"), PINNED, ids=["diagonal", "mixed", "rank-deficient"])
def test_pinned_values(real, fake, value):
    got = frechet_distance(moments_of(drawn_features(*real)), moments_of(drawn_features(*fake)), ddof=0)
    assert got == pytest.approx(value, rel=1e-6)


def golden_file() -> Path | None:
    places = (ROOT / "tests/golden/metrics.npz", ROOT.parent / "shared/golden/metrics.npz")
    return next((place for place in places if place.is_file()), None)


@pytest.mark.filterwarnings("ignore:.*the covariance is singular")
@pytest.mark.skipif(golden_file() is None, reason="golden/metrics.npz is not part of this checkout")
def test_golden_file():
    with np.load(golden_file()) as file:
        cases = json.loads(bytes(file["meta_json"]))["cases"]
    cases = {name: case for name, case in cases.items() if name.startswith("fid_")}
    assert cases
    for name, case in cases.items():
        real = moments_of(drawn_features(**case["real"])[: case.get("max_real")])
        fake = moments_of(drawn_features(**case["gen"])[: case.get("num_gen")])
        got = frechet_distance(real, fake, ddof=0)
        assert got == pytest.approx(case["fid"], rel=1e-6, abs=1e-9), name


def test_metric_is_unbiased_and_warns_when_rank_deficient():
    rng = np.random.default_rng(0)
    many, few = moments_of(rng.standard_normal((200, 64))), moments_of(rng.standard_normal((64, 64)))
    with pytest.warns(UserWarning, match="64 fake images for 64 features"):
        record = METRICS["fd-untrained"](Inputs(real=many, fake=few, convention=PLAIN))
    with pytest.warns(UserWarning, match="64 fake images for 64 features"):
        assert record == {"fd-untrained": frechet_distance(many, few, ddof=1)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        METRICS["fd-untrained"](Inputs(real=many, fake=many, convention=PLAIN))


def test_rows_and_moments_give_the_same():
    real, fake = (drawn_features(80, 6, seed, 1, 0.1 * seed, 0) for seed in (1, 2))
    want = frechet_distance(moments_of(real), moments_of(fake))
    assert frechet_distance(real, fake) == want
    assert frechet_distance(torch.from_numpy(real), moments_of(fake)) == want


def test_order_batches_and_shards_do_not_matter():
    real, fake = (torch.from_numpy(drawn_features(200, 12, seed, 1, 0.1 * seed, 0.3)) for seed in (1, 2))
    want = frechet_distance(real, fake)
    shards = [moments_of(part) for part in fake.split(37)]
    merged = shards[0]
    for shard in shards[1:]:
        merged = merged.merge(shard)
    assert frechet_distance(real, merged) == pytest.approx(want, rel=1e-12)
    assert frechet_distance(real[torch.randperm(200)], fake[torch.randperm(200)]) == pytest.approx(
        want, rel=1e-12
    )


@pytest.mark.filterwarnings("ignore:.*the covariance is singular")
@pytest.mark.parametrize("counts", [(12, 400), (400, 12), (12, 9)])
def test_few_images_against_the_matrix_square_root(counts):
    """tr (P Q)^(1/2) as the roots of the nonsymmetric product's eigenvalues, the textbook form."""
    real, fake = (drawn_features(n, 24, n, 1, 0, 0.2).astype(np.float64) for n in counts)
    p, q = np.cov(real.T), np.cov(fake.T)
    roots = np.sqrt(np.linalg.eigvals(p @ q).astype(complex)).real
    cross = np.sort(roots)[::-1][: min(counts) - 1].sum()  # the others are zero but for rounding
    want = ((real.mean(0) - fake.mean(0)) ** 2).sum() + np.trace(p) + np.trace(q) - 2 * cross
    assert frechet_distance(real, fake) == pytest.approx(want, rel=1e-9)
    assert frechet_distance(real, fake) == pytest.approx(frechet_distance(fake, real), rel=1e-9)


@pytest.mark.filterwarnings("ignore:.*the covariance is singular")
def test_a_single_repeated_image():
    """Its covariance is zero: the other set's variance and the gap are all that is left."""
    one, many = torch.ones(5, 3), torch.as_tensor(drawn_features(50, 3, 0, 1, 0, 0)).double()
    want = (many.mean(0) - 1).square().sum() + many.var(0).sum()
    assert frechet_distance(one, many) == pytest.approx(want.item(), rel=1e-9)
    assert frechet_distance(one, one) == 0


def test_float32_means_are_numpys():
    real, fake = (drawn_features(5_000, 4, seed, 1, 3.0, 0) for seed in (1, 2))
    gap = real.astype(np.float64).mean(0) - fake.mean(0).astype(np.float64)
    exact = real.astype(np.float64).mean(0) - fake.astype(np.float64).mean(0)
    rounded = frechet_distance(real, moments_of(fake).with_mean32())
    difference = rounded - frechet_distance(real, fake)
    assert difference == pytest.approx((gap**2).sum() - (exact**2).sum(), abs=1e-12) and difference != 0


def test_different_widths_and_bad_rows_are_refused():
    with pytest.raises(ValueError, match="3 real features against 4"):
        frechet_distance(torch.zeros(9, 3), torch.zeros(9, 4))
    with pytest.raises(ValueError, match="NaN"):
        frechet_distance(torch.full((9, 3), torch.nan), torch.zeros(9, 3))


def test_infinity_removes_the_bias_of_few_fakes():
    """Both sets are standard normal, so the distance of infinitely many is that of the real sample to it.

    Over 40 sets of fakes the value deviates by 0.0115.
    """
    rng = np.random.default_rng(0)
    d = 16
    real, fake = rng.standard_normal((20_000, d)), rng.standard_normal((2_000, d))
    exact = frechet_distance(real, fit(np.zeros(d), np.eye(d), count=10**9))
    found = fid_infinity(real, fake, smallest=200, points=15)
    assert found.sizes[0] == 200 and found.sizes[-1] == 2_000 and len(found.sizes) == 15
    assert found.distances[0] > found.distances[-1] > 4 * exact and found.slope > 0
    assert found.value == pytest.approx(exact, abs=0.01) and abs(found.value) < found.distances[-1] / 4
    assert found.standard_error == pytest.approx(0.0115, rel=0.5)
    assert found == fid_infinity(real, fake, smallest=200, points=15)  # seeded
    again = fid_infinity(moments_of(real), fake, smallest=200, points=15)
    assert again.distances == pytest.approx(found.distances, rel=1e-9)
    assert found.distances[-1] == pytest.approx(frechet_distance(real, fake), rel=1e-9)


def test_the_error_of_infinity_is_the_one_over_other_fakes():
    """Seen over 40 sets of fakes: deviation 0.033, mean error 0.036; the points' scatter alone says 0.018."""
    rng, found = np.random.RandomState(0), []
    scales = np.arange(1, 17) ** -0.5
    real = fit(np.zeros(16), np.diag(scales**2), count=10**9)
    for _ in range(40):
        fake = rng.standard_normal((1000, 16)) * scales
        fake[:, 0] += 0.5
        found.append(fid_infinity(real, fake, smallest=200))
    errors = np.mean([f.standard_error**2 for f in found]) ** 0.5
    assert 0.75 < errors / np.std([f.value for f in found]) < 1.3
    assert abs(np.mean([f.value for f in found]) - 0.25) < 0.02


def test_infinity_refuses_too_few_images():
    with pytest.raises(ValueError, match="3 sizes from 50 to 50 fakes"):
        fid_infinity(torch.randn(99, 2), torch.randn(50, 2), smallest=50, points=3)
    with pytest.raises(ValueError, match="2 sizes"):
        fid_infinity(torch.randn(99, 2), torch.randn(50, 2), smallest=10, points=2)

"""Frechet distance: closed forms, properties, and numbers of the StyleGAN reference metrics."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from metrics import METRICS, frechet_distance
from metrics.features import Moments

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


@pytest.mark.parametrize(("real", "fake", "value"), PINNED, ids=["diagonal", "mixed", "rank-deficient"])
def test_pinned_values(real, fake, value):
    got = frechet_distance(moments_of(drawn_features(*real)), moments_of(drawn_features(*fake)), ddof=0)
    assert got == pytest.approx(value, rel=1e-6)


def golden_file() -> Path | None:
    places = (ROOT / "tests/golden/metrics.npz", ROOT.parent / "shared/golden/metrics.npz")
    return next((place for place in places if place.is_file()), None)


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
        record = METRICS["fd-untrained"](many, few)
    assert record == {"fd-untrained": frechet_distance(many, few, ddof=1)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        METRICS["fd-untrained"](many, many)

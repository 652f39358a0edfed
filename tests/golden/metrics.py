"""Adapters of the metric file: scores of features that are recomputed from their formula."""

from collections.abc import Callable, Iterator

import numpy as np
import torch

from metrics import frechet_distance
from metrics.features import Moments
from tests.golden.case import Case, Comparison, Family, relative_error

EXACT = 1e-9
RANK_DEFICIENT = 1e-6  # fewer samples than dimensions: roots of eigenvalues that are zero but for rounding
SMALLEST = 1e-3  # a distance below this is compared absolutely, as if it were this: it is a small difference


def features(seed: int, n: int, d: int, scale: float, shift: float, mix: float) -> np.ndarray:
    """Rows of reproducible feature vectors: float32 [n, d]."""
    x = np.random.default_rng(seed).standard_normal((n, d))
    j = np.arange(d)
    x = x * (1 + 0.5 * np.cos(j)) * scale + shift * np.sin(j + 1)
    if mix:
        x[:, 1:] += mix * x[:, :-1].copy()
    return x.astype(np.float32)


def check_frechet(case: Case) -> Iterator[Comparison]:
    """Population covariances, as the published code has them."""
    real = features(**case.parameter("real"))[: case.meta.get("max_real")]
    fake = features(**case.parameter("gen"))[: case.meta.get("num_gen")]
    p, q = _moments(real), _moments(fake)
    deficient = min(len(real), len(fake)) <= real.shape[1]
    want = torch.tensor(case.parameter("fid"), dtype=torch.float64)
    got = torch.tensor(frechet_distance(p, q, ddof=0), dtype=torch.float64)
    error = relative_error(got, want, scale=max(abs(want.item()), SMALLEST))
    yield Comparison("fid", error, RANK_DEFICIENT if deficient else EXACT)
    cov = p.cov(ddof=0)
    stored = {"real_mean_first": p.mean[:3], "real_cov_00": cov[0, 0], "real_cov_01": cov[0, 1]}
    for name, value in (stored | {"trace_real_cov": cov.trace()}).items():
        if name in case.meta:
            want = torch.tensor(case.meta[name], dtype=torch.float64)
            yield Comparison(name, relative_error(value, want), EXACT)


def _moments(rows: np.ndarray) -> Moments:
    moments = Moments(rows.shape[1])
    moments.add(torch.from_numpy(rows))
    return moments


def _metric(name: str) -> Callable[[Case], bool]:
    return lambda case: case.meta.get("metric") == name


def _named(*prefixes: str) -> Callable[[Case], bool]:
    return lambda case: case.name.startswith(prefixes)


FAMILIES = (
    Family("frechet distance", _metric("fid"), check_frechet),
    Family("kernel distance", _metric("kid")),
    Family("inception score", _metric("is")),
    Family("precision and recall", _metric("precision_recall")),
    Family("path length metric", _metric("ppl filtering")),
    Family("path length metric", _named("pplsampler_", "pplG", "slerp_")),
    Family("equivariance metric", _named("eq_")),
)

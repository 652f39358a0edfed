"""Frechet distance between two Gaussian fits (Heusel et al. 2017, eq. 6). Lower is better.

Unit: squared feature distance. Biased upward for few samples: always quote the count. Only comparable with
numbers of the same extractor and convention; "FID" is the name for Inception's features alone.

Letters: M fake rows, D features.
"""

import warnings
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from metrics.features import Moments
from metrics.rows import Rows, as_rows, blocks, subset


class FrechetInfinity(NamedTuple):
    """distances[i] is the distance of sizes[i] fakes; value + slope / size is the line through them.

    value: the distance expected of infinitely many fakes; noise can make it negative. slope: >= 0 but for
    noise. standard_error: of value, from the scatter of the points around the line.
    """

    value: float
    slope: float
    standard_error: float
    sizes: tuple[int, ...]
    distances: tuple[float, ...]


def frechet_distance(real: Moments | Rows, fake: Moments | Rows, *, ddof: int = 1) -> float:
    """|mean_p - mean_q|^2 + tr(P + Q - 2 (P Q)^(1/2)) of p = real, q = fake; symmetric, >= 0, 0 for p = q.

    real, fake: the moments of both sets of features, or the features themselves [N, D].
    With P = F F^T, tr (P Q)^(1/2) is the sum of root eigenvalues of F^T Q F. That matrix is symmetric, so
    nothing complex appears and rank-deficient fits need no diagonal offset.
    ddof: covariances are divided by count - ddof: 1 (unbiased), or 0 (population) as in the StyleGAN papers.
    Warns where a set has too few images for a covariance of full rank. Raises ValueError for different D or
    no more than ddof images.
    """
    p = moments_of(real)
    q = moments_of(fake).to(p.sum.device)
    if p.dim != q.dim:
        raise ValueError(f"{p.dim} real features against {q.dim} fake ones")
    _warn_if_singular(p.dim, p.count, q.count)
    p, q = (p, q) if p.count <= q.count else (q, p)  # the lower rank is factored: fewer roots of near-zeros
    p_cov, q_cov = p.cov(ddof), q.cov(ddof)  # [D, D]
    return max(0.0, _distance(p.mean - q.mean, p_cov, _factor(p_cov), q_cov))


def fid_infinity(
    real: Moments | Rows, fake: Rows, *, points: int = 15, smallest: int = 5_000, seed: int = 0, ddof: int = 1
) -> FrechetInfinity:
    """Extrapolate the Frechet distance to infinitely many fakes (Chong & Forsyth 2020, section 3.2).

    The bias of n fakes is about proportional to 1 / n: a line in 1 / n is fitted to the distances of random
    subsets, with `points` evenly spaced sizes from `smallest` to all M rows of `fake`. The real images stay
    as they are, bias included, so use all. The subsets are drawn from `numpy.random.RandomState(seed)`.
    Warns and raises as `frechet_distance`; also ValueError for fewer than 3 points or M <= smallest.
    """
    p = moments_of(real)
    rows = as_rows(fake, "fake").to(p.sum.device)
    if points < 3 or len(rows) < smallest + points:
        raise ValueError(
            f"{points} sizes from {smallest:,} to {len(rows):,} fakes: at least 3 different ones needed"
        )
    if p.dim != rows.shape[1]:
        raise ValueError(f"{p.dim} real features against {rows.shape[1]} fake ones")
    _warn_if_singular(p.dim, p.count, smallest)
    p_cov = p.cov(ddof)
    factor, rng = _factor(p_cov), np.random.RandomState(seed)
    sizes = tuple(int(size) for size in np.linspace(smallest, len(rows), points))
    distances = []
    for size in sizes:
        q = moments_of(subset(rng, rows, size))
        distances.append(_distance(p.mean - q.mean, p_cov, factor, q.cov(ddof)))
    line, covariance = np.polyfit(1 / np.array(sizes), distances, 1, cov=True)
    error = float(covariance[1, 1] ** 0.5)
    return FrechetInfinity(float(line[1]), float(line[0]), error, sizes, tuple(distances))


def moments_of(x: Moments | Rows) -> Moments:
    """Moments stay what they are; rows [N, D] are summed on their device. ValueError as in `as_rows`."""
    if isinstance(x, Moments):
        return x
    rows = as_rows(x, "features")
    moments = Moments(rows.shape[1], rows.device)
    for _, block in blocks(rows):
        moments.add(block)
    return moments


def _factor(cov: Tensor) -> Tensor:
    """F [D, R] with F F^T = cov: Cholesky's, or where the rank R is smaller than D, from the eigenvectors."""
    triangle, failed = torch.linalg.cholesky_ex(cov)
    if not failed:
        return triangle
    values, vectors = torch.linalg.eigh(cov)
    kept = values > values[-1] * len(values) * torch.finfo(values.dtype).eps  # the rest is rounding
    return vectors[:, kept] * values[kept].sqrt()


def _distance(gap: Tensor, p_cov: Tensor, p_factor: Tensor, q_cov: Tensor) -> float:
    """From the difference of means [D], both covariances [D, D] and a factor of the first."""
    cross = torch.linalg.eigvalsh(p_factor.T @ q_cov @ p_factor).clamp_min(0).sqrt().sum()
    return (gap.square().sum() + p_cov.trace() + q_cov.trace() - 2 * cross).item()


def _warn_if_singular(dim: int, reals: int, fakes: int) -> None:
    for who, count in (("real", reals), ("fake", fakes)):
        if count <= dim:
            warnings.warn(
                f"{count:,} {who} images for {dim:,} features: the covariance is singular "
                f"and the distance biased upward; to quote a number take more than {dim:,} images",
                stacklevel=3,
            )

"""Frechet distance between two Gaussian fits (Heusel et al. 2017, eq. 6). Lower is better.

Unit: squared feature distance. Biased upward for few samples: always quote the count. Only comparable with
numbers of the same extractor and convention; "FID" is the name for Inception's features alone.

Letters: D features.
"""

import warnings

import torch
from torch import Tensor

from metrics.features import Moments
from metrics.rows import Rows, as_rows


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
    warn_if_singular(p.dim, p.count, q.count)
    return max(0.0, fit_distance(p, q, ddof))


def fit_distance(p: Moments, q: Moments, ddof: int) -> float:
    """The same of moments, without checks; rounding can make it slightly negative."""
    p, q = (p, q) if p.count <= q.count else (q, p)  # the lower rank is factored: fewer roots of near-zeros
    p_cov, q_cov = p.cov(ddof), q.cov(ddof)  # [D, D]
    factor = _factor(p_cov)
    cross = torch.linalg.eigvalsh(factor.T @ q_cov @ factor).clamp_min(0).sqrt().sum()
    return ((p.mean - q.mean).square().sum() + p_cov.trace() + q_cov.trace() - 2 * cross).item()


def moments_of(x: Moments | Rows) -> Moments:
    """Moments stay what they are; rows [N, D] are summed on their device. ValueError as in `as_rows`."""
    if isinstance(x, Moments):
        return x
    return Moments.of_batches(block for _, block in as_rows(x, "features").blocks())


def _factor(cov: Tensor) -> Tensor:
    """F [D, R] with F F^T = cov: Cholesky's, or where the rank R is smaller than D, from the eigenvectors."""
    triangle, failed = torch.linalg.cholesky_ex(cov)
    if not failed:
        return triangle
    values, vectors = torch.linalg.eigh(cov)
    kept = values > values[-1] * len(values) * torch.finfo(values.dtype).eps  # the rest is rounding
    return vectors[:, kept] * values[kept].sqrt()


def warn_if_singular(dim: int, reals: int, fakes: int) -> None:
    """UserWarning where a set has too few images for a covariance of full rank."""
    for who, count in (("real", reals), ("fake", fakes)):
        if 0 < count <= dim:  # 0: not known
            warnings.warn(
                f"{count:,} {who} images for {dim:,} features: the covariance is singular "
                f"and the distance biased upward; to quote a number take more than {dim:,} images",
                stacklevel=3,
            )

"""Frechet distance between two Gaussian fits (Heusel et al. 2017, eq. 6). Lower is better.

Unit: squared feature distance. Biased upward for few samples: always quote the count. Only comparable with
numbers of the same extractor and convention; "FID" is the name for Inception's features alone.
"""

import warnings

import torch

from metrics.features import Moments
from metrics.registry import metric


def frechet_distance(p: Moments, q: Moments, *, ddof: int = 1) -> float:
    """|mean_p - mean_q|^2 + tr(P + Q - 2 (P Q)^(1/2)); symmetric, >= 0, 0 (to rounding) for p = q.

    tr (P Q)^(1/2) equals the sum of root eigenvalues of P^(1/2) Q P^(1/2). That matrix is
    symmetric, so nothing complex appears and rank-deficient fits need no diagonal offset.
    Covariances are divided by count - ddof: 1 (unbiased), or 0 (population) as in the StyleGAN papers.
    """
    p_cov, q_cov = p.cov(ddof), q.cov(ddof)  # [D, D]
    values, vectors = torch.linalg.eigh(p_cov)
    root = vectors * values.clamp_min(0).sqrt() @ vectors.T  # P^(1/2)  [D, D]
    cross = torch.linalg.eigvalsh(root @ q_cov @ root).clamp_min(0).sqrt().sum()
    gap = (p.mean - q.mean).square().sum() + p_cov.trace() + q_cov.trace() - 2 * cross
    return gap.clamp_min(0).item()


def _distance(real: Moments, fake: Moments) -> float:
    """Unbiased covariances; warns where a fit has fewer images than it needs for full rank."""
    for who, moments in (("real", real), ("fake", fake)):
        if moments.count <= moments.dim:
            warnings.warn(
                f"{moments.count:,} {who} images for {moments.dim:,} features: the covariance is singular "
                f"and the distance biased upward; to quote a number take more than {moments.dim:,} images",
                stacklevel=2,
            )
    return frechet_distance(real, fake)


@metric(features="efficientnet-lite0", head="pool", keep="moments", fakes=2_000, convention="unbiased")
def fd_efficientnet_lite0(real: Moments, fake: Moments) -> dict[str, float]:
    """Every real image against 2,000 fakes, features of EfficientNet-Lite0 at 128 px: quick on a CPU."""
    return {"fd-efficientnet-lite0": _distance(real, fake)}


@metric(features="untrained", head="pool", keep="moments", fakes=2_000, convention="unbiased")
def fd_untrained(real: Moments, fake: Moments) -> dict[str, float]:
    """The same on random features: needs no weights, tells gross differences of colour and texture only."""
    return {"fd-untrained": _distance(real, fake)}

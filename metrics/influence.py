"""How far a single image moves a score (the influence function, Hampel 1974), to first order.

    score of a set - score of the pooled set = mean over the set of u(x) - mean over the pool of u(x) + ...

The pool is two sets of fakes together. It stays the same whoever of its images is said to be of which set, so
means of u can be compared between the sets by exchanging images (`metrics.permutation`) without computing the
score again: the test is exact, and to first order it is the test of the scores' difference.

Letters: N real and M pooled fake rows, D features, C classes.
"""

import torch
from torch import Tensor

from metrics.features import Moments
from metrics.frechet import moments_of
from metrics.kernel import kernel_with_itself, polynomial_kernel
from metrics.memorisation import memorisation
from metrics.neighbour_blocks import balls_around
from metrics.rows import Rows, as_pair, as_rows, nearest, over_blocks, total, unit


def of_frechet(real: Moments | Rows, pool: Rows, *, ddof: int = 1) -> Tensor:
    """u [M] of the Frechet distance, float64.

    With moments (m, P) of the reals and (n, Q) of the pool, the derivative by n is 2 (n - m), and by Q it is
    I - T, where T = F^-T (F^T P F)^(1/2) F^-1 carries Q = F F^T to P (Givens & Shortt 1984, proposition 7).
    """
    rows = as_rows(pool, "pool")
    p, q = moments_of(real).to(rows.device), moments_of(rows)
    values, vectors = torch.linalg.eigh(q.cov(ddof))
    kept = values > values[-1] * len(values) * torch.finfo(values.dtype).eps  # the rest is rounding
    values, vectors = values[kept].sqrt(), vectors[:, kept]
    factor = vectors * values  # F [D, R]
    squared, axes = torch.linalg.eigh(factor.T @ p.cov(ddof) @ factor)
    whitening = vectors / values @ axes  # rows come out along the axes of F^T P F

    def moved(block: Tensor) -> Tensor:
        centred = block.double() - q.mean
        carried = (centred @ whitening).square() @ squared.clamp_min(0).sqrt()
        return 2 * centred @ (q.mean - p.mean) + centred.square().sum(1) - carried

    return over_blocks(rows, moved).cpu()


def of_kernel(real: Rows, pool: Rows) -> Tensor:
    """u [M] of the squared kernel distance: twice (mean k to the rest of the pool - mean k to the reals)."""
    real, pool = as_pair(real, pool, least=2)

    def moved(block: Tensor) -> Tensor:
        x = block.double()
        within, across = (
            sum(polynomial_kernel(x, other.double()).sum(1) for _, other in rows.blocks())
            for rows in (pool, real)
        )
        return 2 * ((within - kernel_with_itself(x)) / (len(pool) - 1) - across / len(real))

    return over_blocks(pool, moved).cpu()


def of_vendi(pool: Rows) -> Tensor:
    """u [M] of the Vendi score: score times -x^T log(C) x, x of length 1, C = mean x x^T of the pool."""
    rows = as_rows(pool, "features")
    outer = Moments.of_batches(unit(block) for _, block in rows.blocks()).outer
    values, axes = torch.linalg.eigh(outer / len(rows))
    logs = values.clamp_min(torch.finfo(values.dtype).tiny).log()  # where it is 0, no row has a part
    surprise = over_blocks(rows, lambda block: -((unit(block) @ axes).square() @ logs)).cpu()
    return surprise.mean().exp() * surprise


def of_manifold(real: Rows, pool: Rows, k: int, *, strict: bool = False) -> Tensor:
    """u [M, 2] of precision and density: whether a row is in a ball of the reals, and in how many, over k.

    strict: balls without their surface.
    """
    real, pool = as_pair(real, pool, least=k + 1)
    radii = nearest(real, real, k, exclude_self=True).squared[:, -1]

    def counted(block: Tensor) -> Tensor:
        y = block.double()
        inside = (
            balls_around(x.double(), y, strict)(radii[start:, None][: len(x)]) for start, x in real.blocks()
        )
        return sum(flags.sum(0) for flags in inside).double()

    balls = over_blocks(pool, counted)
    return torch.stack([(balls > 0).double(), balls / k], 1).cpu()


def of_authenticity(real: Rows, pool: Rows) -> Tensor:
    """u [M] of AuthPct: 100 for an authentic row, 0 for one that may be a copy."""
    return 100 * (memorisation(real, pool).ratios > 1).double().cpu()


def of_inception(logits: Rows) -> Tensor:
    """u [M] of the Inception Score: score times KL(p(y|x) || p(y)) of the pool."""
    rows = as_rows(logits, "predictions")
    marginal = total(rows, lambda block: block.double().softmax(1).sum(0)) / len(rows)

    def moved(block: Tensor) -> Tensor:
        log_p = block.double().log_softmax(1)
        return (log_p.exp() * (log_p - marginal.log())).sum(1)

    divergence = over_blocks(rows, moved)
    return (divergence.mean().exp() * divergence).cpu()

"""Strengths of items from choices between two of them (Bradley & Terry 1952). Higher is better.

    P(i is preferred to j) = e^s_i / (e^s_i + e^s_j)

The log-likelihood, sum over i, j of wins_ij log P(i over j), is concave in the strengths s, which it knows up
to a common shift: they sum to 0 here. A tie counts as half a win for each (Davidson 1970 has a model of ties;
with half wins the strengths of a balanced study are the same to first order, and nothing more is estimated).

A finite maximum exists exactly where, however the items are parted into two groups, some item of each group
was preferred to one of the other (Ford 1957): where the graph of wins is strongly connected.

Letters: K items, U units (raters, or single comparisons), B resamples.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.sparse.csgraph import connected_components

from gan.errors import UserError
from metrics import resampling

STEPS = 100  # of Newton's method; it needs about 6
CLOSE = 1e-9  # a step of Newton's method after which the error is below rounding
MOST_UNDEFINED = 0.01  # share of resamples without a maximum beyond which no interval is told


class NoMaximum(UserError):
    """The likelihood grows without end: some items are beyond comparison with the others."""


class Strengths(NamedTuple):
    """values: float64 [K], sum 0.  intervals: [2, K], low and high ends; None where too many resamples
    have no finite maximum.  undefined: the share of those."""

    values: np.ndarray
    intervals: np.ndarray | None
    undefined: float


def bradley_terry(wins: np.ndarray, names: Sequence[str] | None = None) -> np.ndarray:
    """Strengths of most likelihood, float64 [K], sum 0, by Newton's method.

    wins: [K, K], how often row was preferred to column, ties as a half in both places; the diagonal is 0.
    names: of items, for errors. Raises NoMaximum, naming the items, where there is no finite maximum, and
    ValueError for an array that holds no such numbers.
    """
    wins = _checked(wins)
    if parted := _parted(wins):
        raise NoMaximum(_why(wins, parted, names or [str(i) for i in range(len(wins))]))
    games, won = wins + wins.T, wins.sum(axis=1)
    strengths, items = np.zeros(len(wins)), len(wins)
    likelihood = _log_likelihood(wins, strengths)
    for _ in range(STEPS):
        chance = preferred(strengths)
        gradient = won - (games * chance).sum(axis=1)
        weights = games * chance * chance.T  # -(second derivatives) off the diagonal
        curvature = np.diag(weights.sum(axis=1)) - weights
        step = np.linalg.solve(curvature + 1 / items, gradient)  # + 1 / K: no shift of all
        while _log_likelihood(wins, strengths + step) < likelihood and np.abs(step).max() > CLOSE:
            step = step / 2  # far from the maximum a whole step may lead past it
        strengths = strengths + step
        if np.abs(step).max() <= CLOSE:
            break
        likelihood = _log_likelihood(wins, strengths)
    return strengths - strengths.mean()


def preferred(strengths: np.ndarray) -> np.ndarray:
    """P(row is preferred to column) by strengths [K] -> [K, K]; a half on the diagonal."""
    return 1 / (1 + np.exp(strengths[None, :] - strengths[:, None]))


def with_intervals(units: np.ndarray, names: Sequence[str] | None = None, seed: int = 0) -> Strengths:
    """`bradley_terry` of all comparisons, with 95 % intervals by resampling units.

    units: wins as above of every rater, or of every comparison where there is one rater, [U, K, K].
    Raises what `bradley_terry` raises.
    """
    units = np.asarray(units, float)
    values = bradley_terry(units.sum(axis=0), names)
    found = []
    for wins in np.tensordot(resampling.counts(len(units), seed=seed), units, axes=1):  # [B, K, K]
        if not _parted(wins):
            found.append(bradley_terry(wins))
    undefined = 1 - len(found) / resampling.RESAMPLES
    intervals = resampling.percentiles(np.array(found)) if undefined <= MOST_UNDEFINED else None
    return Strengths(values, intervals, undefined)


def _log_likelihood(wins: np.ndarray, strengths: np.ndarray) -> float:
    return -float((wins * np.logaddexp(0, strengths[None, :] - strengths[:, None])).sum())


def _checked(wins: np.ndarray) -> np.ndarray:
    wins = np.asarray(wins, float)
    if wins.ndim != 2 or wins.shape[0] != wins.shape[1] or len(wins) < 2:
        raise ValueError(f"wins are {list(wins.shape)}: give [K, K] of 2 or more items")
    if not np.isfinite(wins).all() or (wins < 0).any() or np.diag(wins).any():
        raise ValueError("wins are finite numbers from 0 on, with 0 on the diagonal")
    return wins


def _parted(wins: np.ndarray) -> list[int]:
    """Items that no other was ever preferred to; [] where none can be cut off."""
    pieces, piece = connected_components(wins > 0, directed=True, connection="strong")
    if pieces == 1:
        return []
    for number in range(pieces):  # one without a loss to the rest exists: pieces have no circle
        inside = piece == number
        if not wins[np.ix_(~inside, inside)].any():
            return np.flatnonzero(inside).tolist()
    raise AssertionError("a graph of strong components has a circle")


def _why(wins: np.ndarray, cut: list[int], names: Sequence[str]) -> str:
    inside = np.isin(np.arange(len(wins)), cut)
    these = ", ".join(names[i] for i in cut)
    others = ", ".join(name for name, held in zip(names, inside, strict=True) if not held)
    never = "was never compared with" if not wins[np.ix_(inside, ~inside)].any() else "never lost to"
    return (
        f"no finite strengths: {these} {never} {others} (Ford 1957); more comparisons are needed, or a tie, "
        "or leave these items out"
    )

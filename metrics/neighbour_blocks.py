"""Scores by nearest neighbours of halves of the blocks of images, for `metrics.jackknife`.

One pass over the distances serves all cases, each of which has some blocks of both sets, or all. What changes
are the radii, of which the few nearest neighbours of each row tell all. A pair of rows that is not within the
largest of its radii is in no ball of any case, and the others, some tens a row, are few.

Letters: G blocks, C cases, N real and M fake rows, D features, K neighbours, P pairs of rows.
"""

import operator
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from gan import distributed
from metrics import shards
from metrics.jackknife import GROUPS, Share, block_of, splits
from metrics.rows import Neighbours, Rows, as_pair, nearest, rounding, squared_distances
from metrics.shards import Shards

_SPARE = 12  # neighbours beyond 2 k that are looked at first
_PAIRS = 2**15  # near pairs that are counted at a time
_TIE = 1e-9  # relative: squared distances that differ by less are equal
_CASES = torch.cat([torch.ones(1, GROUPS, dtype=torch.bool), splits(), ~splits()])  # blocks in each, [C, G]


class BlockNumber:
    """A number of each of the _CASES, as it was computed, [C]; share as in `Blockwise`."""

    biased, halves, local = False, True, True

    def __init__(self, values: Tensor, share: Share | None):
        self.values, self.share = values.cpu(), share

    def __call__(self, keep: Tensor) -> float:
        """Of the blocks that bool [G] names: all, or a half of `metrics.jackknife`. ValueError for others."""
        case = (keep == _CASES).all(1).nonzero().flatten().tolist()
        if not case:
            raise ValueError(f"{int(keep.sum())} blocks: need all, or a half of a balanced split")
        return self.values[case[0]].item()


class Side(NamedTuple):
    """One set, or a block of it: rows [N, D], kept: of which cases bool [N, C], radii: of their balls [N, C].

    Radii are squared and stretched by _TIE; -inf where the row is left out.
    """

    rows: Shards | Tensor
    kept: Tensor
    radii: Tensor

    def block(self, start: int, rows: Tensor) -> "Side":
        """The block of these rows, which begins there."""
        return Side(rows, *(part[start : start + len(rows)] for part in (self.kept, self.radii)))


def manifold_blocks(
    real: Rows, fake: Rows, k: int, *, strict: bool = False, seed: int = 0
) -> dict[str, BlockNumber]:
    """precision, recall, density and coverage (`metrics.precision_recall`) of blocks of both sets.

    strict: balls without their surface, as there. Squared distances that are equal to 9 digits count as
    equal. ValueError for too few rows.
    """
    sides = []
    for rows in as_pair(real, fake, least=k + 1):
        kept = _kept(rows, seed)
        radii = neighbours_of(rows, rows, kept, k, itself=True)[0] * _stretch(strict)
        sides.append(Side(rows, kept, radii.masked_fill_(~kept, -torch.inf)))

    def counted(index: int) -> Tensor:
        rows = sides[0].rows.block(index)
        return _against(sides[0].block(index * shards.BLOCK, rows), sides[1], strict)

    balls = fake_in_real = flags = 0
    for numbers in distributed.dealt(counted, sides[0].rows.block_count):
        own_balls, of_fakes, of_reals = numbers.split([1, len(sides[1].rows), 2])
        balls, fake_in_real, flags = balls + own_balls[0], fake_in_real + of_fakes, flags + of_reals
    holding, inside = flags
    reals, fakes = (side.kept.sum(0).double() for side in sides)
    shares = [Share(len(side.rows)) for side in sides]
    return {
        "precision": BlockNumber((fake_in_real > 0).sum(0) / fakes, shares[1]),
        "recall": BlockNumber(inside / reals, shares[0]),
        "density": BlockNumber(balls / (k * fakes), None),
        "coverage": BlockNumber(holding / reals, shares[0]),
    }


def _against(real: Side, fake: Side, strict: bool) -> Tensor:
    """One block of n reals against all M fakes, int64 [1 + M + 2, C], in each case.

    The pairs of a ball of a real and a fake in it; how many such balls each fake is in; how many of the reals
    have a fake in their ball, and how many are in a ball of a fake.
    """
    kind = {"dtype": torch.int32, "device": real.rows.device}
    in_balls, (holds, inside) = torch.zeros(fake.kept.shape, **kind), torch.zeros(2, *real.kept.shape, **kind)
    x, compare = real.rows.double(), _comparison(strict)
    for start, y in fake.rows.blocks():
        there, distances = fake.block(start, y), _lowered(x, y.double(), strict)
        near = compare(distances, real.radii.amax(1)[:, None]) | compare(distances, there.radii.amax(1))
        for i, j in zip(*(places.split(_PAIRS) for places in near.nonzero().T), strict=True):
            distance = distances[i, j][:, None]  # [P, 1]
            of_real = (compare(distance, real.radii[i]) & there.kept[j]).int()  # [P, C]
            of_fake = (compare(distance, there.radii[j]) & real.kept[i]).int()
            in_balls[start:].index_add_(0, j, of_real)
            holds.index_add_(0, i, of_real)
            inside.index_add_(0, i, of_fake)
    flags = [(counts > 0).sum(0, keepdim=True) for counts in (holds, inside)]
    return torch.cat([holds.sum(0, keepdim=True), in_balls.long(), *flags])


def balls_around(x: Tensor, y: Tensor, strict: bool) -> Callable[[Tensor], Tensor]:
    """Squared radii, [n, 1] of x or [m] of y -> is the other inside, bool [n, m]; for x [n, D], y [m, D].

    Distances on the surface, to 9 digits and the rounding of float64, are inside unless `strict`.
    """
    distances, compare = _lowered(x, y, strict), _comparison(strict)
    return lambda radii: compare(distances, radii * _stretch(strict))


def _lowered(x: Tensor, y: Tensor, strict: bool) -> Tensor:
    """Squared distances [n, m], lower by what rounding may have added; for `strict` higher."""
    return squared_distances(x, y).sub_(rounding(x, y) * (-1 if strict else 1))


def _stretch(strict: bool) -> float:
    return 1 - _TIE if strict else 1 + _TIE


def _comparison(strict: bool) -> Callable[[Tensor, Tensor], Tensor]:
    return operator.lt if strict else operator.le


def authenticity_blocks(real: Rows, fake: Rows, *, seed: int = 0) -> BlockNumber:
    """AuthPct (`metrics.memorisation`) of blocks of both sets. ValueError for too few rows."""
    real, fake = as_pair(real, fake, least=2)
    of_real, of_fake = _kept(real, seed), _kept(fake, seed)
    own, _ = neighbours_of(real, real, of_real, 1, itself=True)  # [N, C]
    squared, indices = neighbours_of(fake, real, of_real, 1)  # [M, C]
    authentic = (squared > own.gather(0, indices)) & of_fake
    return BlockNumber(100 * (authentic.sum(0) / of_fake.sum(0).double()), Share(len(fake), 100.0))


def _kept(rows: Shards, seed: int) -> Tensor:
    """bool [N, C]: whether the row is there, in each case."""
    return _CASES.T[block_of(len(rows), seed)].to(rows.device)


def neighbours_of(
    queries: Shards, points: Shards, kept: Tensor, k: int, *, itself: bool = False
) -> tuple[Tensor, Tensor]:
    """Squared distance and number of the k-th nearest of the points that are kept, [n, C] each.

    queries [n, D], points [N, D], kept bool [N, C]. itself: the queries are the points, and none is its own
    neighbour. ValueError where fewer than k are kept.
    """
    if kept.sum(0).min() < k + itself:
        raise ValueError(f"{len(points)} rows leave fewer than {k} neighbours in a half of them")
    others = len(points) - itself
    count = min(others, 2 * k + _SPARE)
    found = nearest(queries, points, count, exclude_self=itself)
    squared, indices = _kth(found, kept, k)
    while count < others and len(short := squared.isinf().any(1).nonzero()[:, 0]):  # too few near ones kept
        count = min(others, 2 * count)
        found = nearest(queries.at(short), points, count + itself)
        squared[short], indices[short] = _kth(found, kept, k, short if itself else None)
    return squared, indices


def _kth(found: Neighbours, kept: Tensor, k: int, itself: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The k-th of the found neighbours that are kept, [n, C] each; infinity where there are fewer.

    itself: point [n] that is none, if there is such a one.
    """
    shape, device = (len(found.indices), kept.shape[1]), kept.device
    squared = torch.full(shape, torch.inf, dtype=torch.float64, device=device)
    indices, seen = (torch.zeros(shape, dtype=torch.int64, device=device) for _ in range(2))
    for distances, points in zip(found.squared.T, found.indices.T, strict=True):
        here = kept[points] if itself is None else kept[points] & (points != itself)[:, None]
        seen += here
        here = here & (seen == k)
        squared = torch.where(here, distances[:, None], squared)
        indices = torch.where(here, points[:, None], indices)
    return squared, indices

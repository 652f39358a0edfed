"""Rows of features as arrays, tensors or shards: checks, nearest neighbours and random subsets, in blocks.

Letters: N rows, M rows of another set, D features, K neighbours, P pairs of rows. Distances are Euclidean,
float64, on the device of the rows. Blocks of work are dealt out to processes (`gan.distributed.dealt`); what
a process needs for its own comes block by block (`metrics.shards`).
"""

import functools
import operator
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gan import distributed
from metrics import shards
from metrics.shards import Shards

Rows = Tensor | np.ndarray | Shards


class Neighbours(NamedTuple):
    """squared: squared distances [N, K], ascending. indices: int64 [N, K], rows of the searched set."""

    squared: Tensor
    indices: Tensor

    @property
    def distances(self) -> Tensor:
        """[N, K], ascending."""
        return self.squared.sqrt()


def as_rows(x: Rows, what: str, least: int = 1) -> Shards:
    """Floating-point [N, D] on its own device, without gradient. `what` names the rows in errors.

    Raises ValueError for another number of axes, fewer than `least` rows, no columns, NaN or infinity.
    """
    rows = x if isinstance(x, Shards) else _array(x, what)
    if len(rows) < least:
        raise ValueError(f"{what}: {len(rows)} row(s), at least {least} needed")
    if not rows.finite:
        raise ValueError(f"{what}: some values are NaN or infinite")
    return rows


def _array(x: Tensor | np.ndarray, what: str) -> Shards:
    rows = torch.as_tensor(x).detach()
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise ValueError(f"{what}: need an array [rows, columns], got the shape {tuple(rows.shape)}")
    return Shards(rows if rows.is_floating_point() else rows.double())


def as_pair(real: Rows, fake: Rows, least: int = 1) -> tuple[Shards, Shards]:
    """Both sets as `as_rows` has them, on the real rows' device. ValueError also for different widths."""
    real, fake = as_rows(real, "real", least), as_rows(fake, "fake", least)
    if real.dim != fake.dim:
        raise ValueError(f"{real.dim} real features against {fake.dim} fake ones")
    return real, fake.to(real.device)


def unit(rows: Tensor) -> Tensor:
    """Rows [N, D] of length 1, float64; ValueError for a row of zeros."""
    rows = rows.double()
    lengths = rows.norm(dim=1, keepdim=True)
    if (lengths == 0).any():
        raise ValueError("a row of zeros has no direction to compare")
    return rows / lengths


def over_blocks(rows: Shards, work: Callable[[Tensor], Tensor]) -> Tensor:
    """What `work` gives for each block, [n, D] -> [n], of all rows [N]; the blocks are dealt out."""

    def found(index: int) -> Tensor:
        part = work(rows.block(index))
        return torch.nn.functional.pad(part, (0, shards.BLOCK - len(part)))

    return torch.cat(list(distributed.dealt(found, rows.block_count)))[: len(rows)]


def total(rows: Shards, work: Callable[[Tensor], Tensor]) -> Tensor:
    """The sum over all blocks, in their order, of what `work` gives for each; the blocks are dealt out."""
    shared = distributed.dealt(lambda index: work(rows.block(index)), rows.block_count)
    return functools.reduce(operator.add, shared)


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """|x_i|^2 + |y_j|^2 - 2 x_i . y_j: x [N, D], y [M, D], both float64 -> [N, M] >= 0.

    Fast, but wrong by up to `rounding(x, y)`, so that a row is not exactly at distance 0 from itself.
    """
    norms = x.square().sum(1)[:, None] + y.square().sum(1)  # [N, M]
    return norms.addmm_(x, y.T, alpha=-2).clamp_min_(0)


def rounding(x: Tensor, y: Tensor) -> float:
    """Bound of the error of an entry of `squared_distances(x, y)`, for float64 x [N, D], y [M, D]."""
    norms = x.square().sum(1).max() + y.square().sum(1).max()
    return 2 * (x.shape[1] + 4) * torch.finfo(torch.float64).eps * norms.item()


def exact_squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """sum_d (x_d - y_d)^2 in float64: x, y [P, D] -> [P]; 0 for equal rows."""
    return (x.double() - y.double()).square().sum(-1)


def nearest(
    queries: Tensor | Shards, points: Tensor | Shards, k: int, *, exclude_self: bool = False
) -> Neighbours:
    """The k nearest `points` [M, D] of each query [N, D]; equal distances in the order of the points.

    exclude_self: the queries are the points, and none is its own neighbour (a duplicate of it is).
    Found by `squared_distances` block by block; the distances of those found are then exact.
    Raises ValueError for fewer than k points to choose from.
    """
    queries, points = (x if isinstance(x, Shards) else Shards(x) for x in (queries, points))
    if not 1 <= k <= len(points) - exclude_self:
        others = "others" if exclude_self else "points"
        raise ValueError(
            f"{k} nearest of {len(points) - exclude_self} {others}: at least 1 and no more than that"
        )

    def found(index: int) -> Tensor:
        block = queries.block(index)
        part = _nearest(index * shards.BLOCK, block, points, k, exclude_self)
        both = torch.stack([part.squared, part.indices.double()])  # numbers of rows are exact in float64
        return torch.nn.functional.pad(both, (0, 0, 0, shards.BLOCK - len(block)))

    none = torch.empty(2, 0, k, dtype=torch.float64, device=queries.device)
    parts = torch.cat([none, *distributed.dealt(found, queries.block_count)], 1)
    return Neighbours(parts[0, : len(queries)], parts[1, : len(queries)].long())


def _nearest(start: int, queries: Tensor, points: Shards, k: int, exclude_self: bool) -> Neighbours:
    """`nearest` of the queries start, start + 1, ..."""
    x = queries.double()
    best = x.new_empty(len(x), 0)
    indices = torch.empty(len(x), 0, dtype=torch.int64, device=x.device)
    for first, block in points.blocks():
        squared = squared_distances(x, block.double())  # [n, m]
        if exclude_self and first == start:
            squared.fill_diagonal_(torch.inf)
        values, columns = squared.topk(min(k, squared.shape[1]), largest=False)
        candidates, places = torch.cat([best, values], 1), torch.cat([indices, columns + first], 1)
        best, order = candidates.topk(min(k, candidates.shape[1]), largest=False)
        indices = places.gather(1, order)
    indices = indices.sort(1).values
    found = [exact_squared_distances(queries, points.at(column).block(0)) for column in indices.T]
    exact, order = torch.stack(found, 1).sort(dim=1, stable=True)
    return Neighbours(exact, indices.gather(1, order))


def chosen(rng: np.random.RandomState, rows: Tensor | Shards, size: int) -> Tensor:
    """Numbers of `size` of the rows, without replacement, int64 on their device.

    By `RandomState.choice`, whose stream is frozen (NEP 19).
    """
    return torch.from_numpy(rng.choice(len(rows), size, replace=False)).to(rows.device)

"""Scores by nearest neighbours without single blocks of images, for `metrics.jackknife`.

One pass over the distances serves all deletions: what changes with the block that is left out are the
radii, of which the few nearest neighbours of each row tell all.

Letters: G blocks, N real and M fake rows, D features, K neighbours.
"""

import operator
from collections.abc import Callable

import torch
from torch import Tensor

from gan import distributed
from metrics import shards
from metrics.jackknife import GROUPS, Share, block_of
from metrics.rows import Rows, as_pair, nearest, rounding, squared_distances
from metrics.shards import Shards

_SPARE = 8  # neighbours beyond k that are looked at first
_TIE = 1e-9  # relative: squared distances that differ by less are equal


class BlockNumber:
    """A number without each block, as it was computed: of all, without [G]; share as in `Blockwise`."""

    biased = halves = False

    def __init__(self, value: float, without: Tensor, share: Share | None):
        self.value, self.without, self.share = value, without, share

    def __call__(self, keep: Tensor) -> float:
        """Of the blocks that bool [G] names: all, or all but one. ValueError for others."""
        left_out = (~keep).nonzero().flatten().tolist()
        if len(left_out) > 1:
            raise ValueError(f"{len(left_out)} blocks left out: no more than 1")
        return self.without[left_out[0]].item() if left_out else self.value


def manifold_blocks(
    real: Rows, fake: Rows, k: int, *, strict: bool = False, seed: int = 0
) -> dict[str, BlockNumber]:
    """precision, recall, density and coverage (`metrics.precision_recall`) without each block of both sets.

    strict: balls without their surface, as there. Squared distances that are equal to 9 digits count as
    equal. ValueError for too few rows.
    """
    real, fake = as_pair(real, fake, least=k + 1)
    own = [block_of(len(rows), seed).to(real.device) for rows in (real, fake)]
    radii = [radii_without(rows, of, k) for rows, of in zip((real, fake), own, strict=True)]  # [G + 1, rows]
    cases = torch.arange(GROUPS + 1, device=real.device)[:, None]  # the last one leaves nothing out
    kept = [of != cases for of in own]  # [G + 1, rows]
    radii = [torch.where(keep, r, -torch.inf) for r, keep in zip(radii, kept, strict=True)]

    def counted(index: int) -> Tensor:
        start, x = index * shards.BLOCK, real.block(index)
        here = slice(start, start + len(x))
        return _against(x, fake, (radii[0][:, here], radii[1]), (kept[0][:, here], kept[1]), strict)

    balls = fake_in_real = 0
    real_flags = []
    for numbers in distributed.dealt(counted, real.count):
        own_balls, of_fakes, of_reals = numbers.split([1, len(fake), 2 * shards.BLOCK], 1)
        balls, fake_in_real = balls + own_balls[:, 0], fake_in_real + of_fakes
        real_flags.append(of_reals.unflatten(1, (2, shards.BLOCK)).sum(2))  # [G + 1, 2]
    holding, inside = sum(real_flags).T
    reals, fakes = (keep.sum(1).double() for keep in kept)
    numbers = {
        "precision": ((fake_in_real > 0).sum(1) / fakes, Share(len(fake))),
        "recall": (inside / reals, Share(len(real))),
        "density": (balls / (k * fakes), None),
        "coverage": (holding / reals, Share(len(real))),
    }
    return {
        name: BlockNumber(found[-1].item(), found[:-1].cpu(), share)
        for name, (found, share) in numbers.items()
    }


def _against(
    x: Tensor, fake: Shards, radii: tuple[Tensor, Tensor], kept: tuple[Tensor, Tensor], strict: bool
) -> Tensor:
    """One block of reals x [n, D] against all fakes, int64 [G + 1, 1 + M + 2 BLOCK], for each case.

    radii, kept: squared, and whether they are there, of these reals [G + 1, n] and of all fakes [G + 1, M].
    The pairs of a ball of a real and a fake in it, the fakes in such a ball, the reals whose ball holds a
    fake, and the reals in a ball of a fake; the last two filled up with zeros.
    """
    balls = torch.zeros(GROUPS + 1, 1, dtype=torch.int64, device=x.device)
    in_real, of_reals = torch.zeros_like(kept[1]), kept[0].new_zeros(GROUPS + 1, 2, shards.BLOCK)
    for other, y in fake.blocks():
        inside_of = balls_around(x.double(), y.double(), strict)
        columns = slice(other, other + len(y))
        for case in range(GROUPS + 1):
            inside = inside_of(radii[0][case, :, None]) & kept[1][case, columns]
            in_real[case, columns] = inside.any(0)
            of_reals[case, 0, : len(x)] |= inside.any(1)
            balls[case] += inside.sum()
            inside = inside_of(radii[1][case, columns]) & kept[0][case, :, None]
            of_reals[case, 1, : len(x)] |= inside.any(1)
    return torch.cat([balls, in_real.long(), of_reals.flatten(1).long()], 1)


def balls_around(x: Tensor, y: Tensor, strict: bool) -> Callable[[Tensor], Tensor]:
    """Squared radii, [n, 1] of x or [m] of y -> is the other inside, bool [n, m]; for x [n, D], y [m, D].

    Distances on the surface, to 9 digits and the rounding of float64, are inside unless `strict`.
    """
    sign, compare = (-1, operator.lt) if strict else (1, operator.le)
    distances = squared_distances(x, y).sub_(sign * rounding(x, y))
    return lambda radii: compare(distances, radii * (1 + sign * _TIE))


def authenticity_blocks(real: Rows, fake: Rows, *, seed: int = 0) -> BlockNumber:
    """AuthPct (`metrics.memorisation`) without each block of both sets. ValueError for too few rows."""
    real, fake = as_pair(real, fake, least=2)
    of_real, of_fake = (block_of(len(rows), seed).to(real.device) for rows in (real, fake))
    own = radii_without(real, of_real, 1)  # [G + 1, N]
    count = min(len(real), 1 + _SPARE)
    found = nearest(fake, real, count)
    shares = []
    for case in range(GROUPS + 1):
        squared = found.squared.masked_fill(of_real[found.indices] == case, torch.inf)
        best, place = squared.min(1)
        authentic = best > own[case, found.indices.gather(1, place[:, None])[:, 0]]
        shares.append(100 * authentic[of_fake != case].double().mean())
    whole = torch.stack(shares).cpu()
    return BlockNumber(whole[-1].item(), whole[:-1], Share(len(fake), 100.0))


def radii_without(rows: Shards, of: Tensor, k: int) -> Tensor:
    """Squared distance [G + 1, N] to the k-th nearest other row without those of each block, and of all rows.

    of: block of each row. ValueError where a block leaves fewer than k others.
    """
    count = min(len(rows) - 1, k + _SPARE)
    while True:
        found = nearest(rows, rows, count, exclude_self=True)
        hidden = of[found.indices]  # [N, count]
        cases = [found.squared.masked_fill(hidden == case, torch.inf) for case in range(GROUPS + 1)]
        radii = torch.stack([squared.sort(1).values[:, k - 1] for squared in cases])
        if torch.isfinite(radii).all():
            return radii
        if count == len(rows) - 1:
            raise ValueError(f"{len(rows)} rows leave fewer than {k} neighbours without a block")
        count = min(len(rows) - 1, 2 * count)

"""Scores by nearest neighbours without single blocks of images, for `metrics.jackknife`.

One pass over the distances serves all deletions: what changes with the block that is left out are the
radii, of which the few nearest neighbours of each row tell all.

Letters: G blocks, N real and M fake rows, D features, K neighbours.
"""

import operator
from collections.abc import Callable

import torch
from torch import Tensor

from metrics.jackknife import GROUPS, dealt
from metrics.rows import Rows, as_pair, blocks, nearest, rounding, squared_distances

_SPARE = 8  # neighbours beyond k that are looked at first
_TIE = 1e-9  # relative: squared distances that differ by less are equal


class BlockNumber:
    """A number without each block, as it was computed: value of all, without [G]."""

    biased = halves = False

    def __init__(self, value: float, without: Tensor):
        self.value, self.without = value, without

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
    fake_in_real, real_holds, real_in_fake = (torch.zeros_like(kept[side]) for side in (1, 0, 0))
    balls = torch.zeros(GROUPS + 1, dtype=torch.float64, device=real.device)
    for start, x in blocks(real):
        for other, y in blocks(fake):
            inside_of = balls_around(x.double(), y.double(), strict)
            rows, columns = slice(start, start + len(x)), slice(other, other + len(y))
            for case in range(GROUPS + 1):
                inside = inside_of(radii[0][case, rows, None]) & kept[1][case, columns]
                fake_in_real[case, columns] |= inside.any(0)
                real_holds[case, rows] |= inside.any(1)
                balls[case] += inside.sum()
                inside = inside_of(radii[1][case, columns]) & kept[0][case, rows, None]
                real_in_fake[case, rows] |= inside.any(1)
    reals, fakes = (keep.sum(1).double() for keep in kept)
    numbers = {
        "precision": fake_in_real.sum(1) / fakes,
        "recall": real_in_fake.sum(1) / reals,
        "density": balls / (k * fakes),
        "coverage": real_holds.sum(1) / reals,
    }
    return {name: BlockNumber(found[-1].item(), found[:-1].cpu()) for name, found in numbers.items()}


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
    return BlockNumber(whole[-1].item(), whole[:-1])


def block_of(count: int, seed: int) -> Tensor:
    """Block of each row, int64 [count]."""
    blocks_of = torch.empty(count, dtype=torch.int64)
    for number, part in enumerate(dealt(count, seed)):
        blocks_of[part] = number
    return blocks_of


def radii_without(rows: Tensor, of: Tensor, k: int) -> Tensor:
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

"""Memorisation: which generated images are copies of training images, by distances in feature space.

AuthPct (Alaa et al. 2022, section 3.3): a fake is authentic if it is further from the nearest training image
than that one is from its own nearest other. AuthPct is the share of authentic fakes, in percent: 0 for a set
of copies; higher is less memorised. Compare with the value of held-out real images, for 100 is no goal: a
generator far from the data is authentic too. Read it beside precision.

Letters: M fakes, N training images, D features, K neighbours.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from metrics.rows import Rows, as_pair, nearest
from metrics.shards import Shards


class Memorisation(NamedTuple):
    """Per fake, all on the device of the training rows.

    auth_pct: percentage of authentic fakes.
    distances, indices: [M, K] of the nearest training images, nearest first.
    ratios: [M], distance to the nearest training image over that one's distance to its nearest other. At
    most 1 is not authentic, 0 is a copy; infinite only next to repeated training images.
    worst: [M], the fakes by rising ratio, then by distance: most suspicious first.
    """

    auth_pct: float
    distances: Tensor
    indices: Tensor
    ratios: Tensor
    worst: Tensor


def memorisation(train: Rows, fake: Rows, *, k: int = 1) -> Memorisation:
    """Compare fakes [M, D] with all training images [N, D]. k: neighbours to report.

    Raises ValueError for fewer than max(k, 2) training images or rows of different widths.
    """
    train, fake = as_pair(train, fake)
    found = nearest(fake, train, k)
    closest, place = found.indices[:, 0].unique(return_inverse=True)  # only their own neighbours matter
    own = _nearest_other(train, closest)[place]  # [M], squared
    squared = found.squared[:, 0]
    ratios = torch.where(squared == 0, 0.0, (squared / own).sqrt())
    worst = squared.sort(stable=True).indices
    worst = worst[ratios[worst].sort(stable=True).indices]
    authentic = (squared > own).double().mean().item()
    return Memorisation(100 * authentic, found.distances, found.indices, ratios, worst)


def auth_pct(train: Rows, fake: Rows) -> float:
    """Percentage of authentic fakes; see `memorisation`."""
    return memorisation(train, fake).auth_pct


def _nearest_other(train: Shards, chosen: Tensor) -> Tensor:
    """Squared distance of the rows `chosen` [n] to their nearest other training image [n]."""
    found = nearest(train.at(chosen), train, 2)
    itself = found.indices[:, 0] == chosen
    return torch.where(itself, found.squared[:, 1], found.squared[:, 0])

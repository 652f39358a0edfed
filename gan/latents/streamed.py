"""Principal components of samples that are never all in memory.

`Moments` keeps the whole covariance, for up to a few thousand values a sample; `Incremental` keeps only the
leading components (Ross et al. 2008, "Incremental Learning for Robust Visual Tracking", section 3), for the
features of a layer.

Letters: N samples so far, D values a sample, n samples of a block, R components kept.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from gan.errors import UsageError


class Moments:
    """Mean and covariance of blocks [n, D]: products in the blocks' own type, sums in float64."""

    def __init__(self):
        self.count = 0

    def add(self, block: Tensor) -> None:
        """Take in samples [n, D]."""
        if self.count == 0:  # near the mean, so that squares do not cancel
            size = block.shape[1]
            self.shift = block.mean(dim=0)
            self.total = block.new_zeros(size, dtype=torch.float64)
            self.gram = block.new_zeros(size, size, dtype=torch.float64)
        centred = block - self.shift
        self.count += len(block)
        self.total += centred.double().sum(dim=0)
        self.gram += centred.T @ centred

    def mean(self) -> Tensor:
        """[D], float64."""
        return self.shift.double() + self.total / self.count

    def covariance(self) -> Tensor:
        """[D, D], float64, over N - 1."""
        return (self.gram - torch.outer(self.total, self.total) / self.count) / (self.count - 1)

    def components(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Variances [count], descending; components [count, D], in rows; each one's part of all [count]."""
        values, vectors = torch.linalg.eigh(self.covariance())
        values = values.flip(0).clamp_min(0)
        return values[:count], vectors.T.flip(0)[:count], values[:count] / _nonzero(values.sum())


class Incremental:
    """The R leading components of blocks [n, D], in memory of (R + n) * D; exact if R holds all there is."""

    def __init__(self, kept: int):
        self.kept, self.count = kept, 0

    def add(self, block: Tensor) -> None:
        """Take in samples [n, D]."""
        size, mean = len(block), block.mean(dim=0)
        centred = block - mean
        squares = centred.double().square().sum()
        if self.count == 0:
            self.mean, self.squares, rows = mean.double(), squares, centred
        else:
            gap = self.mean - mean.double()
            weight = self.count * size / (self.count + size)
            rows = torch.cat([self.scaled, centred, (gap * weight**0.5).to(centred)[None]])
            self.mean = (self.mean * self.count + mean.double() * size) / (self.count + size)
            self.squares = self.squares + squares + weight * gap.square().sum()
        self.count += size
        _, values, vectors = torch.linalg.svd(rows, full_matrices=False)
        self.scaled = values[: self.kept, None] * vectors[: self.kept]  # [R, D]

    def components(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """As those of `Moments`; at most R."""
        lengths = self.scaled[:count].double().norm(dim=1)
        vectors = self.scaled[:count].double() / _nonzero(lengths)[:, None]
        return (
            lengths.square() / (self.count - 1),
            vectors,
            lengths.square() / _nonzero(self.squares),
        )


def regression(pairs: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
    """Least squares of latents on components: blocks of (x [n, K], latents [n, D]) -> U [K, D].

    U minimises the sum of |latents - mean - x U|^2 (Haerkoenen et al. 2020, section 3.3).
    Raises UsageError for components that do not vary.
    """
    joint = Moments()
    width = 0
    for x, latents in pairs:
        width = x.shape[1]
        joint.add(torch.cat([x, latents.to(x)], dim=1))
    covariance = joint.covariance()
    own, cross = covariance[:width, :width], covariance[:width, width:]
    if not (own.diagonal() > 0).all():
        raise UsageError("a component of these features does not vary: ask for fewer, or another layer")
    return torch.linalg.solve(own, cross)


def _nonzero(values: Tensor) -> Tensor:
    return values.clamp_min(torch.finfo(values.dtype).tiny)

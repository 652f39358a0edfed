"""Samples of a model's latents to learn from: drawn from a seed, as often as they are walked through.

Letters: N samples, D size of the latents, K directions, M conditions.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gan.console import progress
from gan.errors import UsageError
from gan.latents.directions import Space
from gan.latents.streamed import Moments

BLOCK = 4000  # samples drawn at once, whatever is then made of them
MOST = 10_000_000
LARGEST = 256 * 2**20  # values of all samples together: 1 GiB


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """`count` standard normal z of a generator, with a condition each where it takes any.

    seed: of all of them; the first n of more samples are those of n only in whole blocks of 4000.
    conditions: [M, c_dim] of which each sample gets one, all alike likely; None: every class.
    Raises UsageError for a count outside 2 to 10 million.
    """

    generator: nn.Module
    count: int = 10_000
    seed: int = 0
    conditions: Tensor | None = None

    def __post_init__(self):
        if not 2 <= self.count <= MOST:
            raise UsageError(f"{self.count} samples: take 2 to {MOST:,}")

    def blocks(self, most: int = BLOCK, said: str = "drawing") -> Iterator[tuple[Tensor, Tensor | None]]:
        """(z [n, z_dim], c [n, c_dim] or None), n at most `most`, on the generator's device.

        said: beside the bar of progress on stderr.
        """
        random = torch.Generator().manual_seed(self.seed)
        device = next(self.generator.parameters()).device
        with progress(self.count, said, unit="sample") as bar:
            for first in range(0, self.count, BLOCK):
                z = torch.randn(min(BLOCK, self.count - first), self.generator.z_dim, generator=random)
                c = self._conditions(len(z), random)
                for part in range(0, len(z), most):
                    some = slice(part, part + most)
                    yield z[some].to(device), None if c is None else c[some].to(device)
                    bar.update(len(z[some]))

    def all(self) -> tuple[Tensor, Tensor | None]:
        """z [N, z_dim] and c [N, c_dim] or None, together. UsageError for more than 1 GiB of them."""
        if self.count * (self.generator.z_dim + self.generator.c_dim) > LARGEST:
            raise UsageError(f"{self.count:,} samples are more than memory should hold; take fewer")
        z, c = zip(*self.blocks(), strict=True)
        return torch.cat(z), None if c[0] is None else torch.cat(c)

    @torch.no_grad()
    def latents(self, space: Space) -> Iterator[Tensor]:
        """z, or what the mapping network makes of it without truncation, in blocks [n, D]; no styles."""
        for z, c in self.blocks():
            yield self.generator.mapping.w(z, c) if space == "w" else z

    def scales(self, vectors: Tensor, space: Space) -> Tensor:
        """The standard deviation of the latents along each row of `vectors` [K, D] -> [K], on the CPU."""
        moments = Moments()
        for latents in self.latents(space):
            moments.add(latents @ vectors.T.to(latents))  # [n, K]
        return moments.covariance().diagonal().sqrt().float().cpu()

    def _conditions(self, count: int, random: torch.Generator) -> Tensor | None:
        c_dim = self.generator.c_dim
        if not c_dim:
            return None
        rows = torch.eye(c_dim) if self.conditions is None else self.conditions.cpu()
        return rows[torch.randint(len(rows), (count,), generator=random)]

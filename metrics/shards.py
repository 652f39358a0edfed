"""Rows of features of which each process has some: blocks of them go to whoever asks, one at a time.

An array that every process has is the case in which nobody needs to ask. Whatever gives rows here is a common
step of all processes that share them: each must come by it as often as the others, and may ask for rows of
its own. One that has no more to ask for gets empty blocks.

Letters: N rows, D features.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from gan import distributed

BLOCK = 2048  # rows that are looked at together: a block of distances has 32 MB in float64


class Shards:
    """Rows [N, D], of which this process has `own` [n, D], on their device.

    owner, place: int64 [N] on the CPU, which process has each row, and where among its own. Without owner
    everyone has all; without place as well they are in the order of `own`.
    """

    def __init__(self, own: Tensor, owner: Tensor | None = None, place: Tensor | None = None):
        self.own, self.owner, self.place = own, owner, place
        self._finite: bool | None = None

    @classmethod
    def of(cls, own: Tensor, owner: Tensor) -> "Shards":
        """Rows whose owners have them in the order of their numbers."""
        place = torch.empty_like(owner)
        for process in owner.unique().tolist():
            numbers = (owner == process).nonzero().flatten()
            place[numbers] = torch.arange(len(numbers))
        return cls(own, owner, place)

    def __len__(self) -> int:
        return len(self.own) if self.place is None else len(self.place)

    @property
    def dim(self) -> int:
        """Number of features D."""
        return self.own.shape[1]

    @property
    def device(self) -> torch.device:
        """Where the rows come to."""
        return self.own.device

    @property
    def block_count(self) -> int:
        """Number of blocks."""
        return math.ceil(len(self) / BLOCK)

    @property
    def finite(self) -> bool:
        """Whether no value of any process is NaN or infinite; a common step the first time."""
        if self._finite is None:
            wrong = torch.tensor([not torch.isfinite(self.own.sum(dtype=torch.float64))]).long()
            self._finite = not (wrong if self.owner is None else distributed.summed(wrong)).item()
        return self._finite

    def to(self, device: torch.device) -> "Shards":
        """The same rows on a device."""
        return self if device == self.device else self._with(self.own.to(device), self.owner, self.place)

    def at(self, numbers: Tensor) -> "Shards":
        """The rows of these numbers, int64 [M], in this order; none is moved."""
        numbers = numbers.cpu()
        owner = None if self.owner is None else self.owner[numbers]
        return self._with(self.own, owner, numbers if self.place is None else self.place[numbers])

    def ordered(self) -> "Shards":
        """The same rows; those that everyone has are copied in their order, to be read many times."""
        return self._with(self.whole(), None, None) if self.owner is None else self

    def block(self, index: int) -> Tensor:
        """Rows [n, D] from index * BLOCK on, BLOCK of them or fewer at the end. A common step."""
        start, stop = index * BLOCK, (index + 1) * BLOCK
        if self.owner is not None:
            return self._fetched(self.owner[start:stop], self.place[start:stop])
        part = slice(start, stop) if self.place is None else self.place[start:stop].to(self.device)
        return self.own[part]

    def blocks(self) -> Iterator[tuple[int, Tensor]]:
        """(number of its first row, rows [<= BLOCK, D]) of each block, in order, to be read to the end."""
        count = self.block_count
        if self.owner is not None:
            count = max(map(int, distributed.everyones(torch.tensor([count]))))
        for index in range(count):
            yield index * BLOCK, self.block(index)

    def whole(self) -> Tensor:
        """All rows [N, D]. A common step."""
        if self.owner is None and self.place is None:
            return self.own
        return torch.cat([self.own[:0], *(block for _, block in self.blocks())])

    def _with(self, own: Tensor, owner: Tensor | None, place: Tensor | None) -> "Shards":
        rows = Shards(own, owner, place)
        rows._finite = self._finite
        return rows

    def _fetched(self, owner: Tensor, place: Tensor) -> Tensor:
        """The rows [n, D] at these places of these processes, [n <= BLOCK] each."""
        asked = torch.full((2, BLOCK), -1)
        asked[:, : len(owner)] = torch.stack([owner, place])
        rank, world = distributed.rank(), distributed.world()
        wanted = [places[owners == rank] for owners, places in distributed.everyones(asked)]  # by each
        sent = self.own[torch.cat(wanted).to(self.device)]
        coming = owner.bincount(minlength=world).tolist()
        found = distributed.exchanged(sent, list(map(len, wanted)), coming)
        rows = torch.empty_like(found)
        rows[owner.argsort(stable=True).to(self.device)] = found  # they come by process
        return rows

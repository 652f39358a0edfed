"""What a metric keeps of the images: an Extractor's features, as float64 moments or as a bank of rows.

Both stores are filled batch by batch on a device, merge, and turn into named tensors and back. Several
processes see every batch in the same order, so that each has the digits of a single one. Rows stay with the
process that made them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from gan import distributed
from metrics.images import BATCH
from metrics.shards import BLOCK, Shards

CPU = torch.device("cpu")
PART = 8 * BLOCK  # rows of a Bank that are written together
STRIP = 128  # rows of the sum of outer products that one product of matrices makes, in one process


class Extractor(Protocol):
    """Frozen map from images to features. One call gives all heads, so metrics share it."""

    name: str  # ends in -bf16 where it does not run in float32
    sha256: str  # of the weights
    precision: str  # of the forward pass: "float32" or "bf16"
    convention: str  # everything between uint8 pixels and the network, e.g. "128px-bicubic-antialias"
    heads: Mapping[str, int]  # name of an output -> number of its features

    def prepare(self, images: Tensor) -> Sequence[Tensor]:
        """uint8 [N, C, H, W] -> what the network sees, in parts of always the same size.

        The last image fills the last part up: a network may round otherwise for another number of images.
        """

    def features(self, prepared: Sequence[Tensor]) -> dict[str, Tensor]:
        """What `prepare` gave -> head -> float32 [N or more, D], on the network's device."""

    def to_bf16(self) -> "Extractor":
        """Itself, from now on in bfloat16."""


class Moments:
    """Count, sum and sum of outer products of feature vectors, all float64.

    `sum32` is the same sum in float32 on the CPU, row after row: some published tools take their mean so.
    """

    def __init__(self, dim: int, device: torch.device = CPU):
        self.count = 0
        self.sum = torch.zeros(dim, dtype=torch.float64, device=device)  # [D]
        self.sum32 = torch.zeros(dim, dtype=torch.float32)  # [D]
        self.outer = torch.zeros(dim, dim, dtype=torch.float64, device=device)  # [D, D]

    def add(self, features: Tensor, rank: int = 0, world: int = 1, maker: int = 0) -> None:
        """features: [N, D], any float dtype; N may be 0. maker: the process that made them.

        Of several processes that add the same features each sums the strips rank, rank + world, ... of
        `outer` alone; `complete` then fetches the others.
        """
        x = features.detach().to(self.sum.device, torch.float64)
        self.count += len(x)
        self.sum += x.sum(dim=0)
        for start in range(rank * STRIP, self.dim, world * STRIP):
            self.outer[start : start + STRIP].addmm_(x[:, start : start + STRIP].T, x)
        rows = np.concatenate([self.sum32.numpy()[None], x.to(CPU, torch.float32).numpy()])
        self.sum32 = torch.from_numpy(np.add.reduce(rows, axis=0))  # NumPy adds the rows in order

    def complete(self) -> None:
        """Fetch the strips that the other processes have summed: see `gan.distributed.dealt`."""
        strips = range(0, self.dim, STRIP)

        def strip(index: int) -> Tensor:
            rows = self.outer[strips[index] : strips[index] + STRIP]
            return torch.cat([rows, rows.new_zeros(STRIP - len(rows), self.dim)])

        for start, rows in zip(strips, distributed.dealt(strip, len(strips)), strict=True):
            self.outer[start : start + STRIP] = rows[: self.dim - start]

    def merge(self, other: "Moments") -> "Moments":
        """Moments of both sets of images together, on the device of these."""
        other = other.to(self.sum.device)
        whole = Moments(self.dim)
        whole.count = self.count + other.count
        whole.sum, whole.outer = self.sum + other.sum, self.outer + other.outer
        whole.sum32 = self.sum32 + other.sum32
        return whole

    def dealt(self) -> "Moments":
        """Itself: every process has them. See `Bank.dealt`."""
        return self

    def to(self, device: torch.device) -> "Moments":
        """The same moments on a device."""
        return self._with(type(self), self.sum.to(device), self.outer.to(device))

    @property
    def dim(self) -> int:
        """Number of features D."""
        return len(self.sum)

    @property
    def mean(self) -> Tensor:
        """Mean feature vector [D]."""
        return self.sum / self.count

    @property
    def mean32(self) -> Tensor:
        """The mean [D] as `numpy.mean` of float32 rows rounds it; float64 values."""
        return (self.sum32.double() / self.count).to(torch.float32).double().to(self.sum.device)

    def cov(self, ddof: int = 1) -> Tensor:
        """Covariance [D, D], divided by count - ddof: 1 is unbiased, 0 the population's.

        Raises ValueError for no more than ddof images.
        """
        if self.count <= ddof:
            raise ValueError(
                f"covariance of {self.count} images with ddof {ddof}: at least {ddof + 1} needed"
            )
        return (self.outer - torch.outer(self.sum, self.sum / self.count)) / (self.count - ddof)

    def with_mean32(self) -> "Moments":
        """The same moments, but `mean` is `mean32`; the covariance stays."""
        return self._with(_Rounded, self.sum, self.outer)

    def state(self) -> dict[str, Tensor]:
        """Everything as named tensors on the CPU."""
        count = torch.tensor([self.count])
        return {"count": count, "sum": self.sum.cpu(), "sum32": self.sum32, "outer": self.outer.cpu()}

    def states(self) -> Iterator[dict[str, Tensor]]:
        """The only part of its state: see `Bank.states`."""
        yield self.state()

    @classmethod
    def of_batches(cls, batches: Iterable[Tensor]) -> "Moments":
        """Of at least one batch [N, D]. Processes that have the same batches share the work of `dealt`."""
        moments = None
        for batch in batches:
            moments = cls(batch.shape[1], batch.device) if moments is None else moments
            moments.add(batch, *distributed.share())
        moments.complete()
        return moments

    @classmethod
    def of_sums(cls, count: int, total: Tensor, outer: Tensor) -> "Moments":
        """Of a count, the sum [D] and the sum of outer products [D, D], all float64."""
        moments = cls(0)
        moments.count, moments.sum, moments.outer = count, total, outer
        moments.sum32 = total.to(CPU, torch.float32)
        return moments

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> "Moments":
        """Inverse of `state`. Raises KeyError for a missing tensor."""
        moments = cls(len(state["sum"]))
        moments.count = int(state["count"])
        moments.sum, moments.sum32, moments.outer = state["sum"], state["sum32"], state["outer"]
        return moments

    def _with(self, kind: type["Moments"], total: Tensor, outer: Tensor) -> "Moments":
        """Moments of that kind with these sums, and count and float32 sum of this."""
        moments = kind(0)
        moments.count, moments.sum32, moments.sum, moments.outer = self.count, self.sum32, total, outer
        return moments


class _Rounded(Moments):
    """Moments whose mean is the one that float32 sums give."""

    @property
    def mean(self) -> Tensor:
        return self.mean32


class Bank:
    """The feature vectors themselves, float32, in the order of the images.

    Of several processes that add the same features each keeps those that it made: `rows` has them all, and
    others' come from them. What is added without a maker, every process has.
    """

    def __init__(self, dim: int, device: torch.device = CPU):
        self.dim, self.device = dim, device
        self._parts: list[Tensor] = []  # of this process
        self._makers: list[tuple[int, int]] = []  # (process, how many rows) of everything that was added
        self._world = 1
        self._rows: Shards | None = None

    def add(self, features: Tensor, rank: int = 0, world: int = 1, maker: int = 0) -> None:
        """features: [N, D], any float dtype; N may be 0. Those of another maker are only counted."""
        self._makers.append((maker, len(features)))
        self._world, self._rows = world, None
        if maker == rank:
            self._parts.append(features.detach().to(self.device, torch.float32))

    def complete(self) -> None:
        """Nothing is missing: see `Moments.complete`."""

    def merge(self, other: "Bank") -> "Bank":
        """These rows, then the other's, on the device of these; both dealt out to processes, or neither."""
        whole = self.to(self.device)
        other = other.to(self.device)
        whole._parts, whole._makers = [*whole._parts, *other._parts], [*whole._makers, *other._makers]
        return whole

    def to(self, device: torch.device) -> "Bank":
        """The same rows on a device."""
        bank = Bank(self.dim, device)
        bank._parts = [part.to(device) for part in self._parts]
        bank._makers, bank._world = [*self._makers], self._world
        return bank

    def dealt(self) -> "Bank":
        """The same rows, which every process has; of several each keeps its share."""
        rank, world = distributed.rank(), distributed.world()
        if world == 1:
            return self
        bank = Bank(self.dim, self.device)
        for number, part in enumerate(self.features.split(BATCH)):
            bank.add(part.clone(), rank, world, number % world)
        return bank

    @property
    def count(self) -> int:
        """Number of rows."""
        return sum(count for _, count in self._makers)

    @property
    def rows(self) -> Shards:
        """All rows [N, D], wherever they are."""
        if self._rows is None:
            if len(self._parts) != 1:
                self._parts = [torch.cat([torch.empty(0, self.dim, device=self.device), *self._parts])]
            makers, counts = torch.tensor(self._makers, dtype=torch.int64).view(-1, 2).T
            owner = makers.repeat_interleave(counts)
            self._rows = Shards.of(self._parts[0], owner) if self._world > 1 else Shards(self._parts[0])
        return self._rows

    @property
    def features(self) -> Tensor:
        """All rows, float32 [N, D], here. Several processes fetch them together, block by block."""
        return self.rows.whole()

    def state(self) -> dict[str, Tensor]:
        """Everything as named tensors on the CPU."""
        return {"features": self.features.cpu(), "count": torch.tensor([self.count])}

    def states(self) -> Iterator[dict[str, Tensor]]:
        """The state in parts, each with the count of all rows; of several processes the first gets them."""
        for start in range(0, max(self.count, 1), PART):
            numbers = torch.arange(start, min(start + PART, self.count))
            rows = self.rows.at(numbers[: None if distributed.rank() == 0 else 0]).whole()
            yield {"features": rows.cpu(), "count": torch.tensor([self.count])}

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> "Bank":
        """Inverse of `state`. Raises KeyError for a missing tensor."""
        bank = cls(state["features"].shape[1])
        bank.add(state["features"])
        return bank


KEEPS = {"moments": Moments, "bank": Bank}

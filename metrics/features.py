"""What a metric keeps of the images: an Extractor's features, as float64 moments or as a bank of rows.

Both stores are filled batch by batch, merge (across ranks or files) and turn into named tensors and back.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor


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
        """What `prepare` gave -> head -> float32 [N or more, D] on the CPU."""

    def to_bf16(self) -> "Extractor":
        """Itself, from now on in bfloat16."""


class Moments:
    """Count, sum and sum of outer products of feature vectors, all float64 on the CPU.

    `sum32` is the same sum in float32, row after row: some published tools take their mean that way.
    """

    def __init__(self, dim: int):
        self.count = 0
        self.sum = torch.zeros(dim, dtype=torch.float64)  # [D]
        self.sum32 = torch.zeros(dim, dtype=torch.float32)  # [D]
        self.outer = torch.zeros(dim, dim, dtype=torch.float64)  # [D, D]

    def add(self, features: Tensor) -> None:
        """features: [N, D], any float dtype; N may be 0."""
        x = features.detach().to("cpu", torch.float64)
        self.count += len(x)
        self.sum += x.sum(dim=0)
        self.outer.addmm_(x.T, x)
        rows = np.concatenate([self.sum32.numpy()[None], x.to(torch.float32).numpy()])
        self.sum32 = torch.from_numpy(np.add.reduce(rows, axis=0))  # NumPy adds the rows in order

    def merge(self, other: "Moments") -> "Moments":
        """Moments of both sets of images together."""
        whole = Moments(self.dim)
        whole.count = self.count + other.count
        whole.sum, whole.outer = self.sum + other.sum, self.outer + other.outer
        whole.sum32 = self.sum32 + other.sum32
        return whole

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
        return (self.sum32.double() / self.count).to(torch.float32).double()

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
        return _Rounded.from_state(self.state())

    def state(self) -> dict[str, Tensor]:
        """Everything as named tensors."""
        count = torch.tensor([self.count])
        return {"count": count, "sum": self.sum, "sum32": self.sum32, "outer": self.outer}

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> "Moments":
        """Inverse of `state`. Raises KeyError for a missing tensor."""
        moments = cls(len(state["sum"]))
        moments.count = int(state["count"])
        moments.sum, moments.sum32, moments.outer = state["sum"], state["sum32"], state["outer"]
        return moments


class _Rounded(Moments):
    """Moments whose mean is the one that float32 sums give."""

    @property
    def mean(self) -> Tensor:
        return self.mean32


class Bank:
    """The feature vectors themselves, float32, in the order of the images."""

    def __init__(self, dim: int):
        self.dim = dim
        self._parts: list[Tensor] = []

    def add(self, features: Tensor) -> None:
        """features: [N, D], any float dtype; N may be 0."""
        self._parts.append(features.detach().to("cpu", torch.float32))

    def merge(self, other: "Bank") -> "Bank":
        """These rows, then the other's."""
        whole = Bank(self.dim)
        whole._parts = [*self._parts, *other._parts]
        return whole

    @property
    def count(self) -> int:
        """Number of rows."""
        return sum(len(part) for part in self._parts)

    @property
    def features(self) -> Tensor:
        """All rows, float32 [N, D]."""
        self._parts = [torch.cat([torch.empty(0, self.dim), *self._parts])]
        return self._parts[0]

    def state(self) -> dict[str, Tensor]:
        """Everything as named tensors."""
        return {"features": self.features}

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> "Bank":
        """Inverse of `state`. Raises KeyError for a missing tensor."""
        bank = cls(state["features"].shape[1])
        bank.add(state["features"])
        return bank


KEEPS = {"moments": Moments, "bank": Bank}

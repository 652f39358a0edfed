"""What a metric keeps of the images: an Extractor's features, as float64 moments or as a bank of rows.

Both stores are filled batch by batch, merge (across ranks or files) and turn into named tensors and back.
"""

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor


class Extractor(Protocol):
    """Frozen map from images to features. One call gives all heads, so metrics share it."""

    name: str
    sha256: str  # of the weights
    convention: str  # everything between uint8 pixels and the network, e.g. "128px-bicubic-antialias"
    heads: Mapping[str, int]  # name of an output -> number of its features

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """images: uint8 [N, 1 or 3, H, W] -> head -> float32 [N, D] on the CPU."""


class Moments:
    """Count, sum and sum of outer products of feature vectors, all float64 on the CPU."""

    def __init__(self, dim: int):
        self.count = 0
        self.sum = torch.zeros(dim, dtype=torch.float64)  # [D]
        self.outer = torch.zeros(dim, dim, dtype=torch.float64)  # [D, D]

    def add(self, features: Tensor) -> None:
        """features: [N, D], any float dtype; N may be 0."""
        x = features.detach().to("cpu", torch.float64)
        self.count += len(x)
        self.sum += x.sum(dim=0)
        self.outer.addmm_(x.T, x)

    def merge(self, other: "Moments") -> "Moments":
        """Moments of both sets of images together."""
        whole = Moments(self.dim)
        whole.count = self.count + other.count
        whole.sum, whole.outer = self.sum + other.sum, self.outer + other.outer
        return whole

    @property
    def dim(self) -> int:
        """Number of features D."""
        return len(self.sum)

    @property
    def mean(self) -> Tensor:
        """Mean feature vector [D]."""
        return self.sum / self.count

    def cov(self, ddof: int = 1) -> Tensor:
        """Covariance [D, D], divided by count - ddof: 1 is unbiased, 0 the population's.

        Raises ValueError for no more than ddof images.
        """
        if self.count <= ddof:
            raise ValueError(
                f"covariance of {self.count} images with ddof {ddof}: at least {ddof + 1} needed"
            )
        return (self.outer - torch.outer(self.sum, self.mean)) / (self.count - ddof)

    def state(self) -> dict[str, Tensor]:
        """Everything as named tensors."""
        return {"count": torch.tensor([self.count]), "sum": self.sum, "outer": self.outer}

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> "Moments":
        """Inverse of `state`. Raises KeyError for a missing tensor."""
        moments = cls(len(state["sum"]))
        moments.count = int(state["count"])
        moments.sum, moments.outer = state["sum"], state["outer"]
        return moments


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

"""Statistics of real images as a file of their own: mean, covariance, count, and where they come from.

A .npz with `mu` [D] and `sigma` [D, D], the unbiased covariance, as clean-fid, pytorch-fid, EDM (NVIDIA)
and ADM (guided-diffusion) write and read them. Files of this project also hold `count`, `provenance`, a
JSON text, and with it `features` [N, D] where they were asked for. Other tools leave these keys alone.

Letters: N images, D features.
"""

import hashlib
import io
import json
import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan.errors import UserError
from gan.files import atomic_bytes, refusal
from metrics.features import Bank, Extractor, Moments
from metrics.frechet import moments_of
from metrics.measure import Statistic, Store
from metrics.plan import Item
from metrics.rows import Rows

MAX_DIM = 8192  # features: a covariance of 512 MiB
MAX_FEATURES = 2**33  # bytes
MAX_TEXT = 2**20
SOURCE = ("detector", "detector_sha256", "preparation", "head")  # of a provenance: what must be the same


class Fixed(Moments):
    """A mean and a covariance of which the number of images is not known: 0. The covariance is what it is."""

    def __init__(self, mean: Tensor, cov: Tensor):
        super().__init__(0)
        self.sum, self._cov = mean, cov

    @property
    def mean(self) -> Tensor:
        """Mean feature vector [D]."""
        return self.sum

    def cov(self, ddof: int = 1) -> Tensor:
        """Covariance [D, D], as it was given."""
        return self._cov

    def to(self, device: torch.device) -> "Fixed":
        """The same on a device."""
        return Fixed(self.sum.to(device), self._cov.to(device))

    def with_mean32(self) -> "Fixed":
        """Itself: its tool has rounded the mean."""
        return self


def moments_from(mean: Rows, cov: Rows, count: int | None = None, *, ddof: int = 1) -> Moments:
    """Moments of arrays: mean [D], covariance [D, D] divided by count - ddof. ValueError for other shapes."""
    mean, cov = (torch.as_tensor(x, dtype=torch.float64) for x in (mean, cov))
    if mean.ndim != 1 or cov.shape != (len(mean), len(mean)) or not len(mean):
        raise ValueError(
            f"a mean {list(mean.shape)} with a covariance {list(cov.shape)}: need [D] and [D, D]"
        )
    if not (torch.isfinite(mean).all() and torch.isfinite(cov).all()):
        raise ValueError("some values are NaN or infinite")
    if (cov - cov.T).abs().max() > 1e-6 * cov.abs().max() or cov.diagonal().min() < 0:
        raise ValueError("the covariance is not symmetric, or has a negative variance")
    if count is None:
        return Fixed(mean, cov)
    if count <= max(ddof, 1):
        raise ValueError(f"{count} images have no covariance")
    return Moments.of_sums(count, mean * count, cov * (count - ddof) + torch.outer(mean, mean) * count)


@dataclass(frozen=True)
class Statistics:
    """What a file says of the real images. provenance: None in files of other tools. sha256: of the file."""

    path: Path
    sha256: str
    moments: Moments
    features: Tensor | None = None
    provenance: Mapping[str, Any] | None = None

    @property
    def count(self) -> int | None:
        """How many images they are of; None where the file does not say."""
        return self.moments.count or None

    def stores(self, items: Sequence[Item], extractors: Mapping[str, Extractor]) -> dict[Statistic, Store]:
        """What the metrics are given of the reals. UserError for one that this file is not made for."""
        found: dict[Statistic, Store] = {}
        for item in items:
            spec = item.spec
            if spec.scores == "generator":  # needs no real images
                continue
            if spec.scores != "pair" or spec.labels:
                raise UserError(
                    f"{item.name} needs the real images themselves, not {self.path}; leave it out"
                )
            if self.features is None and (spec.keep_real or spec.keep) == "bank":
                raise UserError(
                    f"{item.name} needs features of single images, which {self.path} does not hold: make it "
                    "with gan stats --features"
                )
            statistic = item.statistic(None)
            self._check(item, statistic, extractors[item.extractor])
            whole = statistic.keep == "moments" or self.features is None
            found[statistic] = self.moments if whole else Bank.from_state({"features": self.features})
        return found

    def _check(self, item: Item, statistic: Statistic, network: Extractor) -> None:
        """UserError for features of another network, or prepared otherwise."""
        dim = network.heads[statistic.head]
        if dim != self.moments.dim:
            raise UserError(f"{self.path} has {self.moments.dim} features, {item.name} has {dim}")
        if self.provenance is None:
            return
        own = source_of(network, statistic.head)
        for key in SOURCE:
            if (given := self.provenance.get(key)) != own[key]:
                raise UserError(
                    f"{self.path} was made with {key} {given}, {item.name} under {item.convention.name} has "
                    f"{own[key]}: ask for {self.provenance.get('metric')}, or make another"
                )


def source_of(network: Extractor, head: str) -> dict[str, str]:
    """The SOURCE of features."""
    names = network.name, network.sha256, network.convention, head
    return dict(zip(SOURCE, names, strict=True))


def is_statistics(path: Path) -> bool:
    """Whether a file is a .npz with mu and sigma and no images (of four axes), which would be a data set."""
    if path.suffix.lower() != ".npz" or not path.is_file():
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            names = {info.filename.removesuffix(".npy") for info in archive.infolist()}
            return {"mu", "sigma"} <= names and "arr_0" not in names
    except (OSError, zipfile.BadZipFile):
        return False


def read(path: Path) -> Statistics:
    """The statistics in a file. UserError where there is none, or not what a file of statistics holds."""
    try:
        with zipfile.ZipFile(path) as archive:
            mean, cov = (_array(archive, name, 8 * MAX_DIM**2) for name in ("mu", "sigma"))
            names = archive.namelist()
            count = int(_array(archive, "count", 8)) if "count.npy" in names else None
            text = str(_array(archive, "provenance", MAX_TEXT)) if "provenance.npy" in names else None
            features = _array(archive, "features", MAX_FEATURES) if "features.npy" in names else None
        moments = moments_from(mean, cov, count)
        provenance = None if text is None else json.loads(text)
        if features is not None and features.shape != (count, moments.dim):
            raise ValueError(f"features {list(features.shape)} of {count} images")
        if provenance is not None and not isinstance(provenance, dict):
            raise ValueError("its provenance is no JSON object")
    except OSError as error:
        raise UserError(refusal("read", path, error)) from error
    except (zipfile.BadZipFile, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} holds no statistics (mu, sigma) that can be read: {error}") from error
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    rows = None if features is None else torch.tensor(features, dtype=torch.float32)
    return Statistics(path, digest, moments, rows, provenance)


def write(path: Path, store: Store, provenance: Mapping[str, Any], *, features: bool = False) -> None:
    """Write a file of statistics. store: a Bank if features are to be kept. UserError where it cannot be."""
    rows = store.features if isinstance(store, Bank) else None
    moments = store
    if rows is not None:
        moments = moments_of(rows)
    mean, cov = moments.mean.cpu().numpy(), moments.cov(1).cpu().numpy()
    arrays = {"mu": mean, "sigma": cov, "count": np.int64(moments.count)}
    arrays["provenance"] = np.array(json.dumps(dict(provenance), sort_keys=True))
    if features:
        arrays["features"] = rows.cpu().numpy()
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    atomic_bytes(path, buffer.getvalue())


def _array(archive: zipfile.ZipFile, name: str, limit: int) -> np.ndarray:
    """An array of the archive, of `limit` bytes at most. ValueError for objects and false sizes."""
    info = archive.getinfo(f"{name}.npy")
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        first = version == (1, 0)
        header = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
        shape, columns_first, kind = header(file)
        size = math.prod(shape) * kind.itemsize
        if kind.hasobject or kind.kind not in "fiuU":
            raise ValueError(f"{name} holds {kind} and no numbers")
        if size > limit or size != info.file_size - file.tell():
            raise ValueError(f"{name} of {size:,} bytes, {info.file_size:,} in the file, {limit:,} allowed")
        data = file.read(size)
    return np.frombuffer(data, kind).reshape(shape, order="F" if columns_first else "C").copy()

"""A part of a finite set of images: which ones, drawn by which seed, and how a label says it.

The files of a data set often lie class by class, so that the first N are none of the other classes. Here the
part is drawn at random, and read in the order of the files; a set that is taken whole stays as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from gan.errors import UserError
from metrics.images import Images, Pixels, joined


@dataclass(frozen=True)
class Sampler:
    """seed: of numpy.random.RandomState. stratified: every class keeps its share, to the nearest image.

    seed None is the convention's own: 0, but where a published tool has another.
    """

    seed: int | None = None
    stratified: bool = False

    def label(self, seed: int) -> str:
        """'random0' or 'stratified0'."""
        return f"{'stratified' if self.stratified else 'random'}{self.of(seed)}"

    def of(self, seed: int) -> int:
        """The seed, or that of a convention."""
        return seed if self.seed is None else self.seed

    def choose(
        self, count: int, total: int, labels: Sequence[int] | None = None, seed: int = 0
    ) -> np.ndarray:
        """`count` different numbers below `total`, ascending, int64.

        labels: class of each, where the sampler is stratified: the places that rounding leaves go to the
        classes with the largest remainders. UserError where there are none.
        """
        rng = np.random.RandomState(self.of(seed))
        if not self.stratified:
            return np.sort(rng.choice(total, count, replace=False))
        if labels is None:
            raise UserError("a stratified sample needs the class of every image: leave --stratified out")
        _, kinds, sizes = np.unique(np.asarray(labels), return_inverse=True, return_counts=True)
        shares = sizes * count / total
        quota = np.floor(shares).astype(int)
        quota[np.argsort(quota - shares, kind="stable")[: count - quota.sum()]] += 1
        parts = [rng.choice(np.flatnonzero(kinds == kind), n, replace=False) for kind, n in enumerate(quota)]
        return np.sort(np.concatenate(parts))


class Sampled:
    """The images `chosen` (ascending numbers) of a set, as `metrics.images.Images`."""

    def __init__(self, images: Images, chosen: np.ndarray) -> None:
        self.images, self.chosen = images, chosen
        self.concurrent, self.readers = images.concurrent, getattr(images, "readers", 1)

    @property
    def labels(self) -> list[int] | None:
        """The class of each, or None."""
        labels = getattr(self.images, "labels", None)
        return None if labels is None else torch.as_tensor(labels)[torch.from_numpy(self.chosen)].tolist()

    def __len__(self) -> int:
        return len(self.chosen)

    def read(self, start: int, stop: int) -> Pixels:
        """Images chosen[start:stop], uint8 [stop - start, C, H, W] or a list; neighbours read together."""
        part = self.chosen[start:stop]
        runs = np.split(part, np.flatnonzero(np.diff(part) > 1) + 1)
        return joined([self.images.read(int(run[0]), int(run[-1]) + 1) for run in runs])


def in_files_order(source: object) -> bool:
    """Whether the order of the images may mean something; a generator's, drawn one by one, has none."""
    return not getattr(source, "random_order", False)


def is_part(source: object, limit: int | None) -> bool:
    """Whether `limit` images (None: all) are a part to be drawn: of a finite set, in the order of files."""
    if limit is None or not isinstance(source, Images):
        return False
    return in_files_order(source) and limit < len(source)


def sampled(source: object, limit: int | None, sampler: Sampler, seed: int = 0) -> object:
    """The part of a set if it `is_part`; anything else, or a whole set, as it is. seed: the convention's."""
    if not is_part(source, limit):
        return source
    labels = getattr(source, "labels", None) if sampler.stratified else None
    return Sampled(source, sampler.choose(limit, len(source), labels, seed))

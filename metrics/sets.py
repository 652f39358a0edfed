"""One side of a score, the reals or the fakes: its images, and what of them each metric takes."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from gan.errors import UserError
from metrics.images import Images, Pixels, batches, length, together
from metrics.measure import Statistic, Store, measure
from metrics.networks import Networks
from metrics.plan import Item
from metrics.sampler import Sampler, in_files_order, is_part, sampled
from metrics.statistics import Statistics

Stores = dict[Statistic, Store]


@dataclass(frozen=True)
class ImageSet:
    """A source of images, and how a part of a finite one is drawn; Statistics are taken whole."""

    source: Images | Iterable[Tensor] | Statistics
    sampler: Sampler = field(default_factory=Sampler)

    @property
    def count(self) -> int | None:
        """How many images there are; None for a stream, whose end is not known."""
        if isinstance(self.source, Statistics):
            return self.source.count
        return length(self.source, None)

    @property
    def given(self) -> int | None:
        """How many files or images in memory there are; None for a stream, and for what a model draws."""
        return self.count if in_files_order(self.source) else None

    def digested(self, digest: "hashlib._Hash") -> "ImageSet":
        """The same images; shape and pixels of each go into `digest`, those of a stream as it is read."""
        told = _told(batches(self.source, None), digest)
        if not isinstance(self.source, Images):
            return replace(self, source=told)
        for _ in told:
            pass
        return self

    def part(self, limit: int | None, seed: int) -> Images | Iterable[Tensor]:
        """What is read where `limit` images are taken (None: all); seed: the convention's."""
        return sampled(self.source, limit, self.sampler, seed)

    def told(self, item: Item, limit: int | None) -> str:
        """How a label says what was taken: 'random0', 'shuffled0', or '' for all in any order."""
        seed = item.convention.sample_seed
        if is_part(self.source, limit):
            return self.sampler.label(seed)
        return f"shuffled{self.shuffle(item)}" if item.spec.split and self.shuffle(item) is not None else ""

    def shuffle(self, item: Item) -> int | None:
        """The seed by which rows in the order of files are shuffled before they are cut into parts.

        None where that order means nothing, where nothing is cut, and where the convention says how.
        """
        rules = item.convention
        if rules.shuffle is not None or rules.splits < 2 or not in_files_order(self.source):
            return None
        return self.sampler.of(rules.sample_seed)

    def measured(
        self,
        statistics: Iterable[Statistic],
        networks: Networks,
        progress: Callable[[int], None],
    ) -> Stores:
        """Every statistic of its part, on the networks' device: one pass for all that take the same part."""
        passes: dict[tuple, list[Statistic]] = {}
        for s in statistics:
            taken = (s.limit, s.seed) if is_part(self.source, s.limit) else ()
            passes.setdefault(taken, []).append(s)
        stores: Stores = {}
        for taken, group in passes.items():
            part = self.part(*taken) if taken else self.source
            stores |= measure(part, group, networks, progress, networks.device)
        return stores

    def labels(self, item: Item, limit: int | None) -> Tensor:
        """Class of each image that the item takes, int64 [N]. UserError if there are none."""
        labels = getattr(self.part(limit, item.convention.sample_seed), "labels", None)
        if labels is None:
            raise UserError(
                f"{item.name} needs the class of every image: use a data set and a model with labels"
            )
        return torch.as_tensor(labels[:limit])

    def pixels(self, item: Item, limit: int, device: torch.device) -> Tensor:
        """The images that the item takes, as `metrics.registry.Inputs.pixels` has them, on a device.

        UserError for a stream, and for images of several sizes.
        """
        if not isinstance(self.source, Images):
            raise UserError(
                f"{item.name} reads images twice: give them as an array or a data set, not as a stream"
            )
        try:
            return together(self.part(limit, item.convention.sample_seed), limit, item.spec.side, device)
        except ValueError as error:
            raise UserError(f"{item.name}: {error}") from error


def _told(parts: Iterator[Pixels], digest: "hashlib._Hash") -> Iterator[Pixels]:
    for images in parts:
        for image in images:
            digest.update(f"{tuple(image.shape)}\n".encode())
            digest.update(image.cpu().contiguous().numpy().data)
        yield images


def enough(items: Sequence[Item], reals: int | None, fakes: int | None) -> None:
    """UserError, before an image is drawn, for the first metric that will have too few for a number.

    reals, fakes: how many there are, None where that is not known, or where they are drawn on demand.
    """
    for item in items:
        least_real, least_fake = item.least
        name = f"{item.name} with its interval" if item.intervals else item.name
        if item.fakes < least_fake:
            remedy = f"type --num-fakes {least_fake} or more (--metrics-fakes with gan train)"
            if fakes is not None and fakes < least_fake:
                remedy = "give more images"
            raise UserError(
                f"{name} needs at least {least_fake:,} generated images and would get {item.fakes:,}: "
                f"{remedy}, or leave it out"
            )
        if item.spec.scores == "generator":
            continue
        if fakes is not None and fakes < item.fakes:
            raise UserError(
                f"{item.name}: there are only {fakes:,} generated images of {item.fakes:,}: ask for no more "
                f"than there are: type --num-fakes {fakes}"
            )
        taken = item.reals or reals
        compared = item.spec.scores != "pixels" or item.intervals
        if taken is not None and taken < least_real and compared:
            known = reals is None or reals >= least_real
            remedy = f"type --num-reals {least_real}" if known else "give more in --data, or leave it out"
            raise UserError(
                f"{name} needs at least {least_real:,} real images and would get {taken:,}: {remedy}"
            )

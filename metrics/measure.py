"""One pass over images: each feature network runs once per batch, every statistic that needs it is fed.

Images that are read from files are decoded and resized in threads, while the networks have the batch before.

Several processes (see `gan.distributed`) share the batches. Features stay on the device that made them, of
single images for good. For moments they also go from there to the other processes, turn by turn; each sums a
share of the outer products in float64 in the order of the images: the result has the bits that a single
process gets.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from gan import distributed
from metrics.features import CPU, KEEPS, Bank, Extractor, Moments
from metrics.images import BATCH, Images, Pixels, filled, shares

Store = Moments | Bank
Inputs = Mapping[str, Sequence[Tensor]]  # of each network: a batch as it sees it


class Statistic(NamedTuple):
    """One thing to keep of a set of images."""

    extractor: str  # key of the extractors that `measure` is given
    head: str
    keep: str  # name in KEEPS
    limit: int | None  # only so many images: the first of a stream, else a sample; None is all
    seed: int = 0  # of that sample


def measure(
    images: Images | Iterable[Tensor],
    statistics: Iterable[Statistic],
    extractors: Mapping[str, Extractor],
    progress: Callable[[int], None],
    device: torch.device = CPU,
) -> dict[Statistic, Store]:
    """Run each extractor once over uint8 images [N, C, H, W] and keep the statistics asked for.

    Stops reading once every limit is reached. `progress` gets the number of images just measured. device: of
    the statistics, best that of the networks. Every process must call this; all have the moments, and each
    its share of the rows of a Bank.
    """
    stores = {s: KEEPS[s.keep](extractors[s.extractor].heads[s.head], device) for s in statistics}
    limits = [s.limit for s in stores]
    limit = None if None in limits else max(limits)
    heads = list(dict.fromkeys((s.extractor, s.head) for s in stores))
    networks = dict.fromkeys(name for name, _ in heads)

    def prepared(pixels: Pixels) -> Inputs:
        return {name: prepare(extractors[name], pixels) for name in networks}

    rank, world = distributed.rank(), distributed.world()
    batches = shares(images, limit, rank, world, prepared)
    while turn := _turn(batches):
        own = next((inputs for _, inputs in turn if inputs is not None), None)
        rows = _rows(own, heads, extractors)  # one [BATCH, D] per head
        for key, own_rows in zip(heads, rows, strict=True):
            fed = [(s, store) for s, store in stores.items() if (s.extractor, s.head) == key]
            parts = [own_rows.to(device)] * world  # a Bank keeps its own, and only counts the others
            if any(s.keep == "moments" for s, _ in fed):
                parts = distributed.everyones(parts[rank])
            for maker, (size, _) in enumerate(turn):
                for s, store in fed:
                    taken = size if s.limit is None else min(size, s.limit - store.count)
                    store.add(parts[maker][:taken], rank, world, maker)
        progress(sum(size for size, _ in turn))
    with distributed.dealing():
        for store in stores.values():
            store.complete()
    return stores


def prepare(extractor: Extractor, images: Pixels) -> Sequence[Tensor]:
    """What the network sees of a batch; images of several sizes or colours are prepared one by one."""
    if isinstance(images, Tensor):
        return extractor.prepare(images)
    alone = [extractor.prepare(image[None])[0] for image in images]  # each a part, filled up with itself
    size = len(alone[0])
    return [filled(part, size) for part in torch.cat([part[:1] for part in alone]).split(size)]


def _turn(batches: Iterator[tuple[int, Inputs | None]]) -> list[tuple[int, Inputs | None]]:
    """The next batch of every process, by rank; fewer at the end."""
    turn = []
    for _ in range(distributed.world()):
        batch = next(batches, None)
        if batch is not None:
            turn.append(batch)
    return turn


def _rows(
    inputs: Inputs | None, heads: list[tuple[str, str]], extractors: Mapping[str, Extractor]
) -> list[Tensor]:
    """Features of one batch for each of `heads`, float32 [BATCH, D]: of its images first."""
    if inputs is None:
        return [torch.zeros(BATCH, extractors[name].heads[head]) for name, head in heads]
    features = {name: extractors[name].features(parts) for name, parts in inputs.items()}
    return [filled(features[name][head], BATCH) for name, head in heads]

"""What is kept of real images from one evaluation to the next: their statistics in `metrics.cache`.

Rows are kept and read in parts, so that no process of several ever holds more than one of them beside its
share. The first process reads and writes; all call these functions.
"""

from collections.abc import Mapping
from itertools import count

import torch

from gan import distributed
from metrics import cache
from metrics.features import KEEPS, Extractor
from metrics.measure import Statistic, Store


def key_of(statistic: Statistic, extractor: Extractor, data_sha256: str, part: str) -> dict[str, str]:
    """The key of real images in `metrics.cache`; part: how they were drawn, '' for all images."""
    taken = {"part": f"{statistic.limit}-{part}"} if part else {}
    return {
        **taken,
        "format": "4",  # of the stores' states: 2 has sum32; 3 other batches, 4 strips: other last digits
        "data_sha256": data_sha256,
        "detector": extractor.name,
        "detector_sha256": extractor.sha256,
        "convention": extractor.convention,
        "head": statistic.head,
        "keep": statistic.keep,
    }


def load(key: Mapping[str, str]) -> Store | None:
    """The store kept under a key of `key_of`, each process with its share; None unless all of it is there."""
    found = None
    for number in count():
        state = cache.load(_part(key, number)) if distributed.rank() == 0 else None
        if distributed.shared(torch.tensor(state is None)):
            return None
        state = distributed.shared_named(state or {})
        part = KEEPS[key["keep"]].from_state(state).dealt()
        found = found.merge(part) if found else part
        if found.count >= int(state["count"]):
            return found


def store(key: Mapping[str, str], found: Store) -> None:
    """Keep a store under a key of `key_of`."""
    for number, state in enumerate(found.states()):
        if distributed.rank() == 0:
            cache.store(_part(key, number), state)


def _part(key: Mapping[str, str], number: int) -> dict[str, str]:
    """The key of a part of a store; moments have but one."""
    return {**key, "rows": str(number)} if key["keep"] == "bank" else dict(key)

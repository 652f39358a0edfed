"""From what a metric asked for to records: each number with its label and provenance."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from gan.errors import UserError
from metrics.features import Bank, Extractor, Moments
from metrics.frechet import moments_of
from metrics.jackknife import Blockwise, Replicates, replicates
from metrics.networks.extractors import FLOAT32
from metrics.plan import Item
from metrics.registry import Inputs, Score

Observe = Callable[[Item, Inputs, Mapping[str, Replicates]], None]


def score(
    item: Item,
    inputs: Inputs,
    alone: Inputs | None = None,
    *,
    network: Extractor | nn.Module | None,
    variant: str = "",
    observe: Observe | None = None,
) -> list[dict]:
    """Records of one metric, without what is common to all; `alone`: of the reals, if it rates sets alone.

    A value that is infinite is None, and the note beside it says why: JSON has no infinity.

    A precision other than float32 of the network is added to `variant`, which says nothing of a metric that
    takes the generator. observe: gets the metric with its inputs and its numbers of parts of the images, by
    name, where it has intervals; not those of the reals. Raises UserError where the images are too few or
    otherwise not what the metric can be given.
    """
    precision = getattr(network, "precision", FLOAT32)
    told = [variant if item.spec.scores != "generator" else "", precision if precision != FLOAT32 else ""]
    try:
        rows = [(*row, _joined(inputs.sample, *told)) for row in _numbers(item, inputs, observe)]
        if alone:  # the set that is rated is real
            variant = _joined(alone.sample, *told)
            rows += [
                (f"{name}/real", found, (fake, real), more, variant)
                for name, found, (real, fake), more in _numbers(item, alone)
            ]
    except ValueError as error:  # of the pure functions: too few images, and the like
        raise UserError(f"{item.name}: {error}") from error
    return [
        {
            "metric": name,
            "label": item.label(name, *counts, variant),
            "value": found.value if math.isfinite(found.value) else None,
            **more,
            "convention": item.described(network, variant),
            "detector": network and getattr(network, "name", item.extractor),
            "detector_sha256": network and network.sha256,
            "num_real": counts[0],
            "num_fake": counts[1],
        }
        for name, found, counts, more, variant in rows
    ]


def _joined(*parts: str) -> str:
    return "-".join(part for part in parts if part)


def _numbers(
    item: Item, inputs: Inputs, observe: Observe | None = None
) -> Iterator[tuple[str, Score, tuple[int, int], dict[str, Any]]]:
    """(name, value, counts of reals and fakes, what else is known) of each number of a metric."""
    counts = _count(inputs.real), _count(inputs.fake)
    if inputs.fake is None:
        counts = 0, inputs.count if inputs.pixels is None else len(inputs.pixels)
    values = item.function(as_asked(item, inputs))
    parts = (
        dict(zip(values, map(replicates, _blocks(item, inputs, values)), strict=True))
        if item.intervals
        else {}
    )
    if parts and observe:
        observe(item, inputs, parts)
    for name, value in values.items():
        found = value if isinstance(value, Score) else Score(value)
        known = found.error is not None and math.isfinite(found.error)
        more = {"error": found.error} if known else {}
        more |= {"note": found.note} if found.note else {}
        if name in parts:
            corrected, error, low, high = parts[name].estimate()
            more |= {"corrected": corrected, "standard_error": error, "interval": [low, high]}
        yield name, found, found.counts or counts, more


def _blocks(item: Item, inputs: Inputs, values: Mapping[str, float | Score]) -> Sequence[Blockwise]:
    """The numbers of a metric, in their order, as scores of blocks."""
    return [v.blocks() for v in values.values()] if item.spec.own_blocks else item.spec.blockwise(inputs)


def as_asked(item: Item, inputs: Inputs) -> Inputs:
    """The inputs with Banks, which intervals need, turned into the moments that the metric asked for."""
    if not item.intervals or item.spec.keep != "moments":
        return inputs
    stores = (inputs.real, inputs.fake)
    real, fake = (moments_of(s.rows) if isinstance(s, Bank) else s for s in stores)
    return replace(inputs, real=real, fake=fake)


def _count(store: Moments | Bank | None) -> int:
    return 0 if store is None else store.count

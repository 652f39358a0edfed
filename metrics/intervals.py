"""Bootstrap intervals of the metrics in METRICS that allow them, from the features of single images."""

import warnings
from dataclasses import replace
from typing import Any

from torch import Tensor

from metrics.bootstrap import bootstrap_rows
from metrics.features import Bank, Moments
from metrics.frechet import moments_of
from metrics.plan import Item
from metrics.registry import Inputs, Score


def as_asked(item: Item, inputs: Inputs) -> Inputs:
    """The inputs with Banks, which the bootstrap needs, turned into what the metric asked for."""
    real, fake = (store and _kept(item, store.features) for store in (inputs.real, inputs.fake))
    return replace(inputs, real=real, fake=fake)


def interval(item: Item, inputs: Inputs, name: str, draws: int) -> dict[str, Any]:
    """95 % interval of the number `name` of a metric, and the bias of its draws, as entries of a record.

    inputs: with Banks. Reals and fakes are drawn again with replacement, `draws` times, from inputs.seed. A
    distance that is biased for few images is biased once more by that: where `interval_bias` is not small
    against the interval, the interval is shifted by about as much.
    """
    real = inputs.real is not None

    def value(*rows: Tensor) -> float:
        sets = [_kept(item, part) for part in rows]
        drawn = replace(inputs, real=sets[0] if real else None, fake=sets[-1])
        found = item.function(drawn)[name]
        return found.value if isinstance(found, Score) else found

    sets = [store.features for store in (inputs.real, inputs.fake) if store is not None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # said once, for the images themselves
        found = bootstrap_rows(value, *sets, draws=draws, seed=inputs.seed)
    return {"interval": [found.low, found.high], "interval_bias": found.bias, "bootstrap_draws": draws}


def _kept(item: Item, rows: Tensor) -> Moments | Bank:
    return moments_of(rows) if item.spec.keep == "moments" else Bank.from_state({"features": rows})

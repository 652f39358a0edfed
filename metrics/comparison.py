"""Two sets of fakes against the same reals: how far a score differs between them, and how surely.

Image i of one set is the partner of image i of the other: of the same seed where both are drawn from
models, of any order otherwise. Both are left out together, so that what they have in common cancels
(`metrics.jackknife`), and exchanged with each other in the test (`metrics.permutation`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from torch import Tensor

from gan import distributed, precision
from metrics.jackknife import Replicates
from metrics.permutation import paired_p
from metrics.plan import Item
from metrics.registry import Inputs

KEPT = ("convention", "detector", "detector_sha256", "num_real", "num_fake", "data_sha256")  # of both records


class Measured(NamedTuple):
    """A metric as `metrics.evaluate` tells it to `observe`."""

    item: Item
    inputs: Inputs | None  # for the test of a difference, where there is one
    parts: Mapping[str, Replicates]


class Observed:
    """An `observe` for `metrics.evaluate` that remembers all it is told of one set of fakes."""

    def __init__(self) -> None:
        self.metrics: list[Measured] = []

    def __call__(self, item: Item, inputs: Inputs, parts: Mapping[str, Replicates]) -> None:
        """Remember one metric."""
        self.metrics.append(Measured(item, inputs if item.spec.influence else None, parts))


def differences(
    first: tuple[Sequence[Mapping], Observed], second: tuple[Sequence[Mapping], Observed], seed: int = 0
) -> list[dict]:
    """One record per number of two sets, each given as its records and what `metrics.evaluate` told of it.

    Keys: metric, label; a, b: the numbers; difference: a - b, without bias; standard_error; interval: 95 %;
    p: of the hypothesis that both sets come from one distribution, None for a metric that has no test;
    better: "lower", "higher" or ""; and the KEPT ones. seed: of the exchanges. Raises ValueError for sets
    of different counts. Of several processes all must call this and share the work; those without records,
    which `metrics.evaluate` gives to one, get no rows.
    """
    pairs = list(zip(first[1].metrics, second[1].metrics, strict=True))
    for a, b in pairs:
        if a.item.fakes != b.item.fakes:
            raise ValueError(f"{a.item.fakes} fakes against {b.item.fakes}: need as many of both")
    with precision.exact(), distributed.dealing():
        moved = {id(a): _moved(a, b) for a, b in pairs}
    rows = []
    for (record_a, name, a), (record_b, _, b) in zip(_numbers(*first), _numbers(*second), strict=True):
        found = a.parts[name].minus(b.parts[name]).estimate()
        rows.append(
            {
                "metric": record_a["metric"],
                "label": record_a["label"],
                "a": record_a["value"],
                "b": record_b["value"],
                "difference": found.corrected,
                "standard_error": found.standard_error,
                "interval": [found.low, found.high],
                "p": _p(moved[id(a)], list(a.parts).index(name), seed),
                "better": a.item.spec.better,
                **{key: record_a.get(key) for key in KEPT},
            }
        )
    return rows


def _numbers(records: Sequence[Mapping], observed: Observed) -> list[tuple[Mapping, str, Measured]]:
    """(record, name of the number, its metric); records of reals alone and without interval are left out."""
    names = [(name, measured) for measured in observed.metrics for name in measured.parts] if records else []
    sure = [record for record in records if "interval" in record and record["num_fake"]]
    return [(record, *named) for record, named in zip(sure, names, strict=True)]


def _moved(a: Measured, b: Measured) -> Tensor | None:
    """How far each image of both sets, one set after the other, moves each number of a metric."""
    if a.item.spec.influence is None:
        return None
    return a.item.spec.influence(replace(a.inputs, fake=a.inputs.fake.merge(b.inputs.fake)))


def _p(moved: Tensor | None, number: int, seed: int) -> float | None:
    if moved is None or moved[:, number].isnan().any():
        return None
    of_a, of_b = moved[:, number].chunk(2)
    return paired_p(of_a - of_b, seed=seed)

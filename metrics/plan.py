"""What a request leaves open: the convention of each metric, its network and its number of images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from torch import nn

from gan.errors import UsageError
from metrics.catalogue import METRICS, OWN
from metrics.conventions import CONVENTIONS, Convention
from metrics.features import Extractor
from metrics.measure import Statistic
from metrics.networks.extractors import extractor_for
from metrics.registry import Inputs, Request, Score, Spec, parse

DEFAULT = "nv"
# What metrics outside of the published conventions do with features of whichever network they name.
PLAIN = Convention(name=OWN, detector="", resize="", scale="", num_fake=None, logits=None)


class Item(NamedTuple):
    """One metric of a plan, with all that its request left open filled in."""

    name: str
    function: Callable[[Inputs], Mapping[str, float | Score]]
    convention: Convention
    extractor: str | None  # name in EXTRACTORS; None: it needs no network
    fakes: int
    intervals: bool = False  # of its numbers

    @property
    def spec(self) -> Spec:
        """What the metric needs."""
        return self.function.spec

    def statistic(self, limit: int | None) -> Statistic:
        """What it keeps of a set: of the first `limit` fakes, or with None of all reals."""
        keep = self.spec.keep_real or self.spec.keep if limit is None else self.spec.keep
        keep = "bank" if self.intervals else keep
        return Statistic(self.extractor, of(self.spec.head, self.convention), keep, limit)

    def label(self, name: str, num_real: int, num_fake: int, variant: str) -> str:
        """fid[nv-50k-full]: name, convention, number of fakes, reals, variant; what a number is quoted with.

        The reals are "full" where all are taken; a count of 0 is left out.
        """
        parts = [self.convention.name] if self.spec.convention is None else []
        parts += [short(num_fake)] if num_fake else []
        reals = short(num_real) if self.spec.scores == "pixels" else "full"
        parts += [reals] if num_real else []
        parts += [variant] if variant else []
        return f"{name}[{'-'.join(parts)}]"

    def described(self, network: Extractor | nn.Module | None, variant: str) -> str:
        """What a record says of the convention: its name, after the preparation where no table has it."""
        own = [] if self.convention.name in CONVENTIONS else [getattr(network, "convention", None)]
        return "-".join(part for part in [*own, self.convention.name, variant] if part)


def of(value: str | Callable[[Convention], str], rules: Convention) -> str:
    """A field of a Spec under a convention."""
    return value if isinstance(value, str) else value(rules)


def short(count: int) -> str:
    """50000 -> '50k', 2500 -> '2500'."""
    return f"{count // 1000}k" if count and count % 1000 == 0 else str(count)


def plan(
    metrics: Sequence[str],
    convention: str = DEFAULT,
    num_fakes: int | None = None,
    num_reals: int | None = None,
    intervals: bool = False,
) -> list[Item]:
    """The items of all requests, each once, in their order.

    num_fakes: for all metrics; None: each metric's own number, else the convention's, else `num_reals`.
    intervals: for metrics that have them.
    Raises UsageError, with the nearest name, for an unknown metric or convention, and for a convention given
    to a metric that has its own, or that is made for another network.
    """
    items, _ = {}, CONVENTIONS[convention]
    for request in map(parse, metrics):
        function = METRICS[request.metric]
        rules = rules_of(request, function.spec, convention)
        numbers = (num_fakes, function.spec.fakes, rules.num_fake, num_reals, 50_000)
        fakes = next(number for number in numbers if number is not None)
        sure = intervals and function.spec.blockwise is not None
        item = Item(request.metric, function, rules, extractor_of(function.spec, rules), fakes, sure)
        items[item.name, rules.name] = item
    return list(items.values())


def rules_of(request: Request, spec: Spec, convention: str) -> Convention:
    """The row of CONVENTIONS that a request means, or PLAIN for a metric on a network of no convention."""
    if spec.convention is None:
        rules = CONVENTIONS[request.convention or convention]
        if rules.detector != "inception":
            raise UsageError(
                f"{request.metric} is a metric on Inception; under {rules.name} ask for '{rules.name}'"
            )
        return rules
    if request.convention not in (None, spec.convention):
        raise UsageError(f"{request.metric} has a convention of its own; write it without the brackets")
    return CONVENTIONS.get(spec.convention) or replace(PLAIN, name=spec.convention)


def extractor_of(spec: Spec, rules: Convention) -> str | None:
    """Name in EXTRACTORS of the network that `spec` reads, prepared as `rules` say; None: no network."""
    features = of(spec.features, rules)
    return extractor_for(features, rules) if features else None

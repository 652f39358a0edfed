"""What a request leaves open: the rules of each metric, its network and its number of images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from torch import nn

from gan.errors import UsageError, unknown
from metrics.catalogue import METRICS
from metrics.conventions import CONVENTIONS, Convention
from metrics.features import Extractor
from metrics.jackknife import LEAST
from metrics.measure import Statistic
from metrics.networks.detectors import DETECTORS, PLAIN, Rated
from metrics.registry import Inputs, Request, Score, Spec, parse

DEFAULT = "nv"


class Item(NamedTuple):
    """One metric of a plan, with all that its request left open filled in."""

    name: str
    function: Callable[[Inputs], Mapping[str, float | Score]]
    convention: Convention  # a row of CONVENTIONS, or the rules of a detector
    extractor: str | None  # name in EXTRACTORS; None: it needs no network
    head: str  # of the extractor
    fakes: int
    reals: int | None = None  # only so many, None: all
    intervals: bool = False  # of its numbers

    @property
    def spec(self) -> Spec:
        """What the metric needs."""
        return self.function.spec

    @property
    def least(self) -> tuple[int, int]:
        """Reals and fakes without which it has no number."""
        least = self.spec.least
        numbers = least(self.convention) if callable(least) else least
        blocks = LEAST * self.spec.together
        return tuple(max(number, blocks) if self.intervals else number for number in numbers)

    def statistic(self, limit: int | None) -> Statistic:
        """What it keeps of a set: of `limit` fakes, or with None of the reals."""
        keep = self.spec.keep_real or self.spec.keep if limit is None else self.spec.keep
        keep = "bank" if self.intervals else keep
        limit = self.reals if limit is None else limit
        return Statistic(self.extractor, self.head, keep, limit, self.convention.sample_seed)

    def label(self, name: str, num_real: int, num_fake: int, variant: str) -> str:
        """fid[nv-50k-full]: name, convention or detector, number of fakes, reals, variant: as it is quoted.

        The reals are "full" where all are taken; a count of 0 is left out.
        """
        parts = [self.convention.name] if self.spec.convention is None else []
        parts += [short(num_fake)] if num_fake else []
        reals = short(num_real) if self.spec.scores == "pixels" or self.reals else "full"
        parts += [reals] if num_real else []
        parts += [variant] if variant else []
        return f"{name}[{'-'.join(parts)}]"

    def described(self, network: Extractor | nn.Module | None, variant: str) -> str:
        """What a record says of the convention: the tool's name, with "ours" where the number is not its.

        Where no tool has the score: how pixels are prepared, and "ours".
        """
        rules = self.convention
        if rules.name in DETECTORS:
            parts = [getattr(network, "convention", None), "ours"]
        elif rules.name in CONVENTIONS:
            parts = [rules.name, "ours" if rules.scores.get(self.name) == "ours" else None]
        else:
            parts = [getattr(network, "convention", None), rules.name]
        return "-".join(part for part in [*parts, variant] if part)


def short(count: int) -> str:
    """50000 -> '50k', 2500 -> '2500'."""
    return f"{count // 1000}k" if count and count % 1000 == 0 else str(count)


def plan(
    metrics: Sequence[str],
    convention: str = DEFAULT,
    num_fakes: int | None = None,
    there_are: int | None = None,
    intervals: bool = False,
    num_reals: int | None = None,
) -> list[Item]:
    """The items of all requests, each once, in their order.

    num_fakes: for all metrics; None: each metric's own number, else the convention's, else as many as reals.
    there_are: real images, None if that is not known. num_reals: take only so many of them; None takes all,
    or as many as the convention's tool does. intervals: for metrics that have them.
    Raises UsageError, with the nearest name, for an unknown metric, convention or detector; for a convention
    whose tool does not compute the score; and for a metric and a detector that do not go together.
    """
    items, _ = {}, CONVENTIONS[convention]
    for request in map(parse, metrics):
        function = METRICS[request.metric]
        rules, extractor, head = resolved(request, function.spec, convention)
        reals = num_reals or rules.most_reals.get(request.metric)
        reals = None if reals is None or (there_are is not None and reals >= there_are) else reals
        numbers = (num_fakes, function.spec.fakes, rules.num_fake, reals, there_are, 50_000)
        fakes = next(number for number in numbers if number is not None)
        sure = intervals and function.spec.has_interval
        item = Item(request.metric, function, rules, extractor, head, fakes, reals, sure)
        items[item.name, rules.name] = item
    return list(items.values())


def resolved(request: Request, spec: Spec, convention: str) -> tuple[Convention, str | None, str]:
    """The rules that a request means, the name in EXTRACTORS of the network, and its head."""
    if spec.convention is not None:
        if request.which not in (None, spec.convention):
            raise UsageError(f"{request.metric} has a convention of its own; write it without the brackets")
        rules = CONVENTIONS.get(spec.convention) or replace(PLAIN, name=spec.convention)
        return rules, spec.features or None, spec.head
    if not spec.features:
        return CONVENTIONS[request.which or convention], None, ""
    if request.which is None:
        return _by_default(request.metric, spec, CONVENTIONS[convention])
    if request.which in DETECTORS:
        return _on(request.metric, spec, DETECTORS[request.which])
    if request.which not in CONVENTIONS:
        known = [*CONVENTIONS, *DETECTORS]
        raise UsageError(unknown("convention or detector", request.which, known))
    row = CONVENTIONS[request.which]
    if row.detector != "inception":
        raise UsageError(
            f"{row.name} is a score of its own: ask for '{row.name}', or {request.metric}[{row.detector}]"
        )
    if request.metric not in row.scores:
        rules, _, _ = _by_default(request.metric, spec, row)
        raise UsageError(
            f"the tool of {row.name} computes {', '.join(row.scores)}, not {request.metric}; "
            f"{request.metric}[{rules.name}] is a number of this project"
        )
    return _by_default(request.metric, spec, row)


def _by_default(metric: str, spec: Spec, row: Convention) -> tuple[Convention, str | None, str]:
    """Under a convention where its tool has the score, else by our rules on the convention's detector."""
    name = row.detector if row.detector in DETECTORS else f"inception-{row.name}"
    name = (row.manifold or name) if spec.features == "manifold" else spec.default or name
    rules, extractor, head = _on(metric, spec, DETECTORS[name])
    return row if metric in row.scores else rules, extractor, head


def _on(metric: str, spec: Spec, rated: Rated) -> tuple[Convention, str, str]:
    """A metric on a detector, by its rules. UsageError where it has no classes that the metric could read."""
    rules = rated.rules
    if metric == "fid" and not rules.name.startswith("inception-"):
        raise UsageError(f"fid is the name for Inception's features: write fd[{rules.name}]")
    head = rules.logits if spec.features == "logits" else rules.features
    if head is None:
        have = [name for name, row in DETECTORS.items() if row.rules.logits]
        raise UsageError(
            f"{metric} reads classes, which {rules.name} does not give; these do: {', '.join(have)}"
        )
    return rules, rated.extractor, head

"""@metric attaches a Spec to a function: what it reads, kept how, of how many images, in which unit.

A metric is a function `f(inputs: Inputs) -> {name: value}`. What it needs is in its Spec, so that the planner
can fill the inputs of many metrics from one pass over the images.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeVar

from torch import Tensor, nn

from gan import elsewhere
from gan.errors import UsageError
from gan.sampling import Labels
from metrics.conventions import Convention
from metrics.features import Bank, Moments
from metrics.jackknife import Blockwise

Function = TypeVar("Function", bound=Callable)
Keep = Literal["moments", "bank"]
Scores = Literal["pair", "each", "pixels", "generator"]

_REQUEST = re.compile(r"([a-z0-9-]+)(?:\[([A-Za-z0-9_.-]+)\])?")


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What the planner needs to know of a metric.

    features: what it reads: "detector" for the features of whichever detector is asked for, "manifold" for
    those that a convention has for precision and recall, "logits" for a detector's classes; else the name of
    the one network in EXTRACTORS that it always reads, "" for none. head: which output of that one network.
    default: the detector where the request names none and no tool has the score; "" for the convention's.
    keep: what the function is given of each set of images: Moments or Bank; keep_real: of the reals, if not
    the same.
    scores: "pair" compares fakes with reals; "each" rates a set alone, the fakes and then the reals;
    "pixels" does so on the images themselves; "generator" takes the generator itself and no images.
    fakes: generated images unless the caller says otherwise; None: the convention's number.
    least: (reals, fakes) without which there is no number, or a function of the convention that gives them.
    split: whether its rows are cut into parts in their order, so that images in the order of files are
    shuffled first.
    unit, better: of the value; `better` is "lower", "higher" or "" (a diagnosis, not a score).
    convention: the one it always has, a row of CONVENTIONS or a name of its own; None: the one asked for.
    side: of "pixels", what the shorter side of large images is brought near to (`metrics.images.reduced`).
    labels: whether it needs the class of every image. movable: whether it needs a generator whose input can
    be moved. blockwise: inputs with Banks -> its numbers, in their order, as scores of blocks of images, for
    their intervals. own_blocks: whether its Scores bring these themselves; together: of the samples that it
    draws, how many share what is drawn. influence: how far each row of a Bank moves each number, for the test
    of a difference.
    """

    features: str = ""
    head: str = ""
    default: str = ""
    keep: Keep = "bank"
    keep_real: Keep | None = None
    scores: Scores = "pair"
    fakes: int | None = None
    least: tuple[int, int] | Callable[[Convention], tuple[int, int]] = (2, 2)
    split: bool = False
    unit: str
    better: Literal["lower", "higher", ""]
    convention: str | None = None
    side: int = 0
    labels: bool = False
    movable: bool = False
    blockwise: "Callable[[Inputs], Sequence[Blockwise]] | None" = None
    own_blocks: bool = False
    together: int = 1
    influence: "Callable[[Inputs], Tensor] | None" = None

    @property
    def has_interval(self) -> bool:
        """Whether there are blocks to leave out."""
        return self.own_blocks or self.blockwise is not None


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a metric is called with. `fake` is the set rated by a metric that scores "each", reals as well.

    pixels: [N, C, H, W], 0 to 255, the images themselves, for metrics that score "pixels": uint8, or float32
    where `Spec.side` made them smaller.
    convention: the row of CONVENTIONS it is scored under. seed: of whatever the metric draws.
    shuffle: seed by which rows that are cut in their order are shuffled first; None for images that come in
    no order, as a generator's do. sample: what part of a finite set was taken, and how, as a label says it.
    real_labels, fake_labels: class of each image, where the Spec asks for them; classes: their names.
    generator, extractor: for metrics that score "generator", with the network they asked for. labels: the
    condition of each sample that these draw, None for the model's own choice. count: of the
    samples that these draw, and of the pairs in `pixels`, 0 for the metric's own number. progress: gets the
    number of samples just measured.
    """

    real: Moments | Bank | None = None
    fake: Moments | Bank | None = None
    pixels: Tensor | None = None
    convention: Convention
    seed: int = 0
    shuffle: int | None = None
    sample: str = ""
    real_labels: Tensor | None = None
    fake_labels: Tensor | None = None
    classes: Sequence[str] = field(default_factory=tuple)
    generator: nn.Module | None = None
    labels: Labels | None = None
    extractor: Any = None
    count: int = 0
    progress: Callable[[int], None] = lambda count: None


class Score(NamedTuple):
    """A value with what is known of it.

    error: a standard error or deviation, as the metric's docstring says. counts: (reals, fakes) that it was
    measured on, where these are not all that the metric was given. note: what a reader must know beside it.
    blocks: makes the score of blocks of what it was measured on, where the Spec has `own_blocks`.
    """

    value: float
    error: float | None = None
    counts: tuple[int, int] | None = None
    note: str = ""
    blocks: Callable[[], Blockwise] | None = None


class Request(NamedTuple):
    """One metric as it was asked for; `which` is the convention or detector in brackets, None without."""

    metric: str
    which: str | None


def metric(spec: Spec) -> Callable[[Function], Function]:
    """Decorate `f(inputs) -> {name: float | Score}` with its Spec."""

    def attach(function: Function) -> Function:
        function.spec = spec
        return function

    return attach


def parse(text: str) -> Request:
    """'fid', 'fid[clean]', 'kid[dinov2]' -> a request. UsageError for others, and names of other tools."""
    if name := elsewhere.score(text):
        raise UsageError(f"'{text.strip()}' is a name of another tool: here it is {name}")
    match = _REQUEST.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            f"cannot read the metric '{text}': write a name, or name[convention] such as fid[clean], or "
            "name[detector] such as kid[efficientnet-lite0]"
        )
    return Request(match[1], match[2])

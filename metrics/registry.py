"""@metric attaches a Spec to a function: which features it reads, kept how, and of how many fakes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

Function = TypeVar("Function", bound=Callable)


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What the planner needs to know of a metric."""

    features: str  # name in EXTRACTORS
    head: str  # which of the extractor's outputs
    keep: Literal["moments", "bank"]  # what the function is given of each set of images
    fakes: int  # generated images unless the caller asks for another number
    convention: str  # the metric's own part of the recorded convention, after the extractor's


def metric(
    *, features: str, head: str, keep: Literal["moments", "bank"], fakes: int, convention: str
) -> Callable[[Function], Function]:
    """Decorate `f(real, fake) -> {name: value}`; real and fake are both `Moments` or both `Bank`."""
    spec = Spec(features=features, head=head, keep=keep, fakes=fakes, convention=convention)

    def attach(function: Function) -> Function:
        function.spec = spec
        return function

    return attach

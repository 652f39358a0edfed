"""What each network minimises: its loss with the penalties of every step, or a penalty now and then."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from training.config import LossConfig
from training.context import Context
from training.losses import LOSSES
from training.losses.base import Loss, Penalty, Term, Terms
from training.losses.penalties import R1, GradientPenalty, LeCam, PathLength


@dataclass(eq=False)
class Objective:
    """One optimiser step of one network.

    name: g, d, or that of its penalty.  number: its place among those of a run, for its random numbers.
    loss: None in a step of a penalty alone.
    steps: of D from one step of this kind to the next.
    paired: whether fakes carry the labels of the reals in their order.
    wholes: how often its parts ask for the whole batch, as far as is known; see `Context.whole`.
    """

    name: str
    number: int
    role: Literal["generator", "discriminator"]
    loss: Loss | None
    penalties: Sequence[Penalty]
    steps: int
    paired: bool = False
    wholes: int = field(default=0, compare=False)

    @property
    def fakes(self) -> bool:
        """Whether fakes are looked at."""
        return self.loss is not None or any(penalty.fakes for penalty in self.penalties)

    @property
    def slopes(self) -> bool:
        """Whether gradients with respect to images are."""
        return any(penalty.slopes for penalty in self.penalties)

    @property
    def feature_slopes(self) -> bool:
        """Whether gradients with respect to D's mixed features are."""
        return any(penalty.feature_slopes for penalty in self.penalties)

    @property
    def shrink(self) -> int:
        """It takes 1/shrink of the batch."""
        return 1 if self.loss else max(penalty.shrink for penalty in self.penalties)

    def terms(self, context: Context) -> dict[str, Term]:
        """Everything that is minimised, with its weight, and everything that is only reported."""
        found: dict[str, Term] = {}
        if self.loss:
            found |= _weighted(getattr(self.loss, self.role)(context))
        for penalty in self.penalties:
            found |= _weighted(penalty.terms(context), 1 if self.loss else penalty.interval or 1)
        if self.name == "d":
            found |= observed(context)
        return found


@functools.lru_cache(maxsize=8)
def objectives(config: LossConfig, loss: Loss | None = None) -> tuple[Objective, ...]:
    """The objectives of a run, in the order of a step (Karras et al. 2020): G's, then D's.

    loss: an own one, instead of that which config.name stands for.
    """
    loss = loss or LOSSES[config.name]
    penalties = penalties_of(config)
    paired = loss.paired or any(penalty.paired for penalty in penalties)
    found = []
    for name, role, steps in (("g", "generator", config.d_steps), ("d", "discriminator", 1)):
        own = [penalty for penalty in penalties if penalty.network == role]
        always = [p for p in own if p.interval is None]
        found.append(Objective(name, len(found), role, loss, always, steps, paired))
        for penalty in own:
            if penalty.interval is not None:
                every = steps * penalty.interval
                found.append(Objective(penalty.name, len(found), role, None, [penalty], every, paired))
    return tuple(found)


def penalties_of(config: LossConfig) -> list[Penalty]:
    """The penalties that a config switches on."""
    found: list[Penalty] = []
    if config.path_length_weight:
        interval, shrink = config.path_length_interval, config.path_length_shrink
        found.append(PathLength(config.path_length_weight, interval, config.path_length_decay, shrink))
    if config.r1_gamma:
        features = config.r1_on == "features"
        found.append(R1(config.r1_gamma, config.r1_interval, both=config.r2, features=features))
    if config.gradient_penalty_weight:
        found.append(GradientPenalty(config.gradient_penalty_weight))
    if config.lecam_weight:
        found.append(LeCam(config.lecam_weight, config.lecam_decay))
    return found


def observed(context: Context) -> dict[str, Term]:
    """What is reported of every step of D."""
    real, fake = context.real_logits.detach(), context.fake_logits.detach()
    numbers = {"logits/real": real.mean(), "logits/fake": fake.mean()}
    if len(real) > 1:  # one image has no spread
        both = torch.stack([context.fake.detach(), context.real.detach()])
        fakes, reals = deviation(both, dim=1).flatten(1).mean(dim=1)
        numbers["diversity"] = fakes / reals.clamp_min(1e-8)
    return {name: Term(value, 0) for name, value in numbers.items()}


def deviation(x: Tensor, dim: int) -> Tensor:
    """Standard deviation along a dimension but the last: torch.std takes 25 times as long on a CPU."""
    squares = (x - x.mean(dim=dim, keepdim=True)).square().sum(dim=dim)
    return (squares / (x.shape[dim] - 1)).sqrt()


def _weighted(terms: Mapping[str, Tensor | Term] | Terms, factor: float = 1) -> dict[str, Term]:
    found = {name: term if isinstance(term, Term) else Term(term) for name, term in terms.items()}
    return {name: Term(term.values, term.weight * factor) for name, term in found.items()}

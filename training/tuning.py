"""Which gamma and which learning rates: candidates around the rule of thumb, and a search among them.

The search is successive halving (Karnin et al. 2013; Jamieson and Talwalkar 2016): all candidates train for a
short while, the better half goes on for twice as long, until two have been compared. Nothing here trains:
what a candidate scores comes from a function.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gan.config import assignment, override
from gan.errors import UsageError
from training.config import RunConfig
from training.schedules import Schedule, default_r1_gamma

FACTORS = (1.0, 0.1, 10.0, 100.0)  # of the rule of thumb, where no gammas are given
RESERVE = 0.1  # of the budget, kept back from a plan that rests on one short measurement

Rounds = list[
    dict["Candidate", float]
]  # of each round: candidate -> score, lower is better, inf for a lost run


@dataclass(frozen=True)
class Candidate:
    """loss.r1_gamma and optimizer_g.lr, or what they start from; the discriminator's rate keeps its ratio."""

    gamma: float
    lr: float

    @property
    def name(self) -> str:
        """Of the pilot's folder."""
        return f"gamma{self.gamma:g}-lr{self.lr:g}"


def candidates(
    config: RunConfig, pixels: int, gammas: Sequence[float], lrs: Sequence[float]
) -> list[Candidate]:
    """Every pair of a gamma and a learning rate; empty lists stand for values around those of the preset.

    Without gammas: 0.0002 * pixels / batch times FACTORS, and the preset's own; a preset without R1 stays so.
    Without lrs: the preset's own. UsageError where that makes fewer than two pairs.
    """
    own = config.loss.r1_gamma
    if not gammas:
        heuristic = default_r1_gamma(pixels, config.batch)
        around = [float(f"{heuristic * factor:.3g}") for factor in FACTORS]
        gammas = [0.0] if own == 0 else around if own is None else [*around, start(own)]
    lrs = lrs or [start(config.optimizer_g.lr)]
    found = list(dict.fromkeys(Candidate(gamma, lr) for lr in lrs for gamma in gammas))
    if len(found) < 2:
        raise UsageError(f"only {found[0].name} to try: give several values to --gammas or to --lrs")
    return found


def applied(config: RunConfig, candidate: Candidate) -> RunConfig:
    """The config with a candidate's values; schedules keep their shape. UsageError where they do not fit."""
    factor = candidate.lr / start(config.optimizer_g.lr)
    gamma = moved(config.loss.r1_gamma, candidate.gamma)
    changes = {
        "loss.r1_gamma": gamma,
        "optimizer_g.lr": moved(config.optimizer_g.lr, candidate.lr),
        "optimizer_d.lr": moved(config.optimizer_d.lr, start(config.optimizer_d.lr) * factor),
    }
    return override(config, [assignment(key, value) for key, value in changes.items()])


def start(value: float | Schedule) -> float:
    """A setting's value, or the first one of its schedule."""
    return value.start if isinstance(value, Schedule) else value


def moved(value: float | Schedule | None, new: float) -> float | Schedule:
    """`new`, or the schedule multiplied so that it starts there."""
    if isinstance(value, Schedule) and value.start:
        return replace(value, start=new, end=value.end * new / value.start)
    return new


def search(
    found: Sequence[Candidate], kimg: float, measure: Callable[[Candidate, float], float | None]
) -> Rounds:
    """The rounds of successive halving, the first one after `kimg` thousand images.

    measure(candidate, kimg): its score after so many, lower is better; inf leaves the candidate out of the
    next round; None where the time is up. A round cut short by that is left out, unless it is the first.
    """
    rounds: Rounds = []
    alive = list(found)
    while len(alive) > 1:
        scores: dict[Candidate, float] = {}
        for candidate in alive:
            if (score := measure(candidate, kimg)) is None:
                return rounds or [scores]
            scores[candidate] = score
        rounds.append(scores)
        if len(alive) == 2:
            break
        best = sorted(alive, key=scores.__getitem__)[: math.ceil(len(alive) / 2)]
        alive = [candidate for candidate in best if math.isfinite(scores[candidate])]
        kimg *= 2
    return rounds


def ranking(rounds: Rounds) -> list[tuple[Candidate, int, float]]:
    """(candidate, number of its last round, score there): later rounds come first, then lower scores."""
    last = {
        candidate: (number, score)
        for number, scores in enumerate(rounds)
        for candidate, score in scores.items()
    }
    ordered = sorted(last.items(), key=lambda item: (-item[1][0], item[1][1]))
    return [(candidate, number, score) for candidate, (number, score) in ordered]


def first_length(count: int, seconds: float, per_kimg: float, per_score: float) -> float:
    """Kimg of the first round with which a search among `count` takes `seconds` less RESERVE; <= 0: too few.

    per_kimg: seconds of training.  per_score: seconds of one score and of all else that a round costs.
    """
    reached: dict[Candidate, float] = {}
    scored = 0

    def measure(candidate: Candidate, units: float) -> float:
        nonlocal scored
        scored += 1
        reached[candidate] = units
        return candidate.gamma

    search([Candidate(float(i), 0.0) for i in range(count)], 1.0, measure)
    return (seconds * (1 - RESERVE) - scored * per_score) / (sum(reached.values()) * per_kimg)

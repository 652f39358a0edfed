"""Health of a run, judged from the numbers of its latest ticks: thresholds, and a pure function.

The numbers come from training/monitor.py and the step's own terms. None of them costs a metric's network; the
thresholds are heuristics, wide enough that a run which learns stays `healthy`.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Record = Mapping[str, float | str | None]
State = Literal["healthy", "drifting", "collapsed", "diverged"]
REPEATED = 3  # failing steps of a tick, and most of its steps: no accident any more
LEVELS = ("healthy", "drifting", "collapsed", "diverged")  # 0 to 3 in TensorBoard


@dataclass(frozen=True, kw_only=True)
class HealthConfig:
    """When a run counts as ill, and what happens then. Nothing here changes a step of a run that is well.

    images: reals and fakes compared in every tick; 0 compares none.  window: ticks that are looked at.
    grace_kimg: until then, low diversity alone is how an untrained generator looks; a fall still counts.
    collapsed_diversity, drifting_diversity: of fakes over reals, see `monitor.diversity`.
    drifting_coverage: share of reals with a fake near them, see `monitor.coverage`.
    max_gap: of D's mean logits of reals and fakes, above which D has won.  max_logit: beyond, it diverged.
    max_growth: of a network's weight norm over the window's smallest, or of a gradient norm over its median.
    on_collapse: ignore (warn and go on), stop, or rollback to the last healthy checkpoint, as often as
    max_rollbacks, each time more cautiously: remedies, one or more, say how, see `rollback.hardened`.
    """

    images: int = 64
    window: int = 8
    grace_kimg: float = 200.0
    collapsed_diversity: float = 0.1
    drifting_diversity: float = 0.3
    drifting_coverage: float = 0.05
    max_gap: float = 50.0
    max_logit: float = 1000.0
    max_growth: float = 10.0
    on_collapse: Literal["ignore", "stop", "rollback"] = "ignore"
    max_rollbacks: int = 3
    remedies: tuple[Literal["gamma", "d_lr", "spectral_norm"], ...] = ("gamma", "d_lr")

    def __post_init__(self) -> None:
        if self.images < 0 or self.images == 1 or self.window < 1 or self.max_rollbacks < 0:
            raise ValueError("images must be 0 or >= 2, window >= 1 and max_rollbacks >= 0")
        if self.collapsed_diversity > self.drifting_diversity:
            raise ValueError("collapsed_diversity must not exceed drifting_diversity")
        if self.max_growth <= 1:
            raise ValueError(f"max_growth must be > 1; got {self.max_growth}")
        if not self.remedies:
            raise ValueError("remedies must not be empty: with nothing changed, the run would collapse again")
        if len(set(self.remedies)) < len(self.remedies):
            raise ValueError(f"remedies must differ from each other; got {list(self.remedies)}")


@dataclass(frozen=True)
class Verdict:
    """state, and the reason in words; "" for a healthy run."""

    state: State
    reason: str = ""

    @property
    def lost(self) -> bool:
        """Whether going on as before is of no use."""
        return self.state in ("collapsed", "diverged")


def judge(records: Sequence[Record], config: HealthConfig) -> Verdict:
    """The state after the last of `records`, tick records of one run, oldest first; a pure function.

    A number that is absent or None says nothing. Worst first: diverged, collapsed, drifting.
    """
    window = records[-config.window :]
    checks: tuple[tuple[State, Callable[[Sequence[Record], HealthConfig], str | None]], ...] = (
        ("diverged", _diverged),
        ("collapsed", _collapsed),
        ("drifting", _drifting),
    )
    for state, check in checks:
        if window and (reason := check(window, config)):
            return Verdict(state, reason)
    return Verdict("healthy")


def _diverged(window: Sequence[Record], config: HealthConfig) -> str | None:
    if count := _last(window, "nonfinite"):
        return f"{count:g} of the 2 networks have weights that are NaN or infinite"
    failed, steps = _last(window, "nonfinite_steps") or 0, _last(window, "steps") or 0
    if failed >= REPEATED and failed > steps / 2:
        return f"{failed:g} of {steps:g} steps had gradients that are NaN or infinite"
    for name in ("logits/real", "logits/fake"):
        value = _last(window, name)
        if value is not None and abs(value) > config.max_logit:
            return f"{name} is {value:.3g}, beyond max_logit {config.max_logit:g}"
    for name in ("weight_norm/g", "weight_norm/d"):
        values = _values(window, name)
        if values and min(values) > 0 and values[-1] > config.max_growth * min(values):
            times = values[-1] / min(values)
            return f"{name} grew {times:.3g} times within {len(values)} ticks, to {values[-1]:.3g}"
    return None


def _collapsed(window: Sequence[Record], config: HealthConfig) -> str | None:
    diversity, limit = _last(window, "health/diversity"), config.collapsed_diversity
    if diversity is None or diversity >= limit:
        return None
    peak = max(_values(window, "health/diversity"))
    if peak >= 2 * limit:
        return f"diversity of fakes fell from {peak:.3g} to {diversity:.3g} of that of reals"
    if _past_grace(window, config):
        return f"diversity of fakes is {diversity:.3g} of that of reals, below {limit:g}"
    return None


def _drifting(window: Sequence[Record], config: HealthConfig) -> str | None:
    diversity = _last(window, "health/diversity")
    if diversity is not None:
        peak = max(_values(window, "health/diversity"))
        if peak >= config.drifting_diversity and diversity < peak / 2:
            return f"diversity of fakes halved within {len(window)} ticks, to {diversity:.3g}"
        if _past_grace(window, config) and diversity < config.drifting_diversity:
            return f"diversity of fakes is {diversity:.3g}, below {config.drifting_diversity:g}"
    coverage = _last(window, "health/coverage")
    if coverage is not None and _past_grace(window, config) and coverage < config.drifting_coverage:
        return f"fakes cover {coverage:.3g} of the reals, below {config.drifting_coverage:g}"
    gap = _last(window, "health/gap")
    if gap is not None and abs(gap) > config.max_gap:
        return f"logits of reals and fakes are {gap:.3g} apart, beyond max_gap {config.max_gap:g}"
    for name in ("grad_norm/g", "grad_norm/d"):
        values = _values(window, name)
        usual = statistics.median(values) if len(values) >= 4 else 0.0
        if usual and values[-1] > config.max_growth * usual:
            return f"{name} is {values[-1]:.3g}, {values[-1] / usual:.3g} times its median"
    return None


def _past_grace(window: Sequence[Record], config: HealthConfig) -> bool:
    return (_last(window, "kimg") or 0.0) >= config.grace_kimg


def _last(window: Sequence[Record], name: str) -> float | None:
    """The newest tick's value of that name, if it has a finite one."""
    values = _values(window[-1:], name)
    return values[0] if values else None


def _values(window: Sequence[Record], name: str) -> list[float]:
    """Finite values of that name, oldest first."""
    found = (record.get(name) for record in window)
    return [value for value in found if isinstance(value, int | float) and math.isfinite(value)]

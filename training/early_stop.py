"""When a run ends before its length: rules on its own records, so that resuming does not move the end.

A rule reads what stats.jsonl and metrics.jsonl have up to this moment, which a resumed run has cut to its
checkpoint. Thresholds are this project's.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gan.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class StopConfig:
    """When to stop early; nothing here changes a step.

    when: stalled, where the score that chooses the best checkpoint has not improved by the share
    stalled_gain within stalled_scores scores; overfit, where r_v (`held_out.r_v`) was overfit_r_v or more in
    each of overfit_ticks ticks in a row. Both: whichever is first.
    """

    when: tuple[Literal["stalled", "overfit"], ...] = ()
    stalled_scores: int = 5
    stalled_gain: float = 0.01
    overfit_ticks: int = 20
    overfit_r_v: float = 0.5

    def __post_init__(self) -> None:
        if self.stalled_scores < 1 or self.overfit_ticks < 1:
            raise ValueError("stalled_scores and overfit_ticks must be >= 1")
        if not 0 <= self.stalled_gain < 1:
            raise ValueError(f"stalled_gain is a share, from 0 to below 1; got {self.stalled_gain}")
        if self.overfit_r_v <= 0:
            raise ValueError(f"overfit_r_v must be > 0; got {self.overfit_r_v}")


def stalled(records: Sequence[Mapping[str, Any]], better: str, config: StopConfig) -> str | None:
    """Why to stop after the last of `records`, of one score, oldest first; None to go on.

    better: "lower" or "higher". A record without a value, which is infinite, is no improvement.
    """
    if "stalled" not in config.when or not records:
        return None
    sign, least, since = (1 if better == "lower" else -1), None, 0
    for number, record in enumerate(records):
        value = math.inf if record["value"] is None else sign * record["value"]
        if least is None or value < least - config.stalled_gain * (abs(least) if math.isfinite(least) else 0):
            least, since = value, number
    if len(records) - 1 - since < config.stalled_scores:
        return None
    best = records[since]
    return (
        f"stalled: {best['label']} no better for {config.stalled_scores} scores, since {best['kimg']:g} kimg"
    )


def overfit(records: Sequence[Mapping[str, Any]], config: StopConfig) -> str | None:
    """Why to stop after the last of `records`, of ticks, oldest first; None to go on."""
    if "overfit" not in config.when:
        return None
    found = [record.get("held_out/r_v") for record in records[-config.overfit_ticks :]]
    if len(found) < config.overfit_ticks or any(r is None or r < config.overfit_r_v for r in found):
        return None
    return f"overfit: r_v {config.overfit_r_v:g} or more for {len(found)} ticks, now {found[-1]:.3g}"


def check(config: StopConfig, *, scored: bool, held_out: bool) -> None:
    """UsageError for a rule that would never have a number.

    scored: whether a score chooses the best checkpoint.  held_out: whether ticks compare held-out images.
    """
    if "stalled" in config.when and not scored:
        raise UsageError(
            "stop.when stalled needs a score whose low or high values are better: name it with --metrics, or"
            " set stop.when=[]"
        )
    if "overfit" in config.when and not held_out:
        raise UsageError(
            "stop.when overfit needs held-out images: name them with data.held_out, with health.images above"
            " 0, or set stop.when=[]"
        )

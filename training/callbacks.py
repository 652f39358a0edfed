"""Own code that is called while a run trains: objects with any of the methods of `Callback`.

A callback may also be a logger of the shape `init / log / finish`, such as the modules wandb and trackio.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from gan import randomness
from gan.config import to_dict
from gan.errors import UsageError
from training.state import TrainState

EVENTS = ("start", "step", "tick", "snapshot", "score", "end")


class Callback(Protocol):
    """What a callback may have; each method is called in every process, with the state at rest.

    A reason in words that `step` or `tick` returns ends the run as Ctrl-C does, saved. Random numbers drawn
    within change nothing of the run; what is changed of the state does.
    """

    def start(self, state: TrainState) -> None:
        """Before the first step of a session; `state.run` is the run's directory."""

    def step(self, state: TrainState, terms: Mapping[str, Any]) -> str | None:
        """After every step: its terms as tensors without gradients."""

    def tick(self, state: TrainState, record: Mapping[str, Any]) -> str | None:
        """After every tick: its record, as in stats.jsonl; {} in all processes but the first."""

    def snapshot(self, state: TrainState, folder: Path) -> None:
        """After a checkpoint was written to `folder`, which all then wait for."""

    def score(self, state: TrainState, records: Sequence[Mapping[str, Any]]) -> None:
        """After the scores of --metrics: their records; [] in all processes but the first."""

    def end(self, state: TrainState, reason: str | None) -> None:
        """After the last step of a session; why it ended before its time, or None."""


class Callbacks:
    """All callbacks of a run. Raises UsageError for an object without any of the methods."""

    def __init__(self, given: Sequence[object]):
        self.given = [Logger(one) if _is_logger(one) else one for one in given]
        for one in self.given:
            if not any(callable(getattr(one, event, None)) for event in EVENTS):
                raise UsageError(
                    f"{type(one).__name__} is no callback: give it one of the methods {', '.join(EVENTS)},"
                    " or init, log and finish"
                )

    def call(self, event: str, state: TrainState, *about: Any) -> str | None:
        """Call that method of all that have it; the first reason to stop that one returns, if any."""
        methods = [method for one in self.given if callable(method := getattr(one, event, None))]
        if not methods:
            return None
        with randomness.kept():
            reasons = [method(state, *about) for method in methods]
        return next((reason for reason in reasons if isinstance(reason, str)), None)

    def hears(self, event: str) -> str | None:
        """The class of one that has the method of that event, None if none has."""
        heard = [type(one).__name__ for one in self.given if callable(getattr(one, event, None))]
        return heard[0] if heard else None


class Logger:
    """A logger as a callback: `init(project, name, config)`, `log(numbers)`, `finish()`."""

    def __init__(self, logger: Any):
        self.logger = logger

    def start(self, state: TrainState) -> None:
        """Begin, with the settings of the run."""
        name = state.run.name if state.run else state.config.preset
        self.logger.init(project="gan", name=name, config=to_dict(state.config))

    def tick(self, state: TrainState, record: Mapping[str, Any]) -> None:
        """The numbers of the record."""
        numbers = {key: value for key, value in record.items() if isinstance(value, int | float)}
        if numbers:
            self.logger.log(numbers)

    def score(self, state: TrainState, records: Sequence[Mapping[str, Any]]) -> None:
        """The scores, by metric."""
        if records:
            finite = [record for record in records if record["value"] is not None]
            scores = {f"metrics/{record['metric']}": record["value"] for record in finite}
            self.logger.log({**scores, "kimg": state.nimg / 1000})

    def end(self, state: TrainState, reason: str | None) -> None:
        """Finish."""
        self.logger.finish()


def _is_logger(one: object) -> bool:
    return all(callable(getattr(one, name, None)) for name in ("init", "log", "finish"))

"""What may be asked for: words, classes, bounds of conditions, and a classifier of the operator's own.

It looks at every text of a request and at the class that it comes to, by whatever name or number. A key that
comes near what is blocked again and again is refused for a while, whatever it asks for.
"""

import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from gan import plugins
from gan.errors import UsageError, UserError
from gan.jobs.serving import wording
from gan.jobs.serving.hooks import Asked, Hook, Undecided
from gan.jobs.serving.keys import Key
from gan.jobs.serving.models import Facts
from gan.jobs.serving.quotas import Usage
from gan.jobs.serving.settings import ServeConfig

# Of requests that met a rule: refused; near: let through, and counted against the key; failed: the classifier
# did, and the request was refused; late: it did not answer in time, and the request was turned away.
OUTCOMES = ("refused", "near", "failed", "late")
Bounds = tuple[tuple[float, float], ...]
Label = int | tuple[float, ...] | None


class Refused(UserError):
    """What was asked for is blocked. Which rule it met is not told: it would teach the way around it."""

    def __init__(self) -> None:
        super().__init__("this server does not make what was asked for")


class Inputs:
    """The rules of the settings, for the models that are served.

    counts: requests by one of OUTCOMES. Methods may be called from any thread.
    """

    def __init__(self, settings: ServeConfig, models: Mapping[str, Facts], usage: Usage) -> None:
        """Raises UserError for a list that cannot be read, UsageError for a class that no model has, bounds
        that do not fit a model, and a classifier that is not there.
        """
        self._settings, self._usage = settings, usage
        self._words = None if settings.blocked_words is None else wording.read(settings.blocked_words)
        self._barred = {name: self._named(facts) for name, facts in models.items()}
        for entry in settings.blocked_classes:
            met = [(name, number) for name, facts in models.items() for number in _meant(entry, facts)]
            if not met:
                raise UsageError(
                    f"blocked_classes: no model has the class {entry!r}: mend it, or leave it out"
                )
            for name, number in met:
                self._barred[name].add(number)
        self._bounds = {facts.name: self._bounded(facts) for facts in models.values() if facts.vectors}
        hook = _classifier(settings.input_classifier)
        self._classifier = None if hook is None else Asked(hook, settings.input_classifier_seconds)
        self._watching = self._words is not None or self._classifier is not None or any(self._barred.values())
        self.counts: Counter[str] = Counter()
        self._counting = threading.Lock()

    def hear(self, key: Key, texts: Iterable[str]) -> bool:
        """Whether texts of a request come near a blocked word.

        Raises Refused where one is met, and TooMany for a key that came near too often.
        """
        if self._watching:
            self._usage.check_near_misses(key, *self._patience())
        found = {self._words.look(text) for text in texts} if self._words is not None else set()
        if found & {"exact", "disguised"}:
            self._refuse(key)
        if "near" in found:
            self._count("near")
            self._usage.near_miss(key, *self._patience())
        return "near" in found

    def admit(self, key: Key, facts: Facts, label: Label, texts: Sequence[str], psi: float) -> None:
        """Raises Refused for a label of a model that is blocked, and where the classifier does not say True;
        Undecided where it does not answer in time.

        UsageError for no label where a class that is blocked could be drawn, and for values out of bounds.
        """
        barred = self._barred[facts.name]
        if label in barred and isinstance(label, int):
            self._refuse(key)
        if label is None and barred:
            raise UsageError(f"the model {facts.name} has classes that are not served: name a class")
        if label is None and not _within(facts.seen, self.bounds(facts)):
            raise UsageError(f"the model {facts.name} has conditions that are not served: give one")
        if isinstance(label, tuple):
            for number, (value, (low, high)) in enumerate(zip(label, self.bounds(facts), strict=False)):
                if not any(low <= each <= high for each in (value, float(np.float32(value)))):
                    raise UsageError(f"condition.{number} must be from {low:g} to {high:g}")
        if self._classifier is not None:
            name = facts.classes[label] if isinstance(label, int) and facts.classes else None
            asked = {"model": facts.name, "texts": list(texts), "psi": psi, "class_name": name}
            asked |= {"condition": list(label)} if isinstance(label, tuple) else {"class": label}
            try:
                allowed = self._classifier(asked)
            except Undecided:
                self._count("late")
                raise
            except BaseException as error:
                self._count("failed")
                raise Refused from error
            if allowed is not True:
                self._refuse(key)

    def bounds(self, facts: Facts) -> Bounds:
        """Lowest and highest of each value of a condition; none where none are known."""
        return self._bounds.get(facts.name, ())

    @property
    def stuck(self) -> int:
        """Calls of the classifier whose time is over and which have not come back."""
        return 0 if self._classifier is None else self._classifier.late

    def _named(self, facts: Facts) -> set[int]:
        """Classes whose names meet a blocked word."""
        looked = enumerate(facts.classes if self._words is not None else ())
        return {number for number, name in looked if self._words.look(name) in ("exact", "disguised")}

    def _bounded(self, facts: Facts) -> Bounds:
        """Those of the settings, one pair a value; where they have none, what the model was trained with."""
        bounds = self._settings.condition_bounds
        if len(bounds) not in (0, 1, facts.c_dim):
            raise UsageError(
                f"condition_bounds has {len(bounds)} pairs, and {facts.name} takes"
                f" {facts.c_dim} values: give one pair, or as many"
            )
        return bounds * facts.c_dim if len(bounds) == 1 else bounds or facts.seen

    def _refuse(self, key: Key) -> None:
        self._count("refused")
        self._usage.near_miss(key, *self._patience())
        raise Refused

    def _patience(self) -> tuple[int, float]:
        return self._settings.near_misses, 60 * self._settings.near_miss_minutes

    def _count(self, outcome: str) -> None:
        with self._counting:
            self.counts[outcome] += 1


def _within(seen: Bounds, bounds: Bounds) -> bool:
    """Whether all conditions that could be drawn lie within the bounds."""
    return all(low <= a and b <= high for (a, b), (low, high) in zip(seen, bounds, strict=False))


def _meant(entry: int | str, facts: Facts) -> list[int]:
    """Classes of a model that an entry means: a number, a name, or either after "model/"."""
    model, slash, rest = entry.partition("/") if isinstance(entry, str) else ("", "", "")
    wanted: int | str = entry
    if slash and model == facts.name:
        wanted = int(rest) if rest.isascii() and rest.isdigit() else rest
    if facts.vectors or not facts.c_dim:
        return []
    if isinstance(wanted, int):
        return [wanted] if 0 <= wanted < facts.c_dim else []
    same = wording.folded(wanted)
    return [number for number, name in enumerate(facts.classes) if wording.folded(name) == same]


def _classifier(place: str | None) -> Hook | None:
    """The function of module:function or FILE.py:function."""
    if place is None:
        return None
    module, _, name = place.rpartition(":")
    if not module or not name:
        raise UsageError(f"input_classifier {place}: write module:function or FILE.py:function")
    found = getattr(plugins.module_asked(module, f"input_classifier {place}", "function"), name, None)
    if not callable(found):
        raise UsageError(f"input_classifier {place}: {module} has no function '{name}'")
    return found

"""What may be asked for: words, classes, bounds of conditions, and a classifier of the operator's own.

It looks at every text of a request and at the class that it comes to, by whatever name or number. A key that
comes near what is blocked again and again is refused for a while, whatever it asks for.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from gan import plugins
from gan.errors import UsageError, UserError
from gan.jobs.serving import wording
from gan.jobs.serving.keys import Key
from gan.jobs.serving.models import Facts
from gan.jobs.serving.quotas import Usage
from gan.jobs.serving.settings import ServeConfig

Label = int | tuple[float, ...] | None
Classifier = Callable[[dict[str, Any]], object]


class Refused(UserError):
    """What was asked for is blocked. Which rule it met is not told: it would teach the way around it."""

    def __init__(self) -> None:
        super().__init__("this server does not make what was asked for")


class Inputs:
    """The rules of the settings, for the models that are served.

    counts: requests by outcome: "refused", "near" (let through, and counted against the key), "failed" (the
    classifier did, and the request was refused). Methods may be called from any thread.
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
        for facts in models.values():
            if facts.vectors and len(settings.condition_bounds) not in (0, 1, facts.c_dim):
                raise UsageError(
                    f"condition_bounds has {len(settings.condition_bounds)} pairs, and {facts.name} takes"
                    f" {facts.c_dim} values: give one pair, or as many"
                )
        self._classifier = _classifier(settings.input_classifier)
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
        """Raises Refused for a label of a model that is blocked, and where the classifier does not say True.

        UsageError for no label where a class that is blocked could be drawn, and for values out of bounds.
        """
        barred = self._barred[facts.name]
        if label in barred and isinstance(label, int):
            self._refuse(key)
        if label is None and barred:
            raise UsageError(f"the model {facts.name} has classes that are not served: name a class")
        if isinstance(label, tuple):
            self._bound(label)
        if self._classifier is not None:
            name = facts.classes[label] if isinstance(label, int) and facts.classes else None
            asked = {"model": facts.name, "texts": list(texts), "psi": psi, "class_name": name}
            asked |= {"condition": list(label)} if isinstance(label, tuple) else {"class": label}
            try:
                allowed = self._classifier(asked)
            except Exception as error:
                self._count("failed")
                raise Refused from error
            if allowed is not True:
                self._refuse(key)

    def _named(self, facts: Facts) -> set[int]:
        """Classes whose names meet a blocked word."""
        looked = enumerate(facts.classes if self._words is not None else ())
        return {number for number, name in looked if self._words.look(name) in ("exact", "disguised")}

    def _bound(self, vector: tuple[float, ...]) -> None:
        bounds = self._settings.condition_bounds
        pairs = bounds * len(vector) if len(bounds) == 1 else bounds
        for number, (value, (low, high)) in enumerate(zip(vector, pairs, strict=False)):
            if not low <= value <= high:
                raise UsageError(f"condition.{number} must be from {low:g} to {high:g}")

    def _refuse(self, key: Key) -> None:
        self._count("refused")
        self._usage.near_miss(key, *self._patience())
        raise Refused

    def _patience(self) -> tuple[int, float]:
        return self._settings.near_misses, 60 * self._settings.near_miss_minutes

    def _count(self, outcome: str) -> None:
        with self._counting:
            self.counts[outcome] += 1


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


def _classifier(place: str | None) -> Classifier | None:
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

"""Who judges what, when, and on which side: random by the seed, and balanced.

    pairs          every two sources equally often, sides in turns
    real-or-fake   as many real pictures as fakes, and every source of fakes equally often
    quality        every source equally often
    flags          all pictures of all sources

Every rater has the same pictures, so that agreement can be measured, in an order of their own. "Equally
often" is to within one trial, for each rater and for all together.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from gan.errors import UsageError

KINDS = ("pairs", "real-or-fake", "quality", "flags")
USUAL = 100  # trials of a rater
MAX_TRIALS, MAX_RATERS = 2000, 100
CATCH_EVERY = 10  # trials to one catch trial

Picture = tuple[int, int]  # source, number within it


class Plan(NamedTuple):
    """trials: how many a rater has, without catch trials.

    decks: pictures to be judged, one deck a source (flags: one deck of all).
    slots: of which decks the pictures of one trial come, in turns.
    """

    trials: int
    decks: list[list[Picture]]
    slots: list[tuple[int, ...]]


def plan(kind: str, sizes: Sequence[int | None], real: int | None, trials: int | None, seed: int) -> Plan:
    """What a study shows.

    sizes: pictures of each source, None where there is no end.  real: which source is real, for real-or-fake.
    trials: None for as many as usual, and as there are pictures for. UsageError where the sources are too few
    or too small, so that a rater would see a trial twice.
    """
    rng = np.random.default_rng((seed, 0))
    if kind == "flags":
        every = [(s, n) for s, size in enumerate(sizes) for n in range(size or USUAL)]
        trials = _fitting(trials, len(every), usual=MAX_TRIALS)
        return Plan(trials, [[every[i] for i in rng.permutation(len(every))[:trials]]], [(0,)])
    slots = _slots(kind, len(sizes), real)
    often = Counter(slots)
    ends = [MAX_TRIALS if size is None else size for size in sizes]
    most = min(len(slots) * (ends[deck] // often[slot]) for slot in often for deck in slot)
    trials = _fitting(trials, most, usual=USUAL)
    turns = -(-trials // len(slots))
    needs = {deck: turns * often[slot] for slot in often for deck in slot}
    decks: list[list[Picture]] = []
    for deck, size in enumerate(sizes):
        numbers = range(needs[deck]) if size is None else rng.permutation(size)[: needs[deck]]
        decks.append([(deck, int(number)) for number in numbers])
    return Plan(trials, decks, slots)


def deal(found: Plan, raters: int, seed: int) -> list[list[tuple[Picture, ...]]]:
    """The trials of each rater, in order, as the pictures from left to right."""
    counters: Counter[tuple[int, ...]] = Counter()
    dealt = []
    for rater in range(raters):
        mine: Counter[tuple[int, ...]] = Counter()
        trials = []
        for turn in range(rater * found.trials, (rater + 1) * found.trials):
            slot = found.slots[turn % len(found.slots)]
            shown = tuple(found.decks[deck][counters[slot] % len(found.decks[deck])] for deck in slot)
            turned = (mine[slot] + rater + found.slots.index(slot)) % 2
            trials.append(shown[::-1] if turned else shown)
            counters[slot] += 1
            mine[slot] += 1
        order = np.random.default_rng((seed, 1, rater)).permutation(len(trials))
        dealt.append([trials[i] for i in order])
    return dealt


def places_of_catches(trials: int, catch: int, rater: int, seed: int) -> list[int]:
    """Where catch trials come in the list of a rater, ascending, among `trials` + `catch` in all."""
    rng = np.random.default_rng((seed, 2, rater))
    return sorted(rng.choice(trials + catch, size=catch, replace=False).tolist())


def _slots(kind: str, sources: int, real: int | None) -> list[tuple[int, ...]]:
    if kind == "pairs":
        if sources < 2:
            raise UsageError("--kind pairs compares two or more sources: name another one")
        return list(combinations(range(sources), 2))
    if kind == "quality":
        return [(source,) for source in range(sources)]
    fakes = [source for source in range(sources) if source != real]
    if real is None or not fakes:
        raise UsageError(
            "--kind real-or-fake needs fakes and real pictures: name the models, and --real FOLDER"
        )
    return [slot for fake in fakes for slot in ((real,), (fake,))]


def _fitting(trials: int | None, most: int, usual: int) -> int:
    """The number of trials; UsageError where pictures do not suffice."""
    most = min(most, MAX_TRIALS)
    if most < 1:
        raise UsageError("a source has too few pictures: give each of them more")
    if trials is not None and trials > most:
        raise UsageError(
            f"--trials {trials}: these sources have pictures for {most}, as a rater sees no trial twice; "
            f"take --trials {most}, or more pictures"
        )
    return min(usual, most) if trials is None else trials

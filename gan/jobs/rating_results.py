"""Answers -> numbers: strengths, HYPE, means, flags, each with its interval, and how far raters agree.

Raters who fail more catch trials than they may are left out, and named. Intervals resample raters where two
or more are left, else single answers.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

import numpy as np

from gan.jobs.rating import Study
from gan.jobs.rating_answers import FLAGS, Answers, is_right
from metrics.agreement import krippendorff_alpha
from metrics.deception import hype
from metrics.preference import NoMaximum, preferred, with_intervals
from metrics.resampling import LEVEL, ratio

PASS = 0.75  # share of catch trials that a rater must get right
DROP = 0.5  # share of the raters of a picture whose flags drop it
FEW = 5  # units that are resampled, below which intervals mean little
SCALES = {"pairs": "nominal", "real-or-fake": "nominal", "quality": "ordinal", "flags": "nominal"}
Row = dict[str, Any]


def rows(study: Study, answers: Answers) -> list[Row]:
    """One row an answer, in the order of raters and of answering, with all that is known of its trial.

    sources, pictures: names, from left to right.  chosen: of pairs, the source that was preferred.
    """
    found = []
    for rater in range(len(study.about["raters"])):
        for trial, line in answers.of(rater).items():
            numbers = study.trials(rater)[trial]
            pictures = [study.pictures[number] for number in numbers]
            row = {
                "rater": rater + 1,
                "trial": trial + 1,
                "catch": study.is_catch(rater, trial),
                "numbers": numbers,
                "sources": [picture["source"] for picture in pictures],
                "pictures": [picture["name"] for picture in pictures],
                "answer": line["answer"],
                "ms": line.get("ms"),
                "time": line.get("time"),
            }
            row["right"] = is_right(study.kind, pictures, line["answer"]) if row["catch"] else None
            found.append(row)
    return found


def results(study: Study, answers: Answers, seed: int = 0) -> dict[str, Any]:
    """All numbers of a study as JSON data; `notes` says in words what is missing and why."""
    found = rows(study, answers)
    raters = [_rater(study, number, found) for number in range(1, len(study.about["raters"]) + 1)]
    kept = [row for row in found if raters[row["rater"] - 1]["kept"] and not row["catch"]]
    notes = [f"{answers.lost} lines of the log are damaged and left out"] if answers.lost else []
    told: dict[str, Any] = {
        "kind": study.kind,
        "time_limit": study.limit,
        "raters": raters,
        "answers": len(kept),
        "level": LEVEL,
        "resampled": "raters" if len({row["rater"] for row in kept}) > 1 else "answers",
        "sources": [],
        "agreement": {"scale": SCALES[study.kind], "alpha": _alpha(study, kept)},
        "notes": notes,
    }
    if out := [str(rater["rater"]) for rater in raters if not rater["kept"]]:
        notes.append(f"left out for catch trials answered wrong: rater {', '.join(out)}")
    if not kept:
        notes.append("there are no answers yet")
        return told
    work = {"pairs": _pairs, "real-or-fake": _deception, "quality": _quality, "flags": _flags}
    told |= work[study.kind](study, kept, notes, seed)
    if (units := int(_units(kept).max()) + 1) < FEW:
        notes.append(f"intervals of {units} {told['resampled']} are too narrow: have {FEW} or more")
    return told


def _rater(study: Study, number: int, found: Sequence[Row]) -> dict[str, Any]:
    mine = [row for row in found if row["rater"] == number]
    catch = [row["right"] for row in mine if row["catch"]]
    times = [row["ms"] for row in mine if row["ms"] is not None]
    return {
        "rater": number,
        "answers": len(mine),
        "trials": len(study.trials(number - 1)),
        "catch_right": sum(catch),
        "catch": len(catch),
        "median_seconds": median(times) / 1000 if times else None,
        "kept": not catch or sum(catch) / len(catch) >= PASS,
    }


def _units(kept: Sequence[Row]) -> np.ndarray:
    """Of each answer the unit that is resampled, from 0 on: its rater, or itself where there is one rater."""
    raters = sorted({row["rater"] for row in kept})
    if len(raters) < 2:
        return np.arange(len(kept))
    return np.array([raters.index(row["rater"]) for row in kept])


def _summed(units: np.ndarray, values: Iterable[float]) -> np.ndarray:
    """Sums of the values of each unit, [U]."""
    return np.bincount(units, weights=np.array(list(values), float))


def _interval(found: tuple[float, float, float]) -> dict[str, float]:
    return dict(zip(("value", "low", "high"), found, strict=True))


def _pairs(study: Study, kept: Sequence[Row], notes: list[str], seed: int) -> dict[str, Any]:
    count, units = len(study.names), _units(kept)
    wins = np.zeros((units.max() + 1, count, count))
    for unit, row in zip(units, kept, strict=True):
        left, right = row["sources"]
        share = {"left": 1.0, "right": 0.0, "tie": 0.5}[row["answer"]]
        wins[unit, left, right] += share
        wins[unit, right, left] += 1 - share
    table = wins.sum(axis=0)
    sources = [
        {"name": name, "wins": table[i].sum(), "comparisons": table[i].sum() + table[:, i].sum()}
        for i, name in enumerate(study.names)
    ]
    told = {"sources": sources, "wins": table.tolist()}
    try:
        strengths = with_intervals(wins, study.names, seed)
    except NoMaximum as error:
        notes.append(str(error))
        return told
    if strengths.intervals is None:
        notes.append("too few comparisons for intervals: in many resamples a source never lost, or never won")
    for i, source in enumerate(sources):
        ends = (None, None) if strengths.intervals is None else strengths.intervals[:, i].tolist()
        source |= {"value": float(strengths.values[i]), "low": ends[0], "high": ends[1]}
    sources.sort(key=lambda source: -source["value"])
    return told | {"preferred": preferred(strengths.values).tolist()}


def _deception(study: Study, kept: Sequence[Row], notes: list[str], seed: int) -> dict[str, Any]:
    units = _units(kept)
    sources: list[dict[str, Any]] = []
    source = np.array([row["sources"][0] for row in kept])
    wrong = np.array([(row["answer"] == "real") != (row["sources"][0] == study.real) for row in kept])
    of_reals = source == study.real
    for number, name in enumerate(study.names):
        mine = source == number
        if number == study.real:
            continue
        if not (mine.any() and of_reals.any()):
            notes.append(f"{name}: no HYPE before fakes of it and real pictures were judged")
            continue
        counts = [_summed(units, part) for part in (wrong & mine, mine, wrong & of_reals, of_reals)]
        found = hype(counts[0], counts[1], counts[2], counts[3], seed=seed)
        told = {"name": name, **_interval(found.hype), "fakes_judged": int(mine.sum())}
        told |= {
            "fakes_taken_for_real": _interval(found.fakes),
            "reals_taken_for_fake": _interval(found.reals),
        }
        sources.append(told | {"reals_judged": int(of_reals.sum())})
    sources.sort(key=lambda source: -source["value"])
    return {"sources": sources}


def _quality(study: Study, kept: Sequence[Row], notes: list[str], seed: int) -> dict[str, Any]:
    units, sources = _units(kept), []
    for number, name in enumerate(study.names):
        mine = [row["sources"][0] == number for row in kept]
        if not any(mine):
            notes.append(f"{name}: nothing was rated yet")
            continue
        ratings = [row["answer"] * held for row, held in zip(kept, mine, strict=True)]
        mean = ratio(_summed(units, ratings), _summed(units, mine), seed)
        counts = Counter(rating for rating in ratings if rating)
        told = {"name": name, **_interval(mean), "ratings": sum(mine)}
        sources.append(told | {"counts": [counts[rating] for rating in range(1, 6)]})
    sources.sort(key=lambda source: -source["value"])
    return {"sources": sources}


def _flags(study: Study, kept: Sequence[Row], notes: list[str], seed: int) -> dict[str, Any]:
    units, sources = _units(kept), []
    for number, name in enumerate(study.names):
        mine = [row["sources"][0] == number for row in kept]
        if not any(mine):
            notes.append(f"{name}: nothing was looked at yet")
            continue
        flagged = [bool(row["answer"]["flags"]) and held for row, held in zip(kept, mine, strict=True)]
        share = ratio(_summed(units, flagged), _summed(units, mine), seed)
        counts = Counter(
            flag for row, held in zip(kept, mine, strict=True) if held for flag in row["answer"]["flags"]
        )
        told = {"name": name, **_interval(share), "looked_at": sum(mine)}
        sources.append(told | {"counts": {flag: counts[flag] for flag in FLAGS}})
    sources.sort(key=lambda source: source["value"])
    return {"sources": sources, "flagged": _flagged(study, kept)}


def _flagged(study: Study, kept: Sequence[Row]) -> list[dict[str, Any]]:
    """Every picture that somebody flagged, those of most raters first; `drop` where half of them or more."""
    judged: dict[int, list[Row]] = {}
    for row in kept:
        judged.setdefault(row["numbers"][0], []).append(row)
    found = []
    for number, said in judged.items():
        flagged = [row["answer"] for row in said if row["answer"]["flags"]]
        if flagged:
            found.append(
                {
                    "picture": number,
                    "source": study.names[study.pictures[number]["source"]],
                    "name": study.pictures[number]["name"],
                    "raters": len(said),
                    "flagged": len(flagged),
                    "flags": [flag for flag in FLAGS if any(flag in answer["flags"] for answer in flagged)],
                    "notes": [answer["note"] for answer in flagged if answer["note"]],
                    "drop": len(flagged) / len(said) >= DROP,
                }
            )
    return sorted(found, key=lambda one: (-one["flagged"] / one["raters"], one["picture"]))


def _alpha(study: Study, kept: Sequence[Row]) -> float | None:
    """Krippendorff's alpha over pictures, or pairs of them, that several raters judged."""
    raters = sorted({row["rater"] for row in kept})
    units: dict[tuple[int, ...], int] = {}
    for row in kept:
        units.setdefault(tuple(sorted(row["numbers"])), len(units))
    ratings = np.full((len(raters), len(units)), np.nan)
    for row in kept:
        unit = units[tuple(sorted(row["numbers"]))]
        ratings[raters.index(row["rater"]), unit] = _value(study.kind, row, turned=unit % 2 == 1)
    return krippendorff_alpha(ratings, SCALES[study.kind])


def _value(kind: str, row: Row, *, turned: bool) -> float:
    """An answer as a number, the same whatever side a picture was on.

    turned: which picture of a pair counts as the first: of every other pair the second, for by themselves
    first and second mean nothing, and raters who all prefer one source must not look like a habit.
    """
    if kind == "pairs":
        if row["answer"] == "tie":
            return 0.0
        is_first = (row["numbers"][0] < row["numbers"][1]) == (row["answer"] == "left")
        return 1.0 if is_first != turned else 2.0
    if kind == "quality":
        return row["answer"]
    return float(row["answer"] == "real" if kind == "real-or-fake" else bool(row["answer"]["flags"]))

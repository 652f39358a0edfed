"""Folders of pictures, studies of them, and raters who answer by a rule, for tests."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gan.jobs.rating import Asked, Study, created
from gan.jobs.rating_answers import Answers
from tests.gan.work_folders import picture


def folder(place: Path, count: int, first: int = 0) -> Path:
    """Write `count` drawings, 000.png, ..., into a folder -> its path."""
    place.mkdir(parents=True)
    for number in range(count):
        picture(first + number, (48, 48)).save(place / f"{number:03d}.png")
    return place


def study(place: Path, kind: str, sources: int = 2, count: int = 12, **more: Any) -> Study:
    """A study in place/study of folders place/alpha, place/beta, ...; of real-or-fake the last is real."""
    names = ("alpha", "beta", "gamma", "delta")[:sources]
    places = [folder(place / name, count, 20 * i) for i, name in enumerate(names)]
    if kind == "real-or-fake":
        more["real"] = places.pop()
    asked = Asked(places=tuple(places), kind=kind, **more)
    return created(asked, place / "study", lambda line: None)


Rule = Callable[[int, int, list[dict[str, Any]]], Any]


def answer_all(made: Study, rule: Rule) -> Answers:
    """Every rater answers every trial: rule(rater, trial, pictures from left to right) -> answer."""
    answers = Answers(made)
    for rater in range(len(made.about["raters"])):
        while (trial := answers.state(rater)["trial"]) is not None:
            shown = [made.pictures[number] for number in made.trials(rater)[trial]]
            answers.answer(rater, trial, rule(rater, trial, shown), 1000)
    return answers


def careful(rule: Rule, kind: str) -> Rule:
    """The rule, but right in catch trials."""

    def ruled(rater: int, trial: int, shown: list[dict[str, Any]]) -> Any:
        if not any(picture["spoiled"] for picture in shown):
            return rule(rater, trial, shown)
        if kind == "pairs":
            return "right" if shown[0]["spoiled"] else "left"
        return {"real-or-fake": "fake", "quality": 1, "flags": {"flags": ["broken"]}}[kind]

    return ruled

"""A study that simulated raters have answered: `python docs/simulated_raters.py STUDY FOLDER FOLDER ...`.

Each folder is preferred to the one before it, with odds of e to 1; one answer in ten is a tie.
"""

import math
import sys
from pathlib import Path

import numpy as np

from gan.jobs.rating import Asked, created
from gan.jobs.rating_answers import Answers

RATERS = 6
TIES = 0.1
MILLISECONDS = 1800


def answered(out: Path, places: tuple[Path, ...]) -> None:
    """Make the study, and answer every trial of every rater; catch trials as they should be."""
    study = created(Asked(places=places, kind="pairs", raters=RATERS), out)
    answers, rng = Answers(study), np.random.default_rng(0)
    for rater in range(RATERS):
        while (trial := answers.state(rater)["trial"]) is not None:
            left, right = (study.pictures[number] for number in study.trials(rater)[trial])
            odds = 1 / (1 + math.exp(right["source"] - left["source"]))
            answer = "left" if rng.random() < odds else "right"
            if left["spoiled"] or right["spoiled"]:
                answer = "right" if left["spoiled"] else "left"
            elif rng.random() < TIES:
                answer = "tie"
            answers.answer(rater, trial, answer, MILLISECONDS)


if __name__ == "__main__":
    answered(Path(sys.argv[1]), tuple(map(Path, sys.argv[2:])))

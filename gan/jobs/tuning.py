"""The pilots of a `gan tune`: what they cost and scored is recorded, so that a search can go on."""

import dataclasses
import json
import math
import os
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from gan.config import dumps_yaml, override, to_dict
from gan.console import say
from gan.devices import pick
from gan.errors import UsageError, UserError
from gan.files import atomic_bytes, json_lines, read_json
from gan.jobs import training
from gan.jobs.demo import trained_seconds
from gan.jobs.run_scores import RunScorer, features_seen
from gan.models import checkpoint
from metrics.plan import plan
from training.config import RunConfig
from training.data.images import ImageDataset, open_dataset
from training.tuning import Candidate, Rounds, applied, candidates, first_length, ranking, search

METRIC = "fd-efficientnet-lite0"  # unless another is named; needs no download
RECORD = "tune.json"  # in the search's folder: settings, time spent, and the score of every pilot so far
TRIAL = 0.05  # of the budget: how long the first pilot trains to find how long the others may


def tune(
    preset: str | None,
    data: str,
    *,
    out: Path,
    gammas: Sequence[float] = (),
    lrs: Sequence[float] = (),
    pilot_kimg: float | None = None,
    minutes: float = 60.0,
    metric: str = METRIC,
    num_fakes: int | None = None,
    overrides: Sequence[str] = (),
    device: str = "auto",
) -> dict[str, Any]:
    """Short trainings rank gammas and learning rates; the best become the preset that the result names.

    preset, data, out, overrides, device: as `gan.jobs.training.train` has them.  gammas, lrs: empty for
    values around the preset's.  pilot_kimg: of the first round; None: as the budget of `minutes` allows.
    Returns {"preset", "metric", "minutes", "ranking"}. Repeated, it goes on where it stopped. Raises
    UsageError under torchrun and for a metric on features that D sees, UserError for too short a budget.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError("gan tune runs in one process: start it without torchrun")
    place, opened = pick(device), open_dataset(data, condition="none")
    start, _, _ = training.starting_point(preset, opened, out, None, place)
    base = training.with_parts(override(start, overrides), start, opened, None)
    fitted, dataset = training.shaped(base, opened)
    found = candidates(base, math.prod(dataset.shape[1:]), gammas, lrs)
    study = Study(base, dataset, out, minutes * 60, metric, num_fakes, place)
    study.scorer.beware(features_seen(fitted))
    rounds = search(found, study.first_kimg(found, pilot_kimg), study.measure)
    return study.finish(rounds)


class Study:
    """One search: its pilots in `out`/tune-<preset>-<data>/, and the record that lets it go on.

    Raises UserError for a record of other settings, and what RunScorer raises.
    """

    def __init__(
        self,
        base: RunConfig,
        dataset: ImageDataset,
        out: Path,
        seconds: float,
        metric: str,
        num_fakes: int | None,
        device: torch.device,
    ) -> None:

        [item] = plan([metric])
        if not item.spec.better:
            raise UsageError(f"--metric {metric}: neither its low nor its high values are better")
        self.stopped, self._told = False, set[str]()
        self.sign = 1 if item.spec.better == "lower" else -1
        self.base, self.dataset, self.out, self.seconds, self.device = base, dataset, out, seconds, device
        self.metric, self.scorer = metric, RunScorer([metric], num_fakes, device)
        self.name = f"{base.preset}-{dataset.slug}"
        self.folder = out / f"tune-{self.name}"
        settings = {"config": to_dict(base), "data": dataset.sha256, "metric": metric, "num_fakes": num_fakes}
        settings["config"]["data"].pop("path")
        self.record: dict[str, Any] = {"settings": settings, "seconds": 0.0, "first_kimg": None, "pilots": []}
        if (path := self.folder / RECORD).is_file():
            self.record = read_json(path, dict)
            if self.record["settings"] != settings:
                raise UserError(
                    f"{path} is of a search with other data, preset, settings or metric: choose another --out"
                )

    def first_kimg(self, found: Sequence[Candidate], given: float | None) -> float:
        """Length of the first round: as given, as recorded, or what the budget allows, from a short trial.

        UserError where the given one is not that of the record, or the budget allows none.
        """
        before = self.record["first_kimg"]
        if before and given and before != given:
            raise UserError(
                f"the search in {self.folder} began with rounds of {before:g} kimg:"
                " leave out --pilot-kimg, or choose another --out"
            )
        self.record["first_kimg"] = before or given or self.affordable(found)
        self.save()
        return self.record["first_kimg"]

    def affordable(self, found: Sequence[Candidate]) -> float:
        """Kimg of a first round with which the search takes the budget, from a trial of the first candidate.

        UserError where the budget is too short, or that candidate is lost within the trial.
        """
        limit, begun = self.seconds * TRIAL, time.monotonic()
        self.say(f"{found[0].name}: training for {limit:.0f} s, to find how long the pilots may be")
        try:
            run, reached = self.train(found[0], self.base.kimg, limit)
        except Lost as lost:
            raise UserError(f"{found[0].name} {lost}: leave it out, or set --pilot-kimg") from lost
        self.score(run)
        overhead = max(time.monotonic() - begun - limit, 0.0)
        left = self.seconds - self.record["seconds"]
        kimg = first_length(len(found), left, trained_seconds(run) / reached, overhead)
        if kimg <= 0:
            raise UserError(
                f"{self.seconds / 60:g} minutes are too short for {len(found)} candidates: raise --budget"
            )
        return max(reached, float(f"{kimg:.3g}"))

    def measure(self, candidate: Candidate, kimg: float) -> float | None:
        """The candidate's score after `kimg` thousand images, lower is better; None where the time is up."""
        for pilot in self.record["pilots"]:
            if (pilot["gamma"], pilot["lr"], pilot["kimg"]) == (candidate.gamma, candidate.lr, kimg):
                return self._cost(pilot)
        left = self.seconds - self.record["seconds"]
        if left <= 0:
            self._stop()
            return None
        self.say(f"{candidate.name}: training to {kimg:g} kimg, {left / 60:.1f} minutes are left")
        pilot = {"gamma": candidate.gamma, "lr": candidate.lr, "kimg": kimg, "score": None}
        try:
            run, reached = self.train(candidate, kimg, left)
            if reached < kimg:
                self._stop()
                return None
            pilot |= {"score": self.score(run), "run": str(run)}
        except Lost as lost:
            pilot |= {"run": str(lost.run), "reason": str(lost)}
        self.record["pilots"].append(pilot)
        self.save()
        self.say(f"{candidate.name}: {_outcome(pilot, self.metric)}")
        return self._cost(pilot)

    def train(self, candidate: Candidate, kimg: float, seconds: float) -> tuple[Path, float]:
        """Train a pilot, or go on with it, for at most `seconds` -> run directory, kimg reached.

        Raises Lost for a run that its monitor stopped, KeyboardInterrupt where somebody stopped it by hand.
        """
        out, begun = self.folder / candidate.name, time.monotonic()
        settings = [f"kimg={kimg}", "keep_last=1", "health.on_collapse=stop", "stop.when=[]"]
        config = override(applied(self.base, candidate), settings)
        try:
            run = training.train(
                config, out=out, resume="auto", max_minutes=seconds / 60, device=str(self.device)
            )
        except UserError as error:
            runs = sorted(out.glob("[0-9]*-*"))
            events, _ = json_lines(runs[-1] / "health.jsonl") if runs else ([], 0)
            if not (events and events[-1]["action"] == "stop"):
                raise
            raise Lost(f"{events[-1]['state']}: {events[-1]['reason']}", runs[-1]) from error
        finally:
            spent = time.monotonic() - begun
            self.record["seconds"] += spent
            self.save()
        if run.interrupted:
            self.say("stopped; the same command goes on from here")
            raise KeyboardInterrupt
        return run.path, run.kimg

    def score(self, run: Path) -> float:
        """Score of the run's newest checkpoint, also added to its metrics.jsonl."""
        begun = time.monotonic()
        saved = checkpoint.read(checkpoint.resolve(run))
        nimg = round(saved.kimg * 1000)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            records = self.scorer.score(saved.generator(self.device), self.dataset, nimg)
        self.scorer.keep(records, run, nimg, lambda: None)
        for text in {str(warning.message) for warning in caught} - self._told:
            self.say(f"warning: {text}")
            self._told.add(text)
        self.record["seconds"] += time.monotonic() - begun
        return records[0]["value"]

    def finish(self, rounds: Rounds) -> dict[str, Any]:
        """Write the preset of the best candidate -> what --json prints. UserError where none can be named."""
        rows = []
        for candidate, number, _ in ranking(rounds):
            kimg = self.record["first_kimg"] * 2**number
            [pilot] = [
                p
                for p in self.record["pilots"]
                if (p["gamma"], p["lr"], p["kimg"]) == (candidate.gamma, candidate.lr, kimg)
            ]
            rows.append({"round": number + 1, **pilot})
        minutes = self.record["seconds"] / 60
        if len(rows) < 2:
            raise UserError(
                f"the budget of {self.seconds / 60:g} minutes ended before two pilots:"
                " raise --budget, or lower --pilot-kimg"
            )
        if rows[0]["score"] is None:
            raise UserError(f"all pilots were lost ({rows[0]['reason']}): try other --gammas or lower --lrs")
        if self.stopped:
            self.say(f"the budget ended before the search; {self.folder} goes on with a larger --budget")
        path = self.out / f"tuned-{self.name}.yaml"
        result = {"preset": str(path), "metric": self.metric, "minutes": round(minutes, 2), "ranking": rows}
        atomic_bytes(path, preset_text(self.base, path.stem, result).encode())
        return result

    def save(self) -> None:
        """Write the record."""
        atomic_bytes(self.folder / RECORD, json.dumps(self.record, indent=2).encode())

    def say(self, text: str) -> None:
        """One line on stderr."""
        say(f"tune: {text}")

    def _stop(self) -> None:
        """Remember that the budget ended."""
        self.stopped = True

    def _cost(self, pilot: dict[str, Any]) -> float:
        return math.inf if pilot["score"] is None else self.sign * pilot["score"]


class Lost(Exception):
    """A pilot that collapsed or diverged, with the reason in words."""

    def __init__(self, reason: str, run: Path) -> None:
        super().__init__(reason)
        self.run = run


def preset_text(base: RunConfig, name: str, result: dict[str, Any]) -> str:
    """The preset with the best candidate's values, under a comment that says how they were found."""
    best = result["ranking"][0]
    config = applied(base, Candidate(best["gamma"], best["lr"]))
    config = dataclasses.replace(config, preset=name, data=dataclasses.replace(config.data, path=""))
    lines = [f"gan tune: preset {base.preset} on {Path(base.data.path).name}.", *table(result).splitlines()]
    return "".join(f"# {line}\n" for line in lines) + dumps_yaml(config)


def table(result: dict[str, Any]) -> str:
    """The ranking as aligned text, the best one first."""
    rows = [("gamma", "lr", "kimg", result["metric"], "run")]
    for row in result["ranking"]:
        rows.append((*(f"{row[key]:g}" for key in ("gamma", "lr", "kimg")), _outcome(row), row["run"]))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _outcome(pilot: dict[str, Any], metric: str = "") -> str:
    return pilot["reason"] if pilot["score"] is None else f"{metric} {pilot['score']:.5g}".strip()

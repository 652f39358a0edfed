"""The stage that decides: what was scanned -> the verdict on every file, in the working folder."""

import functools
import hashlib
import json
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from gan.errors import UserError
from gan.files import atomic_bytes
from training.preparation import blocklist, copies, decide, policies, writer
from training.preparation.archives import open_source
from training.preparation.catalogue import Catalogue, Store, read_lines, write_lines
from training.preparation.decide import Summary
from training.preparation.hashes import SIDE
from training.preparation.notes import Notes, gather
from training.preparation.request import Request
from training.preparation.scan import quarantine

_SAID = ("path", "out", "split", "label", "caption", *decide.FIELDS, "custom")
_FEW = 3  # names that a message has


@dataclass
class Plan:
    """What was decided. kept: numbers of the files of the set, in its order.

    digest: changes with what the set will be. stopping: files whose policy is to stop, in words.
    measures: lowest value, sum, highest value over the files that are kept, by name.
    """

    summary: Summary
    notes: Notes
    kept: array = field(default_factory=lambda: array("q"))
    quarantined: array = field(default_factory=lambda: array("q"))
    stopping: list[str] = field(default_factory=list)
    measures: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    digest: str = ""


def decided(
    catalogue: Catalogue,
    folder: Path,
    places: Sequence[Path],
    request: Request,
    against: Catalogue | None = None,
    features: Store | None = None,
) -> Plan:
    """Decide on all files that are scanned, and write files.jsonl, faults.jsonl, summary.json to `folder`.

    against: the second set of the request, scanned.  features: of the pictures of both, where wanted.
    """
    opened = [open_source(place) for place in places]
    notes = gather(
        catalogue.paths(),
        lambda source, path: catalogue.read(source, path, opened[source]),
        [source.notes() for source in opened],
        labels=request.labels,
        tables=request.tables,
    )
    notes.licence = request.licence
    rules = request.rules(notes.columns())
    if request.blocklist is not None:
        rules = replace(rules, refused=_refusal(catalogue, request.blocklist))
    decisions = decide.decisions_in(folder)
    twins = dict(catalogue.namesakes())
    found = decide.first_verdicts(catalogue.records(), rules, notes, decisions, twins)
    copies.drop(catalogue, found, request.copies, against, features)
    plan = Plan(Summary(rules.policies), notes)
    name_of = functools.partial(writer.name_of, suffix=request.form.suffix)
    final = decide.final(catalogue.records(), rules, notes, decisions, found, lambda _, index: name_of(index))
    write_lines(folder / "files.jsonl", _taken(plan, final, request))
    write_lines(folder / "faults.jsonl", _faults(folder, rules.policies))
    summary = json.dumps(plan.summary.told(), indent=2, ensure_ascii=False)
    atomic_bytes(folder / "summary.json", f"{summary}\n".encode())
    quarantine(catalogue, places, plan.quarantined, folder / "quarantine")
    return plan


def kept(folder: Path, split: str | None = None) -> Iterator[dict[str, Any]]:
    """The records of a working folder that are kept, of one split or of all."""
    for record in read_lines(folder / "files.jsonl"):
        if record["verdict"] == "keep" and split in (None, record["split"]):
            yield record


def check(plan: Plan, folder: Path, request: Request) -> None:
    """Raises UserError where no set can be made: files that stop, nothing left, some without a class."""
    if plan.stopping:
        told = _some(plan.stopping)
        count = len(plan.stopping)
        raise UserError(
            f"{count} {'file stops' if count == 1 else 'files stop'} the preparation: {told}; all are in"
            f" {folder / 'faults.jsonl'}: mend or remove them, or choose another policy by --on"
        )
    if not plan.summary.kept:
        why = ", ".join(f"{count} {reason}" for reason, count in plan.summary.told()["reasons"].items())
        raise UserError(f"no file is left for the set ({why}): see {folder / 'faults.jsonl'}")
    if not plan.summary.told()["splits"].get("train"):
        raise UserError(f"all of {plan.summary.kept} images fall to the part held back: make --val smaller")
    unlabelled = plan.summary.unlabelled
    if unlabelled and plan.summary.told()["classes"]:
        raise UserError(
            f"some images have a class and others none, such as {_some(unlabelled)}: give them one, leave"
            " them out with --require label, or all classes with --labels none"
        )


def remarks(plan: Plan, request: Request) -> list[str]:
    """Lines that a person should see though nothing failed."""
    found = []
    if plan.notes.unmatched:
        count = len(plan.notes.unmatched)
        rows = "1 row of a table names" if count == 1 else f"{count} rows of tables name"
        found.append(f"{rows} no file: {_some(plan.notes.unmatched)}")
    if request.labels == "auto" and not plan.summary.told()["classes"] and len(plan.summary.folders) > 1:
        names = _some(sorted(plan.summary.folders))
        found.append(f"images lie in folders such as {names}: --labels folders makes them classes")
    return found


def _refusal(catalogue: Catalogue, path: Path) -> Callable[[int, dict[str, Any]], str | None]:
    """Why a file is on the blocklist at `path`; None for one that is not."""
    listed = blocklist.read(path)

    def refused(number: int, record: dict[str, Any]) -> str | None:
        thumbnail = np.frombuffer(catalogue.thumbnail(number), np.uint8).reshape(SIDE, SIDE, 3)
        return listed.reason((record["sha256"], record["pixels_sha256"]), thumbnail)

    return refused


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_FEW]) + (", ..." if len(names) > _FEW else "")


def _taken(
    plan: Plan, final: Iterator[tuple[int, dict[str, Any]]], request: Request
) -> Iterator[dict[str, Any]]:
    """The records, each taken into the plan."""
    digest = hashlib.sha256(json.dumps([request.told(), plan.notes.classes]).encode())
    for number, record in final:
        plan.summary.count(record)
        if record["verdict"] == "quarantine":
            plan.quarantined.append(number)
        elif record["verdict"] == "stop":
            kind = record["reason"].removeprefix("fault:")
            plan.stopping.append(f"{record['path']} {policies.KINDS[kind].text}")
        elif record["verdict"] == "keep":
            plan.kept.append(number)
            said = [record[name] for name in _SAID]
            digest.update(json.dumps([request.form.key(record["pixels_sha256"]), said]).encode())
            _measure(plan, record)
        yield record
    plan.digest = digest.hexdigest()


def _measure(plan: Plan, record: Mapping[str, Any]) -> None:
    for name in ("width", "height", *decide.MEASURES):
        value = record[name]
        low, total, high = plan.measures.get(name, (value, 0.0, value))
        plan.measures[name] = min(low, value), total + value, max(high, value)


def _faults(folder: Path, chosen: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for record in read_lines(folder / "files.jsonl"):
        for fault in record["faults"]:
            place = {"path": record["path"], "source": record["source"]}
            yield {**place, **fault, "policy": chosen[fault["kind"]]}

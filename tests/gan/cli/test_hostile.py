"""The hostile folder through `gan data prepare`: every entry told, every detector's precision and recall."""

import itertools
import json

import pytest

from gan.cli.main import main
from tests.training.preparation import hostile
from training.preparation.catalogue import display
from training.preparation.policies import KINDS

pytestmark = pytest.mark.filterwarnings("ignore:IM image format:DeprecationWarning")

ELSEWHERE = {"slow", "faceless"}  # kinds with tests of their own: of workers, and of a crop around faces


def run(*arguments):
    """Exit code of `gan data` with these arguments."""
    with pytest.raises(SystemExit) as stopped:
        main(["data", *map(str, arguments)])
    return stopped.value.code


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """(set, cases, kind of a case -> its record) of a folder that was prepared."""
    folder = tmp_path_factory.mktemp("hostile")
    cases, out = hostile.build(folder / "in"), folder / "set.zip"
    assert run("prepare", folder / "in", "--out", out, "--resolution", 64, "--workers", 1) == 0
    lines = (folder / "set.zip.prepare" / "files.jsonl").read_text(encoding="utf-8").splitlines()
    records = {record["path"]: record for record in map(json.loads, lines)}
    return out, cases, {case.kind: _record(case, records) for case in cases}


def _record(case, records):
    """Of the entry, or of the folder above it that was not entered."""
    parts = case.path.split(b"/")
    paths = [
        case.path,
        case.path + b"/",
        *(b"/".join(parts[:n]) + b"/" for n in range(len(parts) - 1, 0, -1)),
    ]
    return next(records[display(path)] for path in paths if display(path) in records)


def scored(found, true):
    """(recall, precision)"""
    return len(found & true) / max(len(true), 1), len(found & true) / max(len(found), 1)


def test_there_are_enough_kinds_and_all_are_told(told):
    _, cases, records = told
    odd = [case for case in cases if case.copy_of is None and not case.path.startswith(b"copies/")]
    assert len(odd) > 120 and len(records) == len(cases)
    assert {fault for case in cases for fault in case.faults} >= set(KINDS) - ELSEWHERE - {"unreadable"}


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - ELSEWHERE))
def test_a_detector(told, kind):
    """What it finds is what is there, of the cases that have one right answer."""
    _, cases, records = told
    certain = [case for case in cases if case.exactly]
    true = {case.kind for case in certain if kind in case.faults}
    found = {case.kind for case in certain if kind in _faults(records[case.kind])}
    recall, precision = scored(found, true)
    print(f"{kind}: recall {recall:.2f}, precision {precision:.2f} of {len(true)}")
    assert found == true


def _faults(record):
    return {fault["kind"] for fault in record["faults"]}


def test_where_several_answers_are_right_one_is_given(told):
    _, cases, records = told
    for case in cases:
        if not case.exactly:
            assert _faults(records[case.kind]) & set(case.faults), case


def test_pixels_are_had_wherever_there_are_any(told):
    _, cases, records = told
    had = {case.kind for case in cases if records[case.kind]["pixels_sha256"] is not None}
    assert had == {case.kind for case in cases if case.has_pixels}


def pairs(groups):
    return {frozenset(pair) for group in groups.values() for pair in itertools.combinations(group, 2)}


def grouped(keys):
    """key -> kinds that have it, of kind -> key; those without one left out."""
    groups = {}
    for kind, key in keys.items():
        if key is not None:
            groups.setdefault(key, []).append(kind)
    return groups


def test_copies(told):
    _, cases, records = told
    true = pairs(grouped({case.kind: case.copy_of or case.kind for case in cases}))
    found = pairs(grouped({case.kind: records[case.kind]["cluster"] for case in cases}))
    recall, precision = scored(found, true)
    print(f"copies: recall {recall:.4f}, precision {precision:.4f} of {len(true)} pairs")
    assert recall >= 0.95 and precision >= 0.98


def test_exact_copies(told):
    _, cases, records = told
    exact = {case.kind: case.copy_of if case.exact else case.kind for case in cases}
    found = grouped({case.kind: records[case.kind]["pixels_sha256"] for case in cases if case.has_pixels})
    assert pairs(found) == pairs(grouped(exact))


def test_of_each_picture_one_file_is_kept(told):
    out, cases, records = told
    kept = [case for case in cases if records[case.kind]["verdict"] == "keep"]
    assert len({case.copy_of or case.kind for case in kept}) == len(kept) > 100
    assert run("verify", out, "--full") == 0

"""The log of decisions: what holds, what is undone, and what other writers and killed ones leave."""

import json
import os

import pytest

from gan.errors import UsageError, UserError
from gan.jobs.decisions import Decisions, Held, Superseded

A, B = (0, "a.png"), (1, "a.png")


@pytest.fixture
def log(tmp_path):
    return Decisions(tmp_path / "decisions.jsonl")


def lines(log):
    return [json.loads(line) for line in log.path.read_text().splitlines()]


def test_the_last_one_holds_and_undo_takes_it_back(log):
    log.add(A, "keep")
    log.add(A, "drop")
    assert log.add(A, "relabel", "cat ") == Held(3, "drop", "cat")  # a label says nothing of keeping
    assert log.of(B) is None  # the same path in another source
    assert log.add(A, "undo") == Held(2, "drop", None)
    assert log.add(A, "undo") == Held(1, "keep", None)
    assert log.add(A, "undo") is None and log.decided() == []
    found = [(line["decision"], line.get("label")) for line in lines(log)]
    assert found == [("keep", None), ("drop", None), ("relabel", "cat"), *[("undo", None)] * 3]
    assert {(line["path"], line["source"]) for line in lines(log)} == {("a.png", 0)}
    assert all(line["time"].endswith("Z") for line in lines(log))


def test_labels_and_fates_are_two_things(log):
    log.add(A, "relabel", "cat"), log.add(A, "drop"), log.add(A, "relabel", "dog")
    assert log.add(A, "keep") == Held(4, "keep", "dog")
    assert log.add(A, "undo") == Held(3, "drop", "dog")
    assert log.add(A, "undo") == Held(2, "drop", "cat")


def test_a_log_is_read_as_it_was_written(log):
    log.add(A, "keep"), log.add(B, "drop"), log.add(B, "undo"), log.add(A, "relabel", "ünï")
    again = Decisions(log.path)
    assert again.of(A) == log.of(A) and again.of(B) is None and again.decided() == [A]


def test_undo_of_a_decision_that_holds_no_more(log):
    first = log.add(A, "drop")
    other = Decisions(log.path)
    other.add(A, "keep")
    with pytest.raises(Superseded):
        log.add(A, "undo", of=first.serial)
    assert log.of(A).fate == "keep" and len(lines(log)) == 2
    with pytest.raises(Superseded):
        log.add(B, "undo")


def test_another_writer_is_read_and_a_line_on_its_way_waits(log):
    log.add(A, "drop")
    line = json.dumps({"path": "a.png", "source": 1, "decision": "keep"}).encode()
    with log.path.open("ab") as file:
        file.write(line[:20])
        file.flush()
        assert log.refresh() == [] and log.lost == 0
        file.write(line[20:] + b"\n")
    assert log.refresh() == [B] and log.of(B).fate == "keep"


def test_half_a_line_of_a_killed_writer_costs_no_other(log):
    log.add(A, "drop")
    with log.path.open("ab") as file:
        file.write(b'{"path": "a.p')
    log.add(B, "keep")
    again = Decisions(log.path)
    assert (again.of(A).fate, again.of(B).fate, again.lost) == ("drop", "keep", 1)


@pytest.mark.parametrize(
    "line", ["[]", '{"path": "a", "source": 0, "decision": "eat"}', '{"path": [], "source": 0}', '"x"', "\0"]
)
def test_lines_that_are_no_decision_are_counted(log, line):
    log.path.write_text(line + "\n")
    assert log.refresh() == [] and log.lost == 1


@pytest.mark.parametrize(
    ("kind", "label", "words"),
    [
        ("eat", None, "unknown decision 'eat'"),
        ("relabel", None, "needs a label"),
        ("relabel", "  ", "needs a label"),
        ("keep", "cat", "needs a label"),
        ("relabel", "a\nb", "on one line"),
        ("relabel", "x" * 201, "at most 200"),
    ],
)
def test_refused(log, kind, label, words):
    with pytest.raises(UsageError, match=words):
        log.add(A, kind, label)
    assert not log.path.exists()


def test_on_the_disk_before_it_is_told(log, monkeypatch):
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(log.path.read_text()))
    log.add(A, "drop")
    assert len(flushed) == 1 and '"drop"' in flushed[0]


def test_a_place_that_cannot_be_written(tmp_path):
    with pytest.raises(UserError, match="cannot write"):
        Decisions(tmp_path / "none" / "decisions.jsonl").add(A, "drop")

"""Processes that hang, crash, run out of memory or raise: what becomes of their items, and of the others."""

import functools
import os
import time

import numpy as np
import pytest

from training.preparation import workers
from training.preparation.workers import Failure, run


def act(item):
    """Do what an item says."""
    if item == "crash":
        os._exit(3)
    if item == "hang":
        time.sleep(20)
    if item == "memory":
        return np.ones(2 * workers.MEMORY, np.uint8).sum()
    if item == "raise":
        raise ValueError("from a worker")
    return item, os.getpid()


def scaled(factor, item):
    return factor * item


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_results_come_in_order(processes):
    assert list(run(functools.partial(scaled, 3), range(50), processes=processes)) == list(range(0, 150, 3))


def test_nothing_to_do():
    assert list(run(act, [], processes=1)) == []


@pytest.mark.parametrize(
    ("bad", "told"),
    [("crash", "crashed (exit code 3)"), ("hang", "no result after 1 s"), ("memory", "GiB of memory")],
)
def test_one_bad_item_costs_itself_alone(bad, told):
    items = [0, 1, bad, 3, 4, 5, 6]
    results = list(run(act, items, processes=1, seconds=1))
    assert isinstance(results[2], Failure) and told in results[2].detail
    assert [result[0] for i, result in enumerate(results) if i != 2] == [0, 1, 3, 4, 5, 6]
    pids = {result[1] for i, result in enumerate(results) if i != 2}
    assert len(pids) == (1 if bad == "memory" else 2)  # a process that failed was replaced, no other


def test_an_exception_is_raised_here():
    with pytest.raises(ValueError, match="from a worker"):
        list(run(act, [1, "raise", 2], processes=2))


def test_processes_end_with_the_caller():
    results = run(act, iter(range(1000)), processes=2)
    pids = {next(results)[1], next(results)[1]}
    results.close()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_items_are_taken_as_they_are_needed():
    taken = []
    results = run(functools.partial(scaled, 1), (taken.append(i) or i for i in range(10_000)), processes=1)
    next(results)
    results.close()
    assert len(taken) <= workers._WINDOW


def test_a_process_that_does_not_come_up_is_told(monkeypatch):
    monkeypatch.setattr(workers, "_START", -1.0)
    monkeypatch.setattr(workers, "_GRACE", 0.0)
    with pytest.raises(RuntimeError, match="a process of the preparation did not start"):
        list(run(act, [1, 2], processes=1))

"""Preparing over Ray, on this machine: the same bytes, and one bad file costs itself alone."""

import functools
import os

import pytest

from gan.errors import UserError
from gan.jobs.preparation import prepare
from tests.gan.jobs.preparing import digest
from tests.training.preparation.samples import messy_folder
from training.preparation import ray_workers
from training.preparation.request import request
from training.preparation.workers import Failure

pytest.importorskip("ray", reason="needs the package ray")


def act(crashing, item):
    """In a process below an actor."""
    if item == crashing:
        os._exit(3)
    if item == "raise":
        raise ValueError("from a worker")
    return item


@pytest.mark.slow
def test_results_come_in_order_and_a_crash_costs_one():
    run = ray_workers.runner("local", processes=2)
    results = list(run(functools.partial(act, 33), range(40)))
    assert isinstance(results[33], Failure) and "exit code 3" in results[33].detail
    assert [result for i, result in enumerate(results) if i != 33] == [i for i in range(40) if i != 33]
    with pytest.raises(ValueError, match="from a worker"):
        list(run(functools.partial(act, None), [1, "raise"]))


@pytest.mark.slow
def test_the_same_bytes_as_without(tmp_path):
    source = messy_folder(tmp_path / "in")
    wanted = request(resolution="32", labels="folders", val=0.2)
    for name, how in (("a", {"workers": 1}), ("b", {"workers": 2, "ray": "local"})):
        prepare([source], tmp_path / name / "set.zip", wanted, **how)
    for name in ("set.zip", "set-val.zip"):
        assert digest(tmp_path / "a" / name) == digest(tmp_path / "b" / name)


def test_no_cluster_is_a_line():
    with pytest.raises(UserError, match="no Ray cluster at 127.0.0.1:1 "):
        list(ray_workers.runner("127.0.0.1:1")(act, []))


def test_an_address_is_where_work_goes(tmp_path, monkeypatch):
    """Of `prepare`, through to Ray; nothing is started."""
    import ray

    asked = []

    def init(**place):
        asked.append(place.get("address"))
        raise ConnectionError("nobody there")

    monkeypatch.setattr(ray, "init", init)
    for address in ("ray://machine:10001", "local"):
        with pytest.raises(UserError, match="nobody there.*ray start --head"):
            prepare(
                [messy_folder(tmp_path / "in")], tmp_path / "set.zip", request(resolution="32"), ray=address
            )
    assert asked == ["ray://machine:10001", "local"]

"""Preparing over Ray, on this machine: the same bytes, and one bad file costs itself alone."""

import functools
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gan.errors import UserError
from gan.jobs.preparation import prepare
from tests.gan.jobs.preparing import digest
from tests.training.preparation.samples import messy_folder
from training.preparation import ray_workers
from training.preparation.request import request
from training.preparation.workers import Failure

pytest.importorskip("ray", reason="needs the package ray")

ROOT = Path(__file__).parents[3]


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


KILLED = """
import os, signal, sys
sys.path.insert(0, {root!r})
from training.preparation import scan
from training.preparation.request import request
real, calls, scan.BATCH = scan._store, [], 4
def store(batch, catalogue, images):
    if len(calls) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    calls.append(real(batch, catalogue, images))
scan._store = store
from gan.jobs.preparation import prepare
prepare([{source!r}], {out!r}, request(resolution="32", labels="folders", val=0.2), workers=2, ray="local")
"""


@pytest.mark.slow
def test_killed_and_gone_on_with(tmp_path):
    """kill -9 of the process that leads, after two transactions of the scan."""
    source, out = messy_folder(tmp_path / "in"), tmp_path / "set.zip"
    (tmp_path / "killed.py").write_text(KILLED.format(root=str(ROOT), source=str(source), out=str(out)))
    done = subprocess.run([sys.executable, tmp_path / "killed.py"], check=False, timeout=300)
    assert done.returncode == -signal.SIGKILL and not out.exists()
    wanted = request(resolution="32", labels="folders", val=0.2)
    prepare([source], out, wanted, workers=2, ray="local")
    prepare([source], tmp_path / "whole" / "set.zip", wanted, workers=1)
    for name in ("set.zip", "set-val.zip"):
        assert digest(tmp_path / name) == digest(tmp_path / "whole" / name)


def test_no_cluster_is_a_line():
    with pytest.raises(UserError, match="no Ray cluster at 127.0.0.1:1 "):
        list(ray_workers.runner("127.0.0.1:1")(act, []))


def test_a_cluster_that_does_not_start_is_a_line(monkeypatch):
    import ray

    def init(**place):
        raise Exception("The current node timed out during startup.")

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(UserError, match="no Ray cluster at local .The current node timed out"):
        list(ray_workers.runner("local")(act, []))


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

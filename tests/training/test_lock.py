"""One session in a run directory: refused with the holder's name, and free again however that one ends."""

import multiprocessing
import os
import signal
import socket

import pytest

from gan.errors import UserError
from tests.training.tiny import plain, run_training
from training.lock import held, is_held

CONTEXT = multiprocessing.get_context("fork")


def hold(run, ready):
    with held(run):
        ready.set()
        signal.pause()


@pytest.fixture
def holder(tmp_path):
    """A process that holds the folder."""
    ready = CONTEXT.Event()
    process = CONTEXT.Process(target=hold, args=(tmp_path, ready))
    process.start()
    assert ready.wait(20)
    yield process
    process.kill()
    process.join()


def test_another_process_is_named(holder, tmp_path):
    named = rf"being trained already, by process {holder.pid} on {socket.gethostname()} since 20"
    with pytest.raises(UserError, match=named), held(tmp_path):
        pass


def test_the_lock_ends_with_its_process(holder, tmp_path):
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    with held(tmp_path):
        pass


def test_the_same_process_is_refused_as_well(tmp_path):
    with held(tmp_path):
        with pytest.raises(UserError, match=f"process {os.getpid()} "), held(tmp_path):
            pass
        child = os.fork()
        if child == 0:  # a worker of this session, which keeps its files open
            signal.pause()
    with held(tmp_path):
        pass
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def test_a_file_that_nobody_holds_does_not_matter(tmp_path):
    (tmp_path / ".lock").write_text('{"host": "elsewhere", "process": 1, "since": "before the power went"}')
    with held(tmp_path):
        assert "elsewhere" not in (tmp_path / ".lock").read_text()
    assert (tmp_path / ".lock").read_text() == ""


def test_a_second_session_of_a_run_is_refused_and_changes_nothing(tiny_zip, tmp_path):
    run = run_training(plain(tiny_zip), out=tmp_path)
    before = {p: p.stat().st_mtime_ns for p in run.rglob("*") if p.name != ".lock"}
    with held(run), pytest.raises(UserError, match="being trained already"):
        run_training(plain(tiny_zip, "kimg=0.016"), out=tmp_path, resume=run)
    assert {p: p.stat().st_mtime_ns for p in run.rglob("*") if p.name != ".lock"} == before


def test_who_asks_holds_nothing(holder, tmp_path):
    assert is_held(tmp_path)
    holder.kill()
    holder.join()
    assert not is_held(tmp_path)
    with held(tmp_path):
        assert is_held(tmp_path)  # and does not lose it by asking
        other = CONTEXT.Process(target=hold, args=(tmp_path, CONTEXT.Event()))
        other.start()
        other.join(20)
        assert other.exitcode == 1

"""A function of the operator's own that hangs: it refuses, and takes a bounded number of threads with it."""

import threading
import time

import pytest

from gan.jobs.serving import hooks
from gan.jobs.serving.hooks import MOST, Asked, Undecided

SOON = 0.05  # seconds


def names():
    return [thread.name for thread in threading.enumerate()].count("hook")


@pytest.fixture
def gate():
    """Opened at the end of a test, so that no thread stays."""
    found = threading.Event()
    yield found
    found.set()


def until(true):
    late = time.monotonic() + 60
    while not true():
        assert time.monotonic() < late
        time.sleep(0.005)


def test_what_it_says_and_raises():
    def hook(question):
        if "wrong" in question:
            raise KeyError(question["wrong"])
        return [question]

    ask = Asked(hook, 60)
    assert ask({"a": 1}) == [{"a": 1}] and ask.late == 0
    with pytest.raises(KeyError, match="here"):
        ask({"wrong": "here"})


@pytest.mark.parametrize("error", [TimeoutError, SystemExit, KeyboardInterrupt])
def test_errors_that_look_like_the_end(error):
    """They are the function's own: not taken for a deadline, and who asked hears of them."""

    def hook(_):
        raise error("own")

    with pytest.raises(error, match="own"):
        Asked(hook, 60)({})


def test_one_that_hangs_is_left_alone_and_comes_back(gate):
    ask = Asked(lambda _: gate.wait(60), SOON)
    began = time.monotonic()
    with pytest.raises(Undecided):
        ask({})
    assert SOON <= time.monotonic() - began < 20 and ask.late == 1
    gate.set()
    until(lambda: ask.late == 0)
    assert ask({}) is True  # what it said too late was heard by nobody


def test_threads_are_bounded_and_then_nobody_waits(gate):
    ask, before = Asked(lambda _: gate.wait(60), SOON), names()
    for _ in range(MOST):
        with pytest.raises(Undecided):
            ask({})
    assert names() - before == ask.late == MOST
    patient = Asked(lambda _: True, 60)
    ask._seconds = 25.0  # who waited now would wait as long
    began = time.monotonic()
    for _ in range(100):
        with pytest.raises(Undecided):
            ask({})
        assert time.monotonic() - began < 20
    assert names() - before == MOST
    assert patient({}) is True  # another one's threads are its own
    gate.set()
    until(lambda: ask.late == 0)
    assert ask({}) is True


def test_slow_ones_that_are_not_late_are_waited_for(gate):
    """With all threads busy, one more waits for its turn."""
    ask = Asked(lambda question: question.get("at once") or gate.wait(60), 60)
    busy = [threading.Thread(target=ask, args=({},)) for _ in range(MOST)]
    for thread in busy:
        thread.start()
    until(lambda: names() >= MOST)
    answers = []
    last = threading.Thread(target=lambda: answers.append(ask({"at once": "yes"})))
    last.start()
    last.join(SOON)
    assert not answers and ask.late == 0
    gate.set()
    for thread in (*busy, last):
        thread.join(60)
    assert answers == ["yes"]


def test_a_machine_without_threads_keeps_the_room(monkeypatch):
    def none(*_, **__):
        raise RuntimeError("can't start new thread")

    ask = Asked(lambda _: True, SOON)
    with monkeypatch.context() as patch:
        patch.setattr(hooks.threading, "Thread", none)
        for _ in range(MOST + 1):
            with pytest.raises(RuntimeError):
                ask({})
    assert ask({}) is True

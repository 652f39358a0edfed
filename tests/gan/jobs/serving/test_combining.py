"""Work for all who wait: nothing is lost, doubled or given to another; errors reach whom they concern."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from gan.jobs.serving.combining import Combined


class Held:
    """Doubles numbers, by groups that it keeps; the first group waits until it is `free`."""

    def __init__(self) -> None:
        self.groups = []
        self.begun, self.free = threading.Event(), threading.Event()

    def __call__(self, given):
        self.groups.append(list(given))
        self.begun.set()
        assert self.free.wait(30)
        return [ValueError(each) if each < 0 else 2 * each for each in given]


def waiting(combined, count):
    """Until so many have come and wait."""
    late = threading.Event()
    for _ in range(3000):
        if len(combined._coming) == count:
            return
        late.wait(0.01)
    raise AssertionError(len(combined._coming))


def test_those_who_wait_are_done_together():
    work = Held()
    combined = Combined(work)
    with ThreadPoolExecutor(6) as threads:
        first = threads.submit(combined, 1)
        assert work.begun.wait(30)
        others = [threads.submit(combined, number) for number in (2, -3, 4, 5)]
        waiting(combined, 4)
        work.free.set()
        assert first.result(30) == 2
        with pytest.raises(ValueError, match="-3"):
            others.pop(1).result(30)
        assert [each.result(30) for each in others] == [4, 8, 10]
    assert work.groups[0] == [1] and sorted(work.groups[1]) == [-3, 2, 4, 5] and len(work.groups) == 2


def test_what_ends_the_work_ends_all_of_it_and_not_the_next():
    failing = [True]

    def work(given):
        if failing.pop():
            failing.append(False)
            raise SystemExit(3)
        failing.append(False)
        return given

    combined = Combined(work)
    with pytest.raises(SystemExit):
        combined(1)
    assert combined(2) == 2


def test_each_hears_of_its_own():
    combined = Combined(lambda given: [(each, threading.get_ident()) for each in given])
    with ThreadPoolExecutor(8) as threads:
        assert [made for made, _ in threads.map(combined, range(2000))] == list(range(2000))

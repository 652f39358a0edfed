"""The number of threads of a run: who decides, by what, and that nothing else comes of finding it."""

import itertools
import json
from pathlib import Path

import pytest
import torch

from gan.jobs.scoring import GeneratedImages
from tests.training.test_memory import AUTO, assert_same, held
from tests.training.tiny import files, plain, run_training, tiny_state
from training import threads
from training.step import train_step

SETTLED = {2: 0.05, 1: 0.051}  # seconds of a step, by number of threads


@pytest.fixture
def two(monkeypatch):
    """A process with two threads on two cores, whose user has said nothing."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "cores", lambda: 2)
    with threads.of(2):
        yield


def never(*_):
    raise AssertionError("timed")


@pytest.mark.parametrize(
    ("seconds", "want", "asked"),
    [
        ({2: 0.05, 1: 0.055}, 1, {2, 1}),
        ({2: 0.05, 1: 0.06}, 2, {2, 1}),
        ({2: 0.9, 1: 0.05}, 1, {2, 1}),
        ({6: 0.1, 3: 0.1, 1: 0.11}, 1, {6, 3, 1}),
        ({8: 0.1, 4: 0.09, 2: 0.1, 1: 0.2}, 2, {8, 4, 2, 1}),
        ({4: 0.1, 2: 0.114, 1: 0.13}, 2, {4, 2, 1}),  # each a little slower, 1 clearly than the fastest
        ({8: 0.1, 4: 0.2, 2: 0.1}, 8, {8, 4}),
        ({2: 3.0, 1: 0.05}, 1, {2, 1}),  # they wait for a busy process
        ({2: 3.0, 1: 5.0}, 2, {2, 1}),
    ],
)
def test_the_fewest_threads_that_are_not_clearly_slower(seconds, want, asked):
    seen, before = set(), torch.get_num_threads()

    def step():
        seen.add(torch.get_num_threads())
        return seconds[torch.get_num_threads()]

    times = threads.timed(step, max(seconds))
    assert threads.fewest(times) == want and seen == times.keys() == asked
    assert times == pytest.approx({number: seconds[number] for number in asked})
    assert torch.get_num_threads() == before


def test_numbers_are_compared_in_turn_on_a_machine_that_slows_down():
    """Every step takes 5 % longer than the one before it; 4, 2 and 1 threads are equally fast."""
    pace = itertools.count()
    times = threads.timed(lambda: 0.01 * 1.05 ** next(pace), 4)
    assert threads.fewest(times) == 1 and times[1] < times[4] * 1.05**2.1


@pytest.mark.parametrize(("seconds", "steps"), [(0.9, 11), (1.1, 3)])
def test_of_large_steps_few_are_timed(seconds, steps):
    made = []
    threads.timed(lambda: made.append(1) or seconds, 2)
    assert len(made) == steps


def test_timing_leaves_no_trace():
    state = tiny_state(*AUTO, "loss.lecam_weight=0.1")
    for _ in range(2):
        before, rng = held(state), torch.get_rng_state()
        assert threads.rehearsal(state)() > 0
        assert_same(held(state), before)
        assert torch.equal(torch.get_rng_state(), rng)
        train_step(state, torch.rand(8, 3, 8, 8), None)  # now the optimisers have moments
        state.nimg += 8


@pytest.mark.parametrize(
    ("setting", "omp", "had", "want", "line"),
    [
        ("3", "2", 1, 3, "3 threads: as set by threads; 1 so far: sums may round otherwise"),
        ("auto", "2", 1, 2, "2 threads: as OMP_NUM_THREADS says; 1 so far: sums may round otherwise"),
        ("auto", "2", None, 2, "2 threads: as OMP_NUM_THREADS says"),
        ("auto", None, 2, 2, "2 threads: as the run has had"),
        ("auto", None, None, 1, "1 thread: a step takes 51 ms with 1, 50 ms with 2"),
        ("auto", None, 9, 1, "1 thread: a step takes 51 ms with 1, 50 ms with 2; 9 so far: sums may round"),
    ],
)
def test_who_decides(setting, omp, had, want, line, two, monkeypatch):
    timed = never if omp or had == 2 else lambda *_: SETTLED
    monkeypatch.setattr(threads, "timed", timed)
    if omp:
        monkeypatch.setenv("OMP_NUM_THREADS", omp)
    state, said = tiny_state(f"threads={setting}"), []
    state.threads = had
    threads.settle(state, said.append)
    assert torch.get_num_threads() == state.threads == want
    assert len(said) == 1 and said[0].startswith(line)


def test_one_thread_is_not_timed_and_a_gpu_keeps_what_there_is(two, monkeypatch):
    monkeypatch.setattr(threads, "timed", never)
    state, said = tiny_state(), []
    with monkeypatch.context() as patch:
        patch.setattr(type(state), "device", torch.device("cuda"))
        threads.settle(state, said.append)
    assert (torch.get_num_threads(), state.threads, said) == (2, None, [])
    monkeypatch.setattr(threads, "cores", lambda: 1)
    threads.settle(state, said.append)
    assert state.threads == 1 and said == ["1 thread: more are not to be had"]


def test_processes_choose_together(two, monkeypatch):
    """By the slowest of them, which here is the other one; nothing is timed where its user has decided."""
    theirs = iter([torch.tensor([[2, 2, 0]]), *(torch.tensor(t).double() for t in (0.1, 0.05, 0.09))])
    monkeypatch.setattr(threads.distributed, "everyones", lambda mine: [mine, next(theirs)])
    monkeypatch.setattr(threads, "rehearsal", lambda _: lambda: 0.05)
    state, said = tiny_state(), []
    threads.settle(state, said.append)
    assert state.threads == 2 and said == ["2 threads: a step takes 50 ms with 2, 90 ms with 1"]
    monkeypatch.setattr(threads, "timed", never)
    for row, line in (([2, 2, 1], "2 threads: as OMP_NUM_THREADS says"), ([2, 1, 0], "1 thread: more are")):
        theirs, state.threads = iter([torch.tensor([row])]), None
        threads.settle(state, said.append)
        assert said[-1].startswith(line)


def test_a_run_records_its_number_and_goes_on_with_it(two, tiny_zip, tmp_path, monkeypatch):
    """It trains with the bits of a run that was told the number; scores have the threads of the process."""
    honest, drawn, trained = GeneratedImages.read, [], []

    def read(self, start, stop):
        drawn.append(torch.get_num_threads())
        return honest(self, start, stop)

    class Spy:
        def step(self, state, terms):
            trained.append(torch.get_num_threads())

    monkeypatch.setattr(GeneratedImages, "read", read)
    monkeypatch.setattr(threads, "fewest", lambda times: 1)
    scored = {"metrics": ["fd-untrained"], "metrics_fakes": 16, "callbacks": [Spy()], "device": "cpu"}
    run = run_training(plain(tiny_zip), out=tmp_path / "found", **scored)
    assert trained == [1, 1] and set(drawn) == {2} and torch.get_num_threads() == 2
    [line] = [text for text in (run / "log.txt").read_text().splitlines() if text.startswith("1 thread: ")]
    assert "ms with 1," in line and "ms with 2" in line
    assert json.loads((run / "environment.json").read_text())["threads"] == 1
    told = run_training(plain(tiny_zip, "threads=1"), out=tmp_path / "told", device="cpu")
    assert files(run, "000000.008") == files(told, "000000.008")
    monkeypatch.setattr(threads, "timed", never)
    run_training(plain(tiny_zip, "kimg=0.016"), out=tmp_path, resume=run, **scored)
    assert trained == [1] * 4 and "1 thread: as the run has had" in (run / "log.txt").read_text()


@pytest.fixture
def clock(monkeypatch):
    """A clock that timing moves by one second, and a test by adding to it."""
    now = [1000.0]
    monkeypatch.setattr(threads.time, "monotonic", lambda: now[0])
    return now


class Watched:
    """A watch of a run with two threads. `found` is what timing will find, in turn; it takes a second."""

    def __init__(self, monkeypatch, clock, *found):
        self.found, self.said, self.recorded, self.state = list(found), [], [], tiny_state()

        def timed(step, limit):
            assert limit == 2
            clock[0] += 1.0
            return self.found.pop(0)

        self.state.run = Path("run")
        monkeypatch.setattr(threads, "timed", timed)
        monkeypatch.setattr(threads, "describe_surroundings", self.recorded.append)
        self.watch, self.clock = threads.Watch(self.said.append, 2), clock

    def steps(self, seconds):
        """The number of threads after a pace of so many seconds a step."""
        walk(self.watch, self.state, self.clock, seconds)
        return torch.get_num_threads()


def walk(watch, state, clock, seconds):
    """As many steps as are a pace."""
    for _ in range(threads.PACE + 1):
        clock[0] += seconds
        watch.step(state, {})


def test_a_run_that_becomes_slow_finds_its_threads_again(two, monkeypatch, clock):
    """At three times the fastest steps; then no oftener than a twentieth of the time pays for."""
    run = Watched(monkeypatch, clock, {2: 1.0, 1: 0.2})
    assert run.steps(0.10) == run.steps(0.29) == 2 and len(run.found) == 1
    assert run.steps(0.31) == run.state.threads == 1
    assert run.said == [
        "1 thread from now on: a step takes 200 ms with 1, 1e+03 ms with 2; sums may round otherwise"
    ]
    assert run.recorded == [run.state.run]
    clock[0] += 5.0
    assert run.steps(0.1) == run.steps(0.9) == 1, "timed again too soon"


def test_two_slow_steps_are_enough(two, monkeypatch, clock):
    """Where each takes seconds, a pace of them would take minutes; a single one is no company."""
    run = Watched(monkeypatch, clock, {2: 1.0, 1: 0.2})
    found = []
    run.steps(0.1)
    for seconds in (9.0, 0.1, 9.0, 9.0):
        clock[0] += seconds
        run.watch.step(run.state, {})
        found.append(torch.get_num_threads())
    assert found == [2, 2, 2, 1]


def test_what_follows_a_tick_is_no_slow_step(two, monkeypatch, clock):
    """A score, say."""
    run = Watched(monkeypatch, clock)
    run.steps(0.1)
    for _ in range(3):
        run.watch.tick(run.state, {})
        clock[0] += 1000.0
        run.watch.step(run.state, {})
    assert torch.get_num_threads() == 2


def test_one_thread_is_not_timed_beside_others_work(two, monkeypatch, clock):
    """Nothing fewer is left, and with two a step may take a hundred times as long there."""
    run = Watched(monkeypatch, clock, {2: 1.0, 1: 0.2})
    assert (run.steps(0.1), run.steps(0.4)) == (2, 1)
    clock[0] += 150.0
    assert run.steps(0.1) == run.steps(0.9) == 1 and run.found == []


def test_threads_come_back_when_the_machine_is_free(two, monkeypatch, clock):
    """Only where that is worth it, and no oftener than a two-hundredth of the time pays for."""
    run = Watched(monkeypatch, clock, {2: 1.0, 1: 0.2}, {2: 0.1, 1: 0.14}, {2: 0.1, 1: 0.16})
    assert (run.steps(0.1), run.steps(0.4)) == (2, 1)
    clock[0] += 201.0
    assert run.steps(0.1) == 1 and len(run.found) == 1, "1.4 times as long is not worth other bits"
    clock[0] += 198.0
    assert run.steps(0.1) == 1 and len(run.found) == 1
    clock[0] += 3.0
    assert run.steps(0.1) == run.state.threads == 2 and len(run.said) == len(run.recorded) == 2
    clock[0] += 999.0
    assert run.steps(0.1) == 2


def test_a_slow_run_is_not_timed_again_and_again(two, monkeypatch, clock):
    """Slow data, say: nothing is found; what counts afterwards is the pace since."""
    run = Watched(monkeypatch, clock, *[{2: 0.1, 1: 0.2}] * 2)
    run.steps(0.1)
    for _ in range(9):
        clock[0] += 100.0
        assert run.steps(0.4) == 2
    assert len(run.found) == 1 and run.said == run.recorded == [] and run.state.threads is None
    assert run.steps(1.3) == 2 and run.found == []


@pytest.mark.parametrize("setting", ["threads=2", "threads=auto"])
def test_a_number_that_was_said_stays(setting, two, monkeypatch):
    """By the setting, or by OMP_NUM_THREADS."""
    monkeypatch.setattr(threads, "timed", never)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    state = tiny_state(setting)
    assert threads.settle(state, print) is None
    assert state.threads == 2


def test_what_auto_found_is_looked_at_again(two, monkeypatch, clock):
    """Whether the number is found now or was by the run before: with all threads of the process at most."""
    seen = []
    monkeypatch.setattr(threads, "timed", lambda step, limit: seen.append(limit) or {2: 1.0, 1: 0.1})
    monkeypatch.setattr(threads, "describe_surroundings", lambda run: None)
    for had in (None, 1, 2):
        state = tiny_state()
        state.threads = had
        with threads.of(2):
            watch = threads.settle(state, print)
            for seconds in (0.1, 0.9):
                walk(watch, state, clock, seconds)
        assert state.threads == 1
    assert seen == [2, 2], "of the one that has two, and at the start of the first"


def test_processes_look_again_together(two, monkeypatch, clock):
    """One that is not slow itself goes along with one that is."""
    run = Watched(monkeypatch, clock, {2: 1.0, 1: 0.2})
    monkeypatch.setattr(threads, "agreed", lambda reason: "fewer")
    run.watch.step(run.state, {})
    assert torch.get_num_threads() == 1


def test_a_run_trains_on_with_what_was_found_and_records_it(two, tiny_zip, tmp_path, monkeypatch):
    """After the fourth step, which is said to be slow; user's own callbacks stay."""
    trained = []

    class Spy:
        def step(self, state, terms):
            trained.append(torch.get_num_threads())

    found = iter([{2: 0.1, 1: 1.0}, {2: 1.0, 1: 0.1}])
    reasons = iter([None] * 3 + ["fewer"] + [None] * 2)
    monkeypatch.setattr(threads, "timed", lambda *_: next(found))
    monkeypatch.setattr(threads, "agreed", lambda reason: next(reasons))
    run = run_training(
        plain(tiny_zip, "kimg=0.024", "tick_kimg=0.008"), out=tmp_path, callbacks=[Spy()], device="cpu"
    )
    assert trained == [2, 2, 2, 2, 1, 1]
    assert json.loads((run / "environment.json").read_text())["threads"] == 1
    assert "1 thread from now on" in (run / "log.txt").read_text()

"""The number of threads of a run: who decides, by what, and that nothing else comes of finding it."""

import itertools
import json

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

"""Processes of one job: work dealt out to them, alone where it is not shared, and how they leave."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gan import distributed


@pytest.fixture
def three(monkeypatch):
    """The second of three processes, whose fellows answer with what they would have found."""

    def become(work):
        calls = []

        def everyones(own):
            turn = 3 * len(calls)
            calls.append(own)
            return [own if rank == 1 else work(turn + rank) for rank in range(3)]

        monkeypatch.setattr(distributed, "world", lambda: 3)
        monkeypatch.setattr(distributed, "rank", lambda: 1)
        monkeypatch.setattr(distributed, "everyones", everyones)
        return calls

    return become


def squared(index):
    return torch.tensor([index**2])


def test_each_does_its_share_and_has_all_in_order(three):
    done, own = [], three(squared)

    def work(index):
        done.append(index)
        return squared(index)

    with distributed.dealing():
        found = torch.cat(list(distributed.dealt(work, 8))).tolist()
    assert found == [index**2 for index in range(8)]
    assert done == [1, 4, 7] and len(own) == 3
    with distributed.dealing():  # fewer than processes: all must come to the exchange
        assert len(list(distributed.dealt(work, 1))) == 1
    assert done[-1] == 0


def test_not_shared_means_alone(three):
    own = three(squared)
    assert torch.cat(list(distributed.dealt(squared, 5))).tolist() == [0, 1, 4, 9, 16] and not own


def test_what_a_part_deals_out_it_does_alone(three):
    own = three(squared)

    def work(index):
        return sum(distributed.dealt(squared, 3)) + index

    with distributed.dealing():
        next(distributed.dealt(work, 2))
    assert [part.item() for part in own] == [5 + 1]


def test_named_tensors_of_one_process_are_its_own():
    tensors = {"a": torch.arange(3), "b": torch.zeros(0, 2)}
    assert distributed.shared_named(tensors) == tensors


@pytest.mark.skipif(sys.platform != "linux", reason="the threads of a process are listed in /proc/self/task")
def test_no_thread_outlives_the_group():
    """One that did could ask for Python when it is gone, which aborts a process whose work was done."""
    script = Path(__file__).with_name("two_leaving.py")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    told = done.stderr
    assert "0: 0 threads left" in told and "1: 0 threads left" in told

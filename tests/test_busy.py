"""The benchmark of a busy machine: it measures what it says, and leaves no process behind."""

import re
import subprocess

import pytest
import torch
from click.testing import CliRunner

from benchmarks import busy
from tests.training.tiny import tiny_state


def test_a_row_for_each_number_of_threads(monkeypatch):
    started, popen = [], subprocess.Popen

    def start(command):
        started.append(popen(command))
        return started[-1]

    seen = []
    monkeypatch.setattr(busy.threads, "timed", lambda step, most: seen.append(most) or {2: 1.0, 1: 0.9})
    monkeypatch.setattr(busy.subprocess, "Popen", start)
    small = [f"{network}.channel_max=8" for network in ("generator", "discriminator")]
    options = [word for key in small for word in ("--set", key)]
    result = CliRunner().invoke(busy.main, ["--resolution", "8", "--seconds", "0", "--rounds", "1", *options])
    assert result.exit_code == 0, result.output
    names = [line.split("|")[1].strip() for line in result.output.splitlines()[2:]]
    assert names == ["1", "2", "auto: 1 and 1"] and seen == [2] * 2
    speeds = re.findall(r"\d+\.\d+", result.output)
    assert len(speeds) == 9 and all(float(speed) > 0 for speed in speeds)
    assert len(started) == 1 and all(process.returncode is not None for process in started)


@pytest.mark.parametrize("number", [1, 2])
def test_it_trains_for_so_long_with_so_many_threads(number, monkeypatch):
    clock, counts, state = iter(range(100)), [], tiny_state()
    monkeypatch.setattr(busy.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(busy, "train_step", lambda *_: counts.append(torch.get_num_threads()))
    speed = busy.images_a_second(state, number, 3)  # at 1 it begins; a look at the clock is a second
    assert set(counts) == {number} and state.nimg == len(counts) * 4
    assert speed == (len(counts) - 1) * 4 / (next(clock) - 2)

"""Benchmarks run and measure what they say."""

import itertools
import os
import time

import torch

from ops import bench
from ops.library import fused


def test_medians_alternate():
    called = []
    medians = bench.medians((lambda: called.append("a"), lambda: called.append("b")), 3)
    turns = [name for name, _ in itertools.groupby(called)]
    assert turns == ["a", "b"] * 4 and all(seconds >= 0 for seconds in medians)


def test_a_timing_lasts_long_enough_for_the_clock():
    called = []
    [seconds] = bench.medians([lambda: called.append(time.sleep(0.001))], 3)
    assert seconds >= 0.001 and 3 < len(called) <= 17  # at most five a timing, and two to warm up


def test_mode_is_restored(monkeypatch):
    monkeypatch.setenv("GAN_OPS", "auto")
    with bench.using("reference"):
        assert os.environ["GAN_OPS"] == "reference" and not fused(torch.zeros(1))
    assert os.environ["GAN_OPS"] == "auto"


def test_cases_run_with_and_without_gradient(monkeypatch):
    monkeypatch.setattr(bench, "using", lambda mode: bench.contextlib.nullcontext())
    case = bench.Case("double", lambda x, b: x * 2 + b, (2, 3, 4, 4), ((3, 1, 1),))
    timing = bench.compare(case, case.inputs(bench.CPU), gradient=True, repeats=1)
    assert timing.traffic == 2 * 4 * (96 + 3 + 96)  # bytes of both inputs and the result, there and back
    assert timing.speedup > 0

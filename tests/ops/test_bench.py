"""Benchmarks run and measure what they say."""

import itertools
import os
import time

import pytest
import torch

from ops import bench
from ops.library import fused
from ops.toolchain import KernelError


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


def test_measured_rows_become_a_table(kernels, monkeypatch):
    case = bench.Case("double", lambda x: x * 2, (2, 3, 4, 4), (), torch.channels_last)
    monkeypatch.setattr(bench, "cases", lambda batch, device=bench.CPU: [case])
    monkeypatch.setattr(bench, "copy_bandwidth", lambda device: 1e9)
    watched = []
    found = bench.measure(only="dou", repeats=1, watch=lambda cases: watched.extend(cases) or cases)
    assert watched == [case] and found["dtype"] == "float32" and found["copy_bytes_per_second"] == 1e9
    (row,) = found["rows"]
    assert (row["operator"], row["shape"], row["layout"]) == ("double", [2, 3, 4, 4], "NHWC")
    assert row["forward"]["of_copy"] == pytest.approx(2 * 4 * 96 / row["forward"]["fused_ms"] / 1e6)
    *_, line = bench.table(found["rows"]).splitlines()
    assert line.startswith("| double | 2x3x4x4 | NHWC |") and line.count("|") == 11
    with pytest.raises(KernelError, match="contains 'triple'; they are: double"):
        bench.measure(only="triple")


def test_without_kernels_nothing_is_timed(machine):
    with pytest.raises(KernelError, match="no kernels to time on cpu"):
        bench.measure(only="grid_sample", batch=1)

"""Benchmarks run and measure what they say."""

import os

import torch

from ops import bench
from ops.library import fused


def test_medians_alternate():
    called = []
    medians = bench.medians((lambda: called.append("a"), lambda: called.append("b")), 3)
    assert called == ["a", "b"] * 4 and all(seconds >= 0 for seconds in medians)


def test_mode_is_restored(monkeypatch):
    monkeypatch.setenv("GAN_OPS", "auto")
    with bench.using("reference"):
        assert os.environ["GAN_OPS"] == "reference" and not fused(torch.zeros(1))
    assert os.environ["GAN_OPS"] == "auto"


def test_cases_run_with_and_without_gradient(monkeypatch):
    monkeypatch.setattr(bench, "using", lambda mode: bench.contextlib.nullcontext())
    case = bench.Case("double", lambda x, b: x * 2 + b, (2, 3, 4, 4), ((3, 1, 1),))
    timing = bench.compare(case, gradient=True, repeats=1)
    assert timing.traffic == 2 * 4 * (96 + 3 + 96)  # bytes of both inputs and the result, there and back
    assert timing.speedup > 0

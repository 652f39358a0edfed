"""Mistakes put into the real kernels, one at a time: the checks of this folder must find every one.

A mutant that survives says that a check is missing; one whose text is gone says that the kernel has changed.
"""

import itertools
from typing import NamedTuple

import pytest

from tests.cuda_emulation import build
from tests.cuda_emulation.running import FAILED, OPERATORS, PASSED, files_of, run_program, run_tests


class Mutant(NamedTuple):
    """A mistake in ops/csrc/<operator>.cu, or in a header that it includes, and the check that finds it."""

    operator: str
    found: str
    replacement: str
    check: str  # values: tests/ops;  memory: the same under AddressSanitizer;  races: ThreadSanitizer
    why: str
    header: str = ""
    slow: bool = False  # a race that only slow tests look for: the fast ones have another of the operator


STRIPS = "filtered_lrelu_strips.h"
MUTANTS = (
    Mutant("bias_act", "i < count; i += step", "i < count - V; i += step", "values", "last piece left out"),
    Mutant("bias_act", "b[p.inner == 1 ? k : 0]", "b[0]", "values", "one bias for all channels of a vector"),
    Mutant("bias_act", ": p.inner % V == 0;", ": true;", "values", "vectors across two channels"),
    Mutant(
        "bias_act",
        " % static_cast<unsigned>(p.channels)",
        "",
        "memory",
        "bias of the second sample out of bounds",
    ),
    Mutant("scale_bias_act", "offset > 0; offset", "offset > 1; offset", "values", "half a warp's sum"),
    Mutant("scale_bias_act", "n * p.noise_stride", "n * p.pixels", "values", "shared noise read per sample"),
    Mutant(
        "scale_bias_act",
        "= value;\n  __syncthreads();",
        "= value;",
        "races",
        "sums read before they are there",
    ),
    Mutant(
        "scale_bias_act",
        "  __syncthreads();\n  return sum;",
        "  return sum;",
        "races",
        "second sum over the first",
        slow=True,
    ),
    Mutant("scale_bias_act", "pixel < end; pixel", "pixel <= end; pixel", "values", "slabs overlap"),
    Mutant("scale_bias_act", "c = lane; c <", "c = 0; c <", "values", "every lane sums all channels"),
    Mutant(
        "scale_bias_act",
        "[lane] = sum;\n    __syncthreads();",
        "[lane] = sum;",
        "races",
        "rows of a slab added before they are there",
        slow=True,
    ),
    Mutant("filtered_lrelu", "gy < p.in_h;", "gy <= p.in_h;", "memory", "one row beyond the image"),
    Mutant("filtered_lrelu", "column >= p.out_w", "column > p.out_w", "values", "tile edge off by one"),
    Mutant("filtered_lrelu", "taps[k] * x[j]", "taps[G::FD - 1 - k] * x[j]", "values", "filter flipped"),
    Mutant("filtered_lrelu", "|| at.last_x)", "|| false)", "values", "mask of the last tile not kept"),
    Mutant(
        "filtered_lrelu", "mx + kx >= p.mid_w", "mx + kx > p.mid_w", "values", "one sample beyond the row"
    ),
    Mutant(
        "filtered_lrelu",
        "&scratch[0][0]);\n      __syncthreads();\n      upsample_y",
        "&scratch[0][0]);\n      upsample_y",
        "races",
        "rows read before they are upsampled",
        slow=True,
    ),
    Mutant("filtered_lrelu", "i % 4 - at.phase_x", "i % 4", "values", "no phase along x", STRIPS),
    Mutant("filtered_lrelu", "k = i - at.phase_y", "k = i", "values", "no phase along y", STRIPS),
    Mutant("filtered_lrelu", "|| at.last_x)", "|| false)", "values", "mask of the last strip lost", STRIPS),
    Mutant(
        "filtered_lrelu",
        "at.last_y ? mid_h : ",
        "",
        "values",
        "mask of the last rows not kept",
        STRIPS,
    ),
    Mutant("filtered_lrelu", "1 - step % 2", "step % 2", "values", "rows that are not complete", STRIPS),
    Mutant("filtered_lrelu", "p.out_w % 2 == 0 && ", "", "memory", "pairs in odd rows"),
    Mutant(
        "filtered_lrelu",
        "row_inside[t] && inside[i] ? x",
        "inside[i] ? x",
        "memory",
        "rows beyond the image",
        STRIPS,
    ),
    Mutant("filtered_lrelu", "byte + 1 < mask_w", "true", "memory", "one byte beyond the mask", STRIPS),
    Mutant(
        "filtered_lrelu",
        "codes.read();\n      }\n      __syncwarp();",
        "codes.read();\n      }",
        "races",
        "samples read before they are there",
        STRIPS,
    ),
    Mutant(
        "filtered_lrelu",
        "  __syncwarp();\n#pragma unroll\n  for (int t = 0; t < G::IN; ++t) ahead.read(t);",
        "#pragma unroll\n  for (int t = 0; t < G::IN; ++t) ahead.read(t);",
        "races",
        "samples written while they are read",
        STRIPS,
        slow=True,
    ),
    Mutant(
        "grid_sample",
        "across.weight[j];\n    if (weight == C(0)) continue;\n    const Vec",
        "across.weight[i];\n    if (weight == C(0)) continue;\n    const Vec",
        "values",
        "weight of the wrong corner",
    ),
    Mutant("grid_sample", "if (p.paired) return", "return", "memory", "two coordinates at an odd offset"),
    Mutant("grid_sample", " && aligned(p.from) && aligned(p.to)", "", "memory", "vectors of a shifted image"),
    Mutant("bias_act", "aligned(p.x) && ", "", "memory", "vectors of a shifted tensor"),
    Mutant("scale_bias_act", "placed = aligned(p.x)", "placed = true", "memory", "vectors of shifted images"),
    Mutant("spectral_norm", " && aligned(p.weight)", "", "memory", "vectors of a shifted weight"),
    Mutant("upfirdn2d", " || !aligned(p.x)", "", "memory", "vectors of a shifted image"),
    Mutant("grid_sample", "p.c % V == 0 && ", "", "values", "channels beyond the last vector"),
    Mutant(
        "grid_sample",
        "atomicAdd(to + k, weight * load(d[k]))",
        "to[k] += weight * load(d[k])",
        "races",
        "sums without atomics",
    ),
    Mutant("random", "p.keys + 3 * sample", "p.keys", "values", "one key for all samples"),
    Mutant("random", "C(z.d)", "C(z.c)", "values", "third element twice"),
    Mutant("random", "p.count % 4 == 0 && ", "", "values", "vectors across two samples"),
    Mutant("random", "i += step", "i += step + total", "values", "one piece a thread"),
    Mutant("random", "block + k < p.count", "block + k <= p.count", "memory", "one element beyond"),
    Mutant("spectral_norm", "p.inner % V == 0 && ", "", "values", "rows beyond the last vector"),
    Mutant("spectral_norm", "if (column < rest) {", "if (column <= rest) {", "memory", "one column beyond"),
    Mutant(
        "spectral_norm",
        "  __syncthreads();\n  a = b = C(0);",
        "  a = b = C(0);",
        "races",
        "sums not there yet",
    ),
    Mutant(
        "spectral_norm",
        "  __syncthreads();\n  if (threadIdx.y != 0",
        "  if (threadIdx.y != 0",
        "races",
        "columns not there yet",
        slow=True,
    ),
    Mutant("upfirdn2d", "p.inner % V != 0 || ", "", "values", "channels beyond the last vector"),
    Mutant("upfirdn2d", "sums[sy + a][column]", "sums[sy][column]", "values", "one row for all taps"),
    Mutant("upfirdn2d", "static_cast<int>(a.pad & 1)", "0", "values", "runs between two samples"),
    Mutant(
        "upfirdn2d",
        "sx >= h.in) continue;\n      const Vec",
        "sx > h.in) continue;\n      const Vec",
        "memory",
        "one column beyond",
    ),
    Mutant("upfirdn2d", "P::kTall - run_shift(v)", "P::kTall", "values", "patches between two samples"),
    Mutant(
        "upfirdn2d",
        "within(sx + c, in_w)",
        "within(sx + c, in_w + 1)",
        "values",
        "the next row's first column",
    ),
    Mutant("upfirdn2d", "first_y * Up - j * Down + y * Up", "kTaps - 1 - y", "values", "taps upside down"),
    Mutant(
        "upfirdn2d", "within(sy + a, in_h)", "within(sy + a, in_h + 1)", "memory", "one row beyond the image"
    ),
    Mutant("upfirdn2d", "h.out % P::kWide == 0 && ", "", "memory", "whole patches in odd rows"),
    Mutant(
        "upfirdn2d",
        "&taps[0][0]);\n  __syncthreads();",
        "&taps[0][0]);",
        "races",
        "taps read before they are there",
        slow=True,
    ),
    Mutant(
        "upfirdn2d",
        "  __syncthreads();\n  if (left",
        "  if (left",
        "races",
        "rows read before they are filtered",
    ),
)


def name(mutant: Mutant) -> str:
    """Name of the test."""
    return f"{mutant.operator}-{mutant.why.replace(' ', '_')}"


def mutated(mutant: Mutant) -> dict[str, str]:
    """The operator's .cu file with the mistake, as build.library takes it; a header with one stands in it."""
    file = f"{mutant.operator}.cu"
    kernels = (build.SOURCES / file).read_text(encoding="utf-8")
    text = (build.SOURCES / mutant.header).read_text(encoding="utf-8") if mutant.header else kernels
    place, count = mutant.header or file, text.count(mutant.found)
    assert count == 1, f"{place} holds {mutant.found!r} {count} times"
    text = text.replace(mutant.found, mutant.replacement)
    if mutant.header:
        include = f'#include "{mutant.header}"\n'
        assert kernels.count(include) == 1
        text = kernels.replace(include, text.replace("#pragma once\n", ""))
    return {file: text}


def is_found(mutant: Mutant) -> tuple[bool, str]:
    """Whether the mutant's check finds it, and what was printed."""
    changed = mutated(mutant)
    if mutant.check == "races":
        sources = [build.HERE / "races" / f"{mutant.operator}.cpp"]
        done = run_program(build.program("tsan", sources, changed), "tsan")
        return "ThreadSanitizer: data race" in done.stdout, done.stdout
    variant = {"values": "plain", "memory": "asan"}[mutant.check]
    library = build.library(variant, changed)
    done = run_tests(library, files_of([mutant.operator]), variant, "forward", "-x")
    assert done.returncode in (PASSED, FAILED) or done.returncode < 0, done.stdout
    if mutant.check == "memory":
        return "AddressSanitizer" in done.stdout or "runtime error" in done.stdout, done.stdout
    return done.returncode != PASSED, done.stdout


def is_slow(mutant: Mutant) -> bool:
    """Whether the search for it takes long, or is not needed every time."""
    return mutant.slow or mutant.check != "races"


@pytest.mark.slow
@pytest.mark.parametrize("mutant", list(filter(is_slow, MUTANTS)), ids=name)
def test_mistake_is_found(mutant: Mutant) -> None:
    found, output = is_found(mutant)
    assert found, output[-3000:]


@pytest.mark.parametrize("mutant", list(itertools.filterfalse(is_slow, MUTANTS)), ids=name)
def test_missing_order_is_found(mutant: Mutant) -> None:
    found, output = is_found(mutant)
    assert found, output[-3000:]


def test_every_mistake_can_be_made() -> None:
    """Also without the slow tests: each text is there exactly once."""
    for mutant in MUTANTS:
        mutated(mutant)


def test_every_operator_has_mutants() -> None:
    assert {mutant.operator for mutant in MUTANTS} == set(OPERATORS)

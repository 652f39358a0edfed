"""Mutated files through the decoder: an array or a refusal in one line, in bounded time and memory."""

import functools
import io
import os
import random
import resource
import subprocess
import sys
import textwrap
import time
import zlib
from pathlib import Path

import numpy as np
import pytest

from tests.sources import ROOT
from tests.training.preparation import hostile
from tests.training.preparation.hostile_bytes import SIGNATURE
from training.data.decoding import decode
from training.data.faults import Refused

SECONDS = 10  # that one file may take
FEW, MANY = 400, 10_000
MEMORY = (
    3 * 2**30
)  # bytes of addresses beyond those at the start; the largest picture that is read has 0.7 GiB


def mutated(data: bytes, rng: random.Random) -> bytes:
    """The file hit in one to four ways: bits, bytes, numbers of headers, parts cut, doubled or mixed."""
    some = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at = rng.randrange(len(some)) if rng.random() < 0.6 else rng.randrange(min(len(some), 64))
        size = rng.choice((1, 2, 4, 16, 200))
        kind = rng.randrange(8)
        if kind == 0:
            some[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            some[at : at + size] = rng.randbytes(size)
        elif kind == 2:
            some[at : at + 4] = rng.choice(
                (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\xff\xff")
            )
        elif kind == 3:
            del some[at : at + size]
        elif kind == 4:
            some[at:at] = some[at : at + size] * rng.randint(1, 50)
        elif kind == 5:
            del some[at:]
        elif kind == 6:
            other = rng.choice(hostile.seeds())
            some[at:] = other[min(at, len(other) - 1) :]
        else:
            some[at : at + size] = bytes(size)
        if not some:
            return b""
    return mended(bytes(some)) if rng.random() < 0.7 else bytes(some)


def mended(data: bytes) -> bytes:
    """A PNG with the right checksums of its chunks, so that what lies behind them is reached."""
    if not data.startswith(SIGNATURE):
        return data
    parts, at = [SIGNATURE], len(SIGNATURE)
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            break
        parts += [data[at:end], zlib.crc32(data[at + 4 : end]).to_bytes(4, "big")]
        at = end + 4
    return b"".join([*parts, data[at:]])


def outcome(data: bytes) -> str:
    """array or refused; anything else is a failure of the decoder."""
    start = time.monotonic()
    try:
        planes = decode(data)
    except Refused as error:
        assert str(error) and "\n" not in str(error)
        found = "refused"
    else:
        assert planes.dtype == np.uint8 and planes.ndim == 3 and 1 <= len(planes) <= 4
        assert planes.flags.c_contiguous
        found = "array"
    assert time.monotonic() - start < SECONDS
    return found


@functools.cache
def healthy() -> tuple[bytes, ...]:
    """Files that are read when nothing has hit them: their mutations go deepest."""
    return tuple(data for data in hostile.seeds() if outcome(data) == "array")


def outcomes(count: int, seed: int) -> list[str]:
    """Of so many mutated files. The file at fault is told when one fails."""
    rng, found = random.Random(seed), []
    for number in range(count):
        data = mutated(rng.choice(healthy() if rng.random() < 0.8 else hostile.seeds()), rng)
        try:
            found.append(outcome(data))
        except BaseException as error:
            raise AssertionError(f"file {number} of seed {seed}, {data[:80]!r}...: {error!r}") from error
    return found


@pytest.fixture
def bounded_memory():
    """Addresses are limited while a test runs: a decoder that asks for more fails by a MemoryError."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


needs_proc = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="limits of addresses are Linux's"
)


@needs_proc
def test_a_few_hundred_mutated_files(bounded_memory):
    found = outcomes(FEW, seed=0)
    assert found.count("array") > FEW // 10 and found.count("refused") > FEW // 3


@needs_proc
@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_ten_thousand_mutated_files(part):
    """In processes of their own, so that a crash is told as one, and a hang as another."""
    code = f"""
        from tests.training.data import test_decoding_fuzzed as fuzzed
        import resource
        found = fuzzed.outcomes({MANY // 4}, seed=100 + {part})
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(found.count("array"), found.count("refused"), peak)
    """
    limits = functools.partial(resource.setrlimit, resource.RLIMIT_AS, (2 * MEMORY, 2 * MEMORY))
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
        preexec_fn=limits,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    arrays, refused, peak = map(int, done.stdout.split())
    print(f"{arrays} arrays, {refused} refused, at most {peak / 2**10:.0f} MiB")
    assert arrays + refused == MANY // 4 and arrays > 250 and refused > 800


@pytest.mark.parametrize("case", range(len(hostile.seeds())))
def test_the_files_themselves(case):
    outcome(hostile.seeds()[case])


def test_a_mutation_changes_the_file():
    """Nearly always; and files of all formats are among them."""
    rng = random.Random(0)
    assert sum(mutated(data, rng) != data for data in hostile.seeds()) > 0.9 * len(hostile.seeds())
    heads = {data[:4] for data in hostile.seeds()}
    assert {b"\x89PNG", b"RIFF"} <= heads and any(head.startswith(b"\xff\xd8") for head in heads)
    assert io.BytesIO(hostile.seeds()[0]).read(4) in heads

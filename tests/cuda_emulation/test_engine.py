"""The emulation itself: sound kernels come out right in every order of threads, planted bugs are caught.

selftest.cu holds the kernels; each case runs in a process of its own, as a bug may end it.
"""

import subprocess

import pytest

from tests.cuda_emulation import build

ORDERS = ("forward", "reverse", "shuffle", "shuffle:7")
SOUND = (
    *("axpy_vector", "axpy_scalar", "window", "transpose", "sum_float", "sum_double", "count"),
    *("warps", "limits", "types"),
)
RIGHT, WRONG = 0, 1

# Case -> what the engine says before it ends the process.
ENDED = {
    "two_barriers": "divergent __syncthreads: others wait at line",
    "early_end": "divergent __syncthreads: this thread ends while others wait",
    "late_barrier": "divergent __syncthreads",
    "ended_lane": "a warp operation names a lane that has ended",
    "foreign_mask": "the mask of a warp operation lacks the calling lane",
    "mixed_warp": "two lanes wait for each other in different warp operations",
    "waiting_warp": "deadlock",
    "much_shared": "more than 48 KB of shared memory",
}
# Case -> what AddressSanitizer or the check for undefined behaviour says.
SANITIZED = {
    "beyond_shared": "heap-buffer-overflow",
    "beyond_dynamic": "heap-buffer-overflow",
    "beyond_global": "heap-buffer-overflow",
    "beyond_row": "index 35 out of bounds for type 'float [35]'",
    "misaligned": "misaligned address",
}
UNSYNCHRONISED = ("no_sync_1", "no_sync_2", "no_sync_3", "no_sync_4")
RACES = (*UNSYNCHRONISED, "warp_race", "blocks_race")


def run(variant: str, *cases: str, order: str = "forward") -> subprocess.CompletedProcess:
    """Cases of selftest.cu."""
    program = build.program(variant, [build.HERE / "selftest.cu"])
    return subprocess.run(
        [program, *cases],
        env=build.environment(variant, order),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("variant", ["plain", "ucontext"])
@pytest.mark.parametrize("order", ORDERS)
def test_sound_kernels_are_right(variant: str, order: str) -> None:
    done = run(variant, *SOUND, order=order)
    assert (done.returncode, done.stdout) == (RIGHT, "")


def test_unknown_order_is_refused() -> None:
    done = run("plain", "window", order="backward")
    assert done.returncode not in (RIGHT, WRONG)
    assert "CUEMU_ORDER must be" in done.stdout


@pytest.mark.parametrize("case", UNSYNCHRONISED)
def test_missing_barrier_gives_wrong_values(case: str) -> None:
    """In at least one order, which is why kernels are tested in several."""
    assert WRONG in {run("plain", case, order=order).returncode for order in ("forward", "reverse")}


@pytest.mark.parametrize("variant", ["plain", "ucontext"])
@pytest.mark.parametrize("order", ["forward", "reverse"])
def test_misuse_ends_the_process(variant: str, order: str) -> None:
    for case, message in ENDED.items():
        done = run(variant, case, order=order)
        assert done.returncode not in (RIGHT, WRONG), case
        assert message in done.stdout, case
        assert "selftest_warps.h:" in done.stdout, case


@pytest.mark.parametrize("case", SANITIZED)
def test_sanitizers_see_bad_accesses(case: str) -> None:
    done = run("asan", case)
    assert done.returncode != RIGHT
    assert SANITIZED[case] in done.stdout
    assert "selftest.cu:" in done.stdout


def test_sanitizers_accept_sound_kernels() -> None:
    done = run("asan", *SOUND)
    assert (done.returncode, done.stdout) == (RIGHT, "")


@pytest.mark.parametrize("case", RACES)
def test_thread_sanitizer_sees_races(case: str) -> None:
    """Also where the values are right: within a warp that nothing synchronises, and between blocks."""
    done = run("tsan", case)
    assert done.returncode != RIGHT
    assert "ThreadSanitizer: data race" in done.stdout


@pytest.mark.parametrize("order", ["forward", "shuffle"])
def test_thread_sanitizer_accepts_sound_kernels(order: str) -> None:
    done = run("tsan", *SOUND, order=order)
    assert (done.returncode, done.stdout) == (RIGHT, "")

"""tests/ops with the real CUDA kernels, emulated: values, derivatives, memory, orders of threads."""

import pytest

from tests.cuda_emulation import build
from tests.cuda_emulation.running import PASSED, files_of, run_tests


@pytest.mark.slow
@pytest.mark.parametrize("order", ["forward", "shuffle"])
def test_operators(order: str) -> None:
    """Contracts too, which the sanitizers leave out; all the rest they run in the fast tests."""
    done = run_tests(build.library("plain"), files_of(), "plain", order)
    assert done.returncode == PASSED, done.stdout[-6000:]


@pytest.mark.parametrize("order", [pytest.param("forward", marks=pytest.mark.slow), "shuffle"])
def test_operators_under_sanitizers(order: str) -> None:
    """No access beyond a tensor or a shared array, none that is misaligned, no other undefined behaviour."""
    done = run_tests(build.library("asan"), files_of(), "asan", order)
    assert done.returncode == PASSED, done.stdout[-6000:]


def test_every_operator_is_tested() -> None:
    assert {path.stem for path in files_of()} == {
        "test_layouts",
        *(f"test_{path.stem}" for path in build.SOURCES.glob("*.cu")),
    }

"""No two threads of an operator's kernels touch the same memory unless a barrier or an atomic orders them."""

import pytest

from tests.cuda_emulation import build
from tests.cuda_emulation.running import OPERATORS, run_program


@pytest.mark.parametrize("operator", OPERATORS)
def test_operator_has_no_races(operator: str) -> None:
    done = run_program(build.program("tsan", [build.HERE / "races" / f"{operator}.cpp"]), "tsan")
    assert (done.returncode, done.stdout) == (0, "")

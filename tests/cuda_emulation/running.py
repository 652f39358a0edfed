"""Runs the operators' own tests with emulated kernels, in a process of its own."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.cuda_emulation import build

OPERATORS = tuple(sorted(path.stem for path in build.SOURCES.glob("*.cu")))
# What a sanitizer adds nothing to: the compiler, the dispatcher, threads of the CPU.
NOT_SANITIZED = ("compiles", "contract", "promises", "registered", "are_operators", "threads", "export")
PASSED, FAILED = 0, 1


def files_of(operators: Iterable[str] = OPERATORS) -> list[Path]:
    """Files of tests/ops that test these operators, the last of them all operators alike."""
    files = [build.ROOT / "tests" / "ops" / f"test_{name}.py" for name in (*operators, "layouts")]
    return [path for path in files if path.is_file()]


def run_tests(
    library: Path, files: Iterable[Path], variant: str = "plain", order: str = "forward", *options: str
) -> subprocess.CompletedProcess:
    """pytest with these kernels; exit status PASSED, FAILED, or below 0 where a bug ended the process."""
    command = [sys.executable, "-m", "pytest", *files, "--kernels", library, "-q", "-p", "no:cacheprovider"]
    if variant == "asan":
        chosen = " and ".join(f"not {word}" for word in NOT_SANITIZED)
        options = ("--capture=sys", "-k", chosen, *options)  # sys: a sanitizer writes to the descriptor
    return subprocess.run(
        [*command, *options],
        cwd=build.ROOT,
        env=build.environment(variant, order, preload=True),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
        check=False,
    )


def run_program(program: Path, variant: str, order: str = "forward") -> subprocess.CompletedProcess:
    """A program without arguments, with what it prints."""
    return subprocess.run(
        [program],
        env=build.environment(variant, order),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )

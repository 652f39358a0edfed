"""What compiles the kernels on this machine: C++ compiler, ninja, nvcc, architectures, instruction sets.

Each finder returns what it found or raises ToolError, which says what is missing and what to type. Nothing is
cached, and nothing here loads torch.
"""

import os
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

# Instruction sets among the many flags that the Linux kernel lists for a CPU.
_INSTRUCTIONS = re.compile(
    r"(avx|sse|ssse|pni|fma|f16c|bmi|abm|movbe|popcnt|amx|gfni|vaes|adx|sve|asimd|fp)\w*"
)
# x86-64-v3, the level of prebuilt kernels, in the kernel's names (abm holds lzcnt, pni is SSE 3).
X86_64_V3 = ("abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "pni", "popcnt", "sse4_2", "ssse3")


class KernelError(RuntimeError):
    """There are no fused kernels, for the reason in the message, which ends with what to do about it."""


class ToolError(KernelError):
    """A tool is missing or does not fit."""


class Tool(NamedTuple):
    """A program that runs."""

    path: Path
    version: str


class Nvcc(NamedTuple):
    """The CUDA compiler and the toolkit around it."""

    path: Path
    version: str  # "13.0"
    home: Path
    libraries: Path  # folder of libcudart_static


def compiler() -> Tool:
    """$CXX if set, else the first of g++, c++ and clang++ on PATH that runs."""
    names = [os.environ["CXX"]] if os.environ.get("CXX") else ["g++", "c++", "clang++"]
    for name in names:
        if path := shutil.which(name):
            return Tool(Path(path), _first_line([path, "--version"]))
    raise ToolError(
        f"no C++ compiler: {', '.join(names)} not found; install one (Debian, Ubuntu: apt install g++; "
        "conda: conda install cxx-compiler; macOS: xcode-select --install), then: gan ops build"
    )


def ninja() -> Tool:
    """Ninja of the Python package, else the one on PATH."""
    candidates = []
    if find_spec("ninja"):
        import ninja as package

        candidates.append(str(Path(package.BIN_DIR) / "ninja"))
    for name in (*candidates, "ninja"):
        if path := shutil.which(name):
            return Tool(Path(path), _first_line([path, "--version"]))
    raise ToolError("no ninja; pip install ninja, then: gan ops build")


def cpu_flags() -> frozenset[str]:
    """Instruction sets of this CPU in the names of Linux; elsewhere only the machine's name."""
    import platform

    flags = set()
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
            line = next((line for line in file if line.startswith(("flags", "Features"))), "")
        flags = {flag for flag in line.partition(":")[2].split() if _INSTRUCTIONS.fullmatch(flag)}
    except OSError:
        pass
    return frozenset(flags) or frozenset({platform.machine()})


def _first_line(command: list[str]) -> str:
    """First line that a program prints, "" if it prints none. Raises ToolError if it does not run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise ToolError(f"{command[0]} does not run ({error}); repair it or set CXX to another") from error
    return done.stdout.partition("\n")[0].strip()

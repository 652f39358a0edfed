"""What nvcc makes of ops/csrc/*.cu, without a GPU: registers and memory of every kernel, wide accesses.

for kernel in kernel_table(): print(kernel.file, kernel.name, kernel.architecture, kernel.registers)
"""

import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch

from ops import recipe, toolchain
from ops.toolchain import ToolError
from tests.cuda_emulation import build

ARCHITECTURES = ("8.0", "9.0+PTX")
# Spills and local memory are errors, as is every warning.
STRICT = ("-Xptxas", "-v,--warn-on-spills,--warn-on-local-memory-usage", "-Werror", "all-warnings")

_ENTRY = re.compile(r"Compiling entry function '(\w+)' for '(sm_\w+)'")
_STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_USED = re.compile(r"Used (\d+) registers(?:, used (\d+) barriers)?")
_SHARED = re.compile(r"(\d+) bytes smem")
_INSTRUCTION = re.compile(r"\s*/\*([0-9a-f]{4,})\*/\s+(.*;)")
_JUMP = re.compile(r"\bBRA\b.*\b0x([0-9a-f]+)")


class Kernel(NamedTuple):
    """One kernel for one architecture; memory in bytes."""

    file: str
    name: str  # bias_act_kernel<float, 4, 0>
    architecture: str  # sm_80
    registers: int
    shared: int  # static; per block
    stack: int
    spills: int
    barriers: int


class Accesses(NamedTuple):
    """Instructions of a kernel that move 128 bits from or to global memory; those that use local memory.

    instructions: all of its longest loop, whichever branches a thread takes; of the kernel where it has none.
    """

    loads: int
    stores: int
    local: int
    instructions: int


def compile_strictly(
    source: Path, text: str | None = None, architectures: tuple[str, ...] = ARCHITECTURES
) -> tuple[Path, str]:
    """(object, what nvcc and ptxas said) of a .cu file, or of `text` in its place. Cached.

    Raises ToolError if there is no nvcc, build.Failed if it refuses the source.
    """
    nvcc = toolchain.nvcc(torch.version.cuda or "13.0")
    command = [nvcc.path, *recipe.NVCC_FLAGS, *toolchain.gencode(architectures), *STRICT]
    unit = build.Unit(source, (f"-I{build.SOURCES}",), text)
    product = build.compiled(unit, command, nvcc.version, log=True)
    return product, product.with_suffix(".log").read_text(encoding="utf-8")


@cache
def kernel_table() -> tuple[Kernel, ...]:
    """Every kernel of ops/csrc for every architecture in ARCHITECTURES, by file, name and architecture.

    Raises ToolError if there is no nvcc, build.Failed if a kernel spills or does not compile.
    """
    with ThreadPoolExecutor(2) as pool:
        files = list(pool.map(kernels, sorted(build.SOURCES.glob("*.cu"))))
    return tuple(sorted(kernel for found in files for kernel in found))


def kernels(source: Path, architectures: tuple[str, ...] = ARCHITECTURES) -> list[Kernel]:
    """Those of one file. Raises as `kernel_table`."""
    return _kernels(source.name, compile_strictly(source, architectures=architectures)[1])


@cache
def accesses(source: Path, architectures: tuple[str, ...] = ARCHITECTURES) -> dict[tuple[str, str], Accesses]:
    """(kernel, architecture) -> its memory instructions, from the disassembly.

    Raises ToolError if there is no nvcc or no cuobjdump.
    """
    product, _ = compile_strictly(source, architectures=architectures)
    done = subprocess.run([cuobjdump(), "-sass", product], capture_output=True, text=True, check=True)
    texts: dict[tuple[str, str], list[str]] = {}
    architecture, lines = "", []
    for line in done.stdout.splitlines():
        if match := re.match(r"arch = (sm_\w+)", line.strip()):
            architecture = match[1]
        elif match := re.match(r"Function : (\w+)", line.strip()):
            texts[match[1], architecture] = lines = []
        else:
            lines.append(line)
    names = demangle(tuple(name for name, _ in texts))
    return {(names[name], architecture): _accesses(lines) for (name, architecture), lines in texts.items()}


def _accesses(lines: list[str]) -> Accesses:
    """Of the lines of a kernel's disassembly."""
    code = [match for line in lines if (match := _INSTRUCTION.match(line))]
    jumps = [(int(match[1], 16), _JUMP.search(match[2])) for match in code]
    loops = [at - int(jump[1], 16) for at, jump in jumps if jump and int(jump[1], 16) < at]
    return Accesses(
        loads=sum("LDG.E.128" in match[2] for match in code),
        stores=sum("STG.E.128" in match[2] for match in code),
        local=sum(bool(re.search(r"\b(LDL|STL)\b", match[2])) for match in code),
        instructions=max(loops) // 16 + 1 if loops else sum("NOP" not in match[2] for match in code),
    )


def cuobjdump() -> Path:
    """The disassembler on PATH, of pip, or the one that Triton brings. Raises ToolError if none is there."""
    site = Path(torch.__file__).resolve().parent.parent
    folders = [*os.environ.get("PATH", "").split(os.pathsep), *site.glob("nvidia/cu*/bin")]
    folders.append(site / "triton" / "backends" / "nvidia" / "bin")
    if path := shutil.which("cuobjdump", path=os.pathsep.join(map(str, folders))):
        return Path(path)
    raise ToolError("no cuobjdump; pip install nvidia-cuda-cuobjdump")


def demangle(names: tuple[str, ...]) -> dict[str, str]:
    """Symbol -> kernel with its template arguments, without namespaces, types and parameters."""
    if not (program := shutil.which("c++filt") or shutil.which("cu++filt")):
        raise ToolError("no c++filt; install binutils")
    done = subprocess.run([program], input="\n".join(names), capture_output=True, text=True, check=True)
    found = {}
    for name, plain in zip(names, done.stdout.splitlines(), strict=True):
        plain = plain.removeprefix("void ").replace("gan::", "").replace("(anonymous namespace)::", "")
        plain = re.sub(r"\(\w+\)", "", plain)  # (bool)1, (Act)2
        found[name] = plain.partition("(")[0]
    return found


def _kernels(file: str, log: str) -> list[Kernel]:
    """Kernels in the output of ptxas -v."""
    parts = _ENTRY.split(log)[1:]  # name, architecture, the lines that follow, name, ...
    names = demangle(tuple(parts[::3]))
    found = []
    for name, architecture, text in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        stack, stores, loads = map(int, _STACK.search(text).groups())
        registers, barriers = _USED.search(text).groups()
        shared = _SHARED.search(text)
        found.append(
            Kernel(
                file=file,
                name=names[name],
                architecture=architecture,
                registers=int(registers),
                shared=int(shared[1]) if shared else 0,
                stack=stack,
                spills=stores + loads,
                barriers=int(barriers or 0),
            )
        )
    return found


if __name__ == "__main__":
    print(*Kernel._fields, sep="\t")
    for row in kernel_table():
        print(*row, sep="\t")

"""nvcc accepts every kernel: no warning, no spill, no local memory; vectors move 128 bits at once."""

import re
from pathlib import Path

import pytest

from ops import toolchain
from ops.toolchain import ToolError
from tests.cuda_emulation import binary, build

SOURCES = sorted(build.SOURCES.glob("*.cu"))

# Kernels whose first two template arguments are type and elements an access: those that wait for memory only.
VECTORISED = {
    "bias_act.cu": r"bias_act_kernel<(\w+), (\d+), \d+>",
    "scale_bias_act.cu": r"scale_bias_act_kernel<(\w+), (\d+), 0>",
    "grid_sample.cu": r"grid_sample_kernel<(\w+), (\d+), true, false>",
}
BYTES = {"float": 4, "double": 8, "__half": 2, "__nv_bfloat16": 2}
SHARED_LIMIT = 48 * 1024
# File -> the one architecture that the fast tests compile it for: each has its turn.
ONE = {path: (binary.ARCHITECTURES[i % 2].partition("+")[0],) for i, path in enumerate(SOURCES)}
COMPILED = [
    pytest.param(None, id="one"),
    pytest.param(binary.ARCHITECTURES, id="every", marks=pytest.mark.slow),
]

SPILLS = """
__global__ void __launch_bounds__(1024) spills(float* x) {
  float v[80];
  for (int i = 0; i < 80; ++i) v[i] = x[i * 1024 + threadIdx.x];
  for (int r = 0; r < 80; ++r)
    for (int i = 0; i < 80; ++i) v[i] = v[i] * v[(i + r) % 80] + v[(i * 7 + r) % 80];
  for (int i = 0; i < 80; ++i) x[i * 1024 + threadIdx.x] = v[i];
}
"""
LOCAL = """
__global__ void local(int* x, int n) {
  int v[64];
  for (int i = 0; i < n; ++i) v[x[i] % 64] = i;
  x[threadIdx.x] = v[x[threadIdx.x] % 64];
}
"""


@pytest.fixture(autouse=True)
def tools() -> None:
    """Skips the tests of this file where nvcc or the disassembler is missing."""
    try:
        toolchain.nvcc("13.0" if binary.torch.version.cuda is None else binary.torch.version.cuda)
        binary.cuobjdump()
    except ToolError as error:
        pytest.skip(str(error))


@pytest.mark.slow
def test_kernels_compile_without_spills() -> None:
    table = binary.kernel_table()
    assert {kernel.file for kernel in table} == {path.name for path in SOURCES}
    assert {kernel.architecture for kernel in table} == {"sm_80", "sm_90"}
    assert all(map(fits, table))


def fits(kernel: binary.Kernel) -> bool:
    """No spill, and what a block may have."""
    small = kernel.shared <= SHARED_LIMIT and 0 < kernel.registers <= 255
    return small and kernel.spills == kernel.stack == 0


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_kernels_of_a_file_compile_without_spills(source: Path) -> None:
    """For one of the architectures, in turn; the slow tests compile every file for each."""
    [architecture] = ONE[source]
    table = binary.kernels(source, ONE[source])
    assert {kernel.architecture for kernel in table} == {f"sm_{architecture[0]}0"}
    assert {kernel.name for kernel in table} == {name for name, _ in binary.accesses(source, ONE[source])}
    assert all(map(fits, table))


@pytest.mark.parametrize(
    ("source", "architecture"), [(SPILLS, "8.0"), (LOCAL, "9.0")], ids=["registers", "array"]
)
def test_local_memory_is_refused(source: str, architecture: str) -> None:
    with pytest.raises(build.Failed, match="local memory|Local memory"):
        binary.compile_strictly(build.SOURCES / "planted.cu", source, (architecture,))


@pytest.mark.parametrize("architectures", COMPILED)
@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_no_local_memory_in_the_machine_code(source: Path, architectures: tuple[str, ...] | None) -> None:
    found = binary.accesses(source, architectures or ONE[source])
    assert found and not [name for name, counted in found.items() if counted.local]


@pytest.mark.parametrize("architectures", COMPILED)
@pytest.mark.parametrize("file", VECTORISED)
def test_vectors_move_at_once(file: str, architectures: tuple[str, ...] | None) -> None:
    kernels = binary.accesses(build.SOURCES / file, architectures or ONE[build.SOURCES / file])
    found = {name: re.fullmatch(VECTORISED[file], name[0]) for name in kernels}
    wide = {name: kernels[name] for name, match in found.items() if match and int(match[2]) > 1}
    types = {match[1] for match in found.values() if match and int(match[2]) > 1}
    assert {"float", "__half", "__nv_bfloat16"} <= types
    for name, match in found.items():
        if match and int(match[2]) > 1:
            assert int(match[2]) * BYTES[match[1]] == 16, name
    assert not [name for name, counted in wide.items() if not counted.loads or not counted.stores]

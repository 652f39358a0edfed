"""Finding compilers, ninja, nvcc, architectures and instruction sets, with fake programs."""

import platform
from pathlib import Path
from types import SimpleNamespace

import pytest

from ops import recipe, toolchain
from ops.toolchain import ToolError


def test_nothing_there(machine):
    with pytest.raises(ToolError, match="no C\\+\\+ compiler.*install one.*gan ops build"):
        toolchain.compiler()
    with pytest.raises(ToolError, match="no ninja; pip install ninja"):
        toolchain.ninja()
    with pytest.raises(
        ToolError, match=r'CUDA 13.*none found.*pip install "cuda-toolkit\[nvcc,cccl\]==13.0.\*"'
    ):
        toolchain.nvcc("13.0")


def test_compilers_in_order_and_by_name(machine, monkeypatch):
    for name in ("clang++", "g++", "mine"):
        path = machine.program(name, "", version=f"{name} 4.2")
    assert toolchain.compiler()[:2] == (machine.bin / "g++", "g++ 4.2")
    monkeypatch.setenv("CXX", "mine")
    assert toolchain.compiler()[:2] == (path, "mine 4.2")
    monkeypatch.setenv("CXX", "absent")
    with pytest.raises(ToolError, match="absent"):
        toolchain.compiler()


def test_compiler_that_is_a_command(machine, monkeypatch):
    for name in ("g++", "a compiler"):
        machine.program(name, "", version=f"{name} 4.2")
    launcher = machine.program("ccache", "")
    launcher.write_text('#!/bin/sh\nexec "$@"\n')
    monkeypatch.setenv("CXX", "ccache g++ -m64 '-DA=b c'")
    tool = toolchain.compiler()
    assert (tool.path, tool.version) == (machine.bin / "g++", "g++ 4.2")
    assert tool.command() == [str(launcher), str(machine.bin / "g++"), "-m64", "-DA=b c"]
    monkeypatch.setenv("CXX", str(machine.bin / "a compiler"))
    assert toolchain.compiler().command() == [str(machine.bin / "a compiler")]
    monkeypatch.setenv("CXX", "ccache absent")
    with pytest.raises(ToolError, match="no C\\+\\+ compiler \\(ccache absent\\)"):
        toolchain.compiler()
    monkeypatch.setenv("CXX", "g++ 'open")
    with pytest.raises(ToolError, match="cannot be read as a command.*correct or unset it"):
        toolchain.compiler()


def test_nvcc_is_given_the_compiler_without_its_launcher(tmp_path):
    """And the options of $CXX, which hold for the host's part of CUDA files as well."""
    host = toolchain.Tool(Path("/bin/g++"), "1", ("/bin/ccache",), ("-m64",))
    programs = recipe.Tools(
        host, toolchain.Tool(Path("ninja"), "1"), toolchain.Nvcc(Path("nvcc"), "13.0", tmp_path)
    )
    text = recipe.ninja_file(recipe.recipe("cpu"), programs, "x.so")
    assert "nvcc -ccbin /bin/g++ -Xcompiler=-m64 " in text and "command = /bin/ccache /bin/g++ -m64 " in text


def test_broken_compiler(machine):
    machine.program("g++", "").write_text("#!/bin/sh\nexit 3\n")
    with pytest.raises(ToolError, match="g\\+\\+ does not run.*3"):
        toolchain.compiler()


def test_ninja_of_the_package_needs_no_path(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert toolchain.ninja().version[0].isdigit()


def test_nvcc_behind_a_script_on_path(machine, tmp_path):
    real = machine.nvcc(tmp_path / "toolkit 13")
    machine.program("nvcc", "").write_text(f'#!/bin/sh\nexec "{real}" "$@"\n')
    assert toolchain.nvcc("13.1") == (real, "13.0", tmp_path / "toolkit 13" / "lib64")


def test_nvcc_of_pip_before_cuda_home_before_path(machine, tmp_path, monkeypatch):
    machine.nvcc(tmp_path / "path").rename(machine.bin / "nvcc")
    (tmp_path / "path" / "bin" / "nvcc").symlink_to(machine.bin / "nvcc")
    assert toolchain.nvcc("13.0").path == tmp_path / "path" / "bin" / "nvcc"
    home = machine.nvcc(tmp_path / "home")
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "home"))
    assert toolchain.nvcc("13.0").path == home
    pip = machine.nvcc(tmp_path / "site" / "nvidia" / "cu13")
    spec = SimpleNamespace(submodule_search_locations=[str(tmp_path / "site" / "nvidia")])
    monkeypatch.setattr(toolchain, "find_spec", {"nvidia": spec}.get)
    assert toolchain.nvcc("13.0").path == pip


def test_nvcc_that_does_not_fit(machine, tmp_path, monkeypatch):
    """Another major version, one that does not run, one without its library: each is passed over."""
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "old"))
    machine.nvcc(tmp_path / "old", version="12.8")
    machine.program("nvcc", "exit 1").write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(ToolError, match="CUDA 12.8.*does not run"):
        toolchain.nvcc("13.0")
    assert toolchain.nvcc("12.1").version == "12.8"
    (tmp_path / "old" / "lib64" / "libcudart_static.a").unlink()
    with pytest.raises(ToolError, match="libcudart_static.*install the CUDA 12 toolkit"):
        toolchain.nvcc("12.1")


def test_architectures(monkeypatch):
    monkeypatch.delenv("TORCH_CUDA_ARCH_LIST", raising=False)
    assert toolchain.architectures(()) == ("8.0", "9.0+PTX")
    assert toolchain.architectures([(9, 0), (8, 6), (9, 0)]) == ("8.6", "9.0")
    monkeypatch.setenv("TORCH_CUDA_ARCH_LIST", "7.5; 9.0a 12.0+PTX")
    assert toolchain.architectures([(8, 6)]) == ("7.5", "9.0a", "12.0+PTX")
    monkeypatch.setenv("TORCH_CUDA_ARCH_LIST", "Hopper")
    with pytest.raises(ToolError, match="'Hopper'.*8.0;9.0\\+PTX"):
        toolchain.architectures(())


def test_gencode():
    assert toolchain.gencode(("8.0", "9.0+PTX")) == [
        "-gencode=arch=compute_80,code=sm_80",
        "-gencode=arch=compute_90,code=sm_90",
        "-gencode=arch=compute_90,code=compute_90",
    ]


@pytest.mark.parametrize(
    ("capability", "names", "runs"),
    [
        ((8, 0), ("8.0",), True),
        ((8, 6), ("8.0",), True),  # binaries serve later GPUs of the same major version
        ((8, 0), ("8.6",), False),
        ((9, 0), ("8.0",), False),
        ((12, 0), ("8.0", "9.0+PTX"), True),
        ((7, 5), ("8.0+PTX",), False),
    ],
)
def test_covered(capability, names, runs):
    assert toolchain.covered(capability, names) is runs


@pytest.mark.skipif(platform.system() != "Linux", reason="reads /proc/cpuinfo")
def test_cpu_flags_are_instruction_sets():
    flags = toolchain.cpu_flags()
    assert flags & {"sse2", "asimd", "fp"}
    assert not flags & {"hypervisor", "constant_tsc", "arat"}


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("model name : A\nflags : fpu sse2 lahf_lm tsc avx10 ibrs md_clear\n", {"sse2", "lahf_lm", "avx10"}),
        ("Features : fp asimd atomics lrcpc i8mm\n", {"fp", "asimd", "atomics", "lrcpc", "i8mm"}),
        ("isa : rv64imafdc\n", set()),
        (None, set()),
    ],
)
def test_cpu_flags_of_other_machines(text, flags, monkeypatch, tmp_path):
    """On ARM -mcpu=native chooses atomics and others; a machine that tells nothing has no flags at all."""
    info = tmp_path / "cpuinfo"
    if text:
        info.write_text(text)
    monkeypatch.setattr(toolchain, "Path", lambda name: info if name == "/proc/cpuinfo" else Path(name))
    assert toolchain.cpu_flags() == flags

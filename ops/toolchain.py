"""What compiles the kernels on this machine: C++ compiler, ninja, nvcc, architectures, instruction sets.

Each finder returns what it found or raises ToolError, which says what is missing and what to type. Nothing is
remembered, and nothing here loads torch.
"""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

# Of the many flags that the Linux kernel lists for a CPU of x86, those of instructions that compilers choose.
# On ARM it lists little else.
_INSTRUCTIONS = re.compile(
    r"(avx|sse|ssse|pni|fma|xop|tbm|apx|f16c|bmi|abm|movbe|movdir|popcnt|amx|gfni|vaes|vpclmul|adx|aes|pclmul|sha_ni|"
    r"cx8|cx16|lahf_lm|cmov|3dnowprefetch)\w*"
)
# x86-64-v3, the level of prebuilt kernels, in the kernel's names (abm holds lzcnt, pni is SSE 3).
X86_64_V3 = ("abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "pni", "popcnt", "sse4_2", "ssse3")
LAUNCHERS = ("ccache", "sccache", "distcc", "icecc")  # that may stand before a compiler, as in "ccache g++"
USUAL_GPUS = ("8.0", "9.0+PTX")  # where neither a GPU nor the user says which


class KernelError(RuntimeError):
    """There are no fused kernels, for the reason in the message, which ends with what to do about it."""

    exit_code = 1


class ToolError(KernelError):
    """A tool is missing or does not fit."""


class Tool(NamedTuple):
    """A program that runs."""

    path: Path
    version: str  # the first line that it says about itself
    launcher: tuple[str, ...] = ()  # what is written before it
    options: tuple[str, ...] = ()  # and behind it, in every command

    def command(self) -> list[str]:
        """All of it."""
        return [*self.launcher, str(self.path), *self.options]


class Nvcc(NamedTuple):
    """The CUDA compiler and the toolkit around it."""

    path: Path  # the program itself, not a script that calls it
    version: str  # "13.0"
    libraries: Path  # folder of libcudart_static.a


def compiler() -> Tool:
    """$CXX if set, else the first of g++, c++ and clang++ on PATH.

    $CXX is a program, or as in `make` a command: "ccache g++", "clang++ --gcc-toolchain=/opt/gcc".
    """
    commands = [_words(os.environ["CXX"])] if os.environ.get("CXX") else [["g++"], ["c++"], ["clang++"]]
    for words in commands:
        launched = len(words) > 1 and Path(words[0]).name in LAUNCHERS
        found = [shutil.which(name) for name in words[: 1 + launched]]
        if all(found):
            tool = Tool(Path(found[-1]), "", tuple(found[:-1]), tuple(words[len(found) :]))
            return tool._replace(
                version=_output([*tool.launcher, tool.path, "--version"]).partition("\n")[0].strip()
            )
    raise ToolError(
        f"no C++ compiler ({', '.join(' '.join(words) for words in commands)}); install one (Debian, Ubuntu: "
        "apt install g++; conda: conda install cxx-compiler; macOS: xcode-select --install), then: gan ops "
        "build"
    )


def _words(command: str) -> list[str]:
    """The words of $CXX; a program whose path has spaces is one. ToolError for a lost quotation mark."""
    if shutil.which(command):
        return [command]
    try:
        return shlex.split(command) or [command]
    except ValueError as error:
        raise ToolError(
            f"CXX={command!r} cannot be read as a command ({error}); correct or unset it"
        ) from error


def ninja() -> Tool:
    """Ninja of the Python package, else the one on PATH."""
    names = ["ninja"]
    if find_spec("ninja"):
        import ninja as package

        names.insert(0, str(Path(package.BIN_DIR) / "ninja"))
    for name in names:
        if path := shutil.which(name):
            return Tool(Path(path), _output([path, "--version"]).strip())
    raise ToolError("no ninja; pip install ninja, then: gan ops build")


def nvcc(wanted: str) -> Nvcc:
    """The CUDA compiler for a torch of CUDA `wanted` ("13.0"): the same major version.

    From pip, else below $CUDA_HOME or $CUDA_PATH, else on PATH; the first that runs and fits.
    """
    major, reasons = wanted.partition(".")[0], []
    for path in _nvcc_candidates(major):
        try:
            found = _inspect(path)
        except ToolError as error:
            reasons.append(str(error))
            continue
        if found.version.partition(".")[0] == major:
            return found
        reasons.append(f"{path} is of CUDA {found.version}")
    remedy = f'pip install "cuda-toolkit[nvcc,cccl]=={wanted}.*"'
    if int(major) < 13:  # pip has the program itself only from 13 on
        remedy = f"install the CUDA {major} toolkit, set CUDA_HOME to its folder"
    raise ToolError(
        f"no nvcc of CUDA {major}, for which this torch is built ({'; '.join(reasons) or 'none found'}); "
        f"{remedy}, then: gan ops build --cuda"
    )


def architectures(present: Sequence[tuple[int, int]]) -> tuple[str, ...]:
    """Compute capabilities to compile for, such as ("8.0", "9.0+PTX"): $TORCH_CUDA_ARCH_LIST, else those of
    the GPUs `present`, else USUAL_GPUS."""
    listed = os.environ.get("TORCH_CUDA_ARCH_LIST", "").replace(";", " ").split()
    for name in listed:
        if not re.fullmatch(r"\d+\.\d[af]?(\+PTX)?", name):
            raise ToolError(f"TORCH_CUDA_ARCH_LIST holds {name!r}; write it as in '8.0;9.0+PTX', or unset it")
    return tuple(listed) or tuple(f"{a}.{b}" for a, b in sorted(set(present))) or USUAL_GPUS


def gencode(names: Sequence[str]) -> list[str]:
    """nvcc's options for `architectures`."""
    options = []
    for name in names:
        number = name.removesuffix("+PTX").replace(".", "")
        options.append(f"-gencode=arch=compute_{number},code=sm_{number}")
        if name.endswith("+PTX"):
            options.append(f"-gencode=arch=compute_{number},code=compute_{number}")
    return options


def covered(capability: tuple[int, int], names: Sequence[str]) -> bool:
    """Whether code for `names` runs on a GPU: binaries upwards within a major version, PTX on all newer."""
    for name in names:
        major, minor = (int(part) for part in re.findall(r"\d+", name)[:2])
        if major == capability[0] and minor <= capability[1]:
            return True
        if name.endswith("+PTX") and (major, minor) <= capability:
            return True
    return False


def cpu_flags() -> frozenset[str]:
    """Instruction sets of this CPU in the names of the Linux kernel; none where it is not asked.

    Without them nothing may be compiled for this very CPU: a machine's name says nothing of its instructions.
    """
    line = ""
    if Path("/proc/cpuinfo").is_file():
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
            line = next((line for line in file if line.startswith(("flags", "Features"))), "")
    names = line.partition(":")[2].split()
    if line.startswith("flags"):
        names = [name for name in names if _INSTRUCTIONS.fullmatch(name)]
    return frozenset(names)


def _nvcc_candidates(major: str) -> Iterator[Path]:
    """Where nvcc may be, in the order of preference."""
    spec = find_spec("nvidia")  # the packages of pip share this folder
    homes = [Path(folder) / f"cu{major}" for folder in (spec and spec.submodule_search_locations) or ()]
    homes += [Path(os.environ[name]) for name in ("CUDA_HOME", "CUDA_PATH") if os.environ.get(name)]
    for home in homes:
        if path := shutil.which(home / "bin" / "nvcc"):
            yield Path(path)
    if path := shutil.which("nvcc"):
        yield Path(path)


def _inspect(path: Path) -> Nvcc:
    """Version and folders of the nvcc behind `path`, which may be a link or a script that calls it."""
    version = re.search(r"release (\d+\.\d+)", _output([path, "--version"]))
    top = re.search(r"^#\$ TOP=(.+)$", _output([path, "--dryrun", "-x", "cu", "-c", "-"]), re.MULTILINE)
    if not version or not top:
        raise ToolError(f"{path} does not answer as nvcc does")
    home = Path(top[1].strip()).resolve()
    for folder in (home / "lib64", home / "lib", *home.glob("targets/*/lib")):
        if (folder / "libcudart_static.a").is_file():
            return Nvcc(home / "bin" / "nvcc", version[1], folder)
    raise ToolError(f"{home} lacks libcudart_static.a, which cuda-toolkit[nvcc,cccl] brings")


def _output(command: Sequence[str | Path]) -> str:
    """All that a program prints. Raises ToolError if it does not run."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise ToolError(f"{command[0]} does not run: {error}") from error
    return done.stdout.decode(errors="replace")

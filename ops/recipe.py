"""What is compiled into a library of kernels: sources, flags, versions; and whether one fits this process."""

import hashlib
import platform
import shlex
from pathlib import Path
from typing import NamedTuple

import torch

from ops import toolchain
from ops.toolchain import KernelError, Nvcc, Tool

SOURCES = Path(__file__).resolve().parent / "csrc"
# The oldest torch whose stable ABI has all that the kernels call; what is built for it loads in newer ones.
OLDEST_TORCH = (2, 10)
# They change no value; without them g++ leaves loops unvectorised that compare and round, or take a root.
_MATHS = ("-fno-trapping-math", "-fno-math-errno")
FLAGS = ("-std=c++17", "-O3", *_MATHS, "-fPIC", "-fvisibility=hidden", "-fopenmp-simd", "-Wall")
NVCC_FLAGS = ("-std=c++17", "-O3", "-Xcompiler=-fPIC,-fvisibility=hidden", "-DGAN_CUDA")


class Recipe(NamedTuple):
    """All that decides what a library does, but for the compilers; its manifest holds these fields."""

    target: str  # "cpu" or "cuda"
    torch: str  # version whose headers it is compiled with
    torch_needed: str  # the oldest version it loads in
    cuda: str | None  # version of CUDA of that torch
    machine: str
    instructions: list[
        str
    ]  # that the CPU must have; none where it is compiled for every machine of that name
    architectures: list[str]  # of GPUs
    sources: str  # digest of ops/csrc
    flags: list[str]
    nvcc_flags: list[str]

    def digest(self) -> str:
        """Sixteen hex digits over all fields."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]


class Tools(NamedTuple):
    """The programs of one build."""

    compiler: Tool
    ninja: Tool
    nvcc: Nvcc | None

    def digest(self) -> str:
        """Eight hex digits over the versions of the compilers, and the options that $CXX gives."""
        text = f"{self.compiler.version}\n{self.nvcc and self.nvcc.version}"
        if self.compiler.options:
            text += "\n" + shlex.join(self.compiler.options)
        return hashlib.sha256(text.encode()).hexdigest()[:8]


def recipe(target: str, *, portable: bool = False) -> Recipe:
    """What to compile for `target` here; portable: for x86-64-v3 and the usual GPUs, not for this machine.

    Raises KernelError where this torch cannot have such kernels.
    """
    needed, x86 = OLDEST_TORCH, platform.machine().lower() in ("x86_64", "amd64")
    if torch_version() < needed:
        raise KernelError(
            f"torch {torch.__version__} is older than {needed[0]}.{needed[1]}, which the {target} kernels "
            "need; pip install --upgrade torch torchvision"
        )
    if target == "cuda" and torch.version.cuda is None:
        raise KernelError(f"torch {torch.__version__} is built without CUDA; see pytorch.org/get-started")
    if portable:
        tuning, instructions = (["-march=x86-64-v3"], toolchain.X86_64_V3) if x86 else ([], ())
    else:
        instructions = toolchain.cpu_flags()
        tuning = ["-march=native" if x86 else "-mcpu=native"] if instructions else []
    names = ()
    if target == "cuda":
        names = toolchain.architectures(() if portable else gpus())
    defines = [f"-DGAN_KEY={target.upper()}", "-DGAN_CUDA" if target == "cuda" else "-DGAN_DEFINES_SCHEMA"]
    version = f"-DTORCH_TARGET_VERSION=0x{needed[0]:02x}{needed[1]:02x}000000000000"
    return Recipe(
        target=target,
        torch=torch.__version__,
        torch_needed=f"{needed[0]}.{needed[1]}",
        cuda=torch.version.cuda if target == "cuda" else None,
        machine=platform.machine(),
        instructions=sorted(instructions),
        architectures=list(names),
        sources=sources_digest(),
        flags=[*FLAGS, *tuning, *defines, version],
        nvcc_flags=[*NVCC_FLAGS, *toolchain.gencode(names)] if target == "cuda" else [],
    )


def tools(target: str) -> Tools:
    """The programs that a build for `target` needs. Raises ToolError for the first that is missing."""
    nvcc = toolchain.nvcc(torch.version.cuda) if target == "cuda" else None
    return Tools(toolchain.compiler(), toolchain.ninja(), nvcc)


def unfit(manifest: dict) -> str:
    """Why a library with this manifest must not be loaded here; "" if it may."""
    if torch_version() < _numbers(manifest["torch_needed"]):
        return f"it needs torch {manifest['torch_needed']} or newer"
    if manifest["machine"] != platform.machine():
        return f"it is for {manifest['machine']}"
    if missing := sorted(set(manifest["instructions"]) - toolchain.cpu_flags()):
        return f"this CPU lacks {', '.join(missing)}"
    if manifest["sources"] != sources_digest():
        return "it is of other sources"
    if manifest["target"] != "cuda":
        return ""
    if torch.version.cuda is None or _numbers(torch.version.cuda)[0] != _numbers(manifest["cuda"])[0]:
        return f"it is for a torch of CUDA {manifest['cuda']}"
    foreign = [gpu for gpu in gpus() if not toolchain.covered(gpu, manifest["architectures"])]
    return f"it holds nothing for compute capability {foreign[0][0]}.{foreign[0][1]}" if foreign else ""


def ninja_file(recipe: Recipe, tools: Tools, library: str, *, portable: bool = False) -> str:
    """Text of the build.ninja that makes `library` in ninja's folder."""
    root = Path(torch.__file__).resolve().parent
    cxx, include = tools.compiler.command(), f"-I{SOURCES}"
    compile_ = [*cxx, *recipe.flags, include, "-isystem", str(root / "include")]
    libraries = [f"-L{root / 'lib'}", "-ltorch_cpu"] + ([] if portable else [f"-Wl,-rpath,{root / 'lib'}"])
    if platform.system() == "Linux":  # elsewhere a missing symbol is an error anyway
        libraries.append("-Wl,--no-undefined")
    if tools.nvcc:
        libraries += [f"-L{tools.nvcc.libraries}", "-lcudart_static", "-ldl", "-lrt", "-lpthread"]
    rules = {".cpp": ("cpp", f"{_shell(compile_)} -c $in -o $out")}
    if tools.nvcc:
        host = [
            "-ccbin",
            str(tools.compiler.path),
            *(f"-Xcompiler={word}" for word in tools.compiler.options),
        ]
        nvcc = [str(tools.nvcc.path), *host, *recipe.nvcc_flags, include]
        rules[".cu"] = ("cu", f"{_shell(nvcc)} -c $in -o $out")
    commands = [*rules.values(), ("link", f"{_shell([*cxx, '-shared'])} $in -o $out {_shell(libraries)}")]
    lines = [f"rule {name}\n  command = {command}\n  description = {name} $out" for name, command in commands]
    objects = []
    for source in sorted(path for path in SOURCES.iterdir() if path.suffix in rules):
        objects.append(_path(f"{source.name}.o"))
        lines.append(f"build {objects[-1]}: {rules[source.suffix][0]} {_path(str(source))}")
    return "\n".join([*lines, f"build {library}: link {' '.join(objects)}"]) + "\n"


def sources_digest() -> str:
    """Digest over names and contents of ops/csrc."""
    digest = hashlib.sha256()
    for path in sorted(path for path in SOURCES.glob("*") if path.suffix in (".h", ".cpp", ".cu")):
        data = path.read_bytes()
        digest.update(f"{path.name} {len(data)}\n".encode() + data)
    return digest.hexdigest()[:16]


def gpus() -> list[tuple[int, int]]:
    """Compute capability of every GPU that torch sees."""
    return [torch.cuda.get_device_capability(i) for i in range(torch.cuda.device_count())]


def torch_version() -> tuple[int, ...]:
    """(2, 14) for 2.14.1+cu130."""
    return _numbers(torch.__version__)


def _numbers(version: str) -> tuple[int, ...]:
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def _shell(words: list[str]) -> str:
    """A command for the shell, written as ninja reads it."""
    return shlex.join(words).replace("$", "$$")


def _path(path: str) -> str:
    """A path, written as ninja reads it."""
    return path.replace("$", "$$").replace(" ", "$ ").replace(":", "$:")

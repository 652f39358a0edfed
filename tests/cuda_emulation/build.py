"""Compiles CUDA kernels for the emulation with g++: the operators' library, and programs of the tests.

Objects and products lie in build/cuda_emulation, each named by the hash of all that went in, so a changed
source is compiled anew and the others are not. Two processes may build at once.

    library("plain")          one .so in place of the CPU kernels: pytest tests/ops --kernels PATH
    program("asan", [...])    a program of the given sources and the engine
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from ops import toolchain
from ops.toolchain import ToolError

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SOURCES = ROOT / "ops" / "csrc"
CACHE = ROOT / "build" / "cuda_emulation"
ENGINE = tuple(HERE / name for name in ("engine.cpp", "memory.cpp", "warp.cpp"))

FLAGS = ("-std=c++17", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wno-unknown-pragmas", "-Werror")
# The bindings as for the CPU, but launching the kernels of the .cu files.
BINDING = (
    "-DGAN_KEY=CPU",
    "-DGAN_CUDA",
    "-DGAN_EMULATED",
    "-DGAN_DEFINES_SCHEMA",
    "-DTORCH_TARGET_VERSION=0x020a000000000000",
)
_INCLUDE = re.compile(r'^\s*#include ["<]([^">]+)[">]', re.MULTILINE)
_ASAN = ("-fsanitize=address,undefined", "-fno-sanitize-recover=undefined")


class Variant(NamedTuple):
    """Flags of one kind of build."""

    kernels: tuple[str, ...]
    engine: tuple[str, ...]
    link: tuple[str, ...]


VARIANTS = {
    "plain": Variant(("-O2",), ("-O2",), ()),
    "ucontext": Variant(("-O2",), ("-O2", "-DCUEMU_UCONTEXT"), ()),
    "asan": Variant(("-O1", "-g1", *_ASAN), ("-O1", "-g1", *_ASAN), _ASAN),
    "tsan": Variant(("-O1", "-g1", "-fsanitize=thread"), ("-O2", "-DCUEMU_TSAN"), ("-fsanitize=thread",)),
}


class Failed(Exception):
    """g++ refused a source; the message holds what it said."""


@cache
def compiler() -> Path:
    """g++, whose sanitizers and assembler the engine is written for. Skips the test where there is none."""
    if not (path := shutil.which("g++")):
        pytest.skip("no g++, which the emulation of CUDA kernels needs")
    return Path(path)


@cache
def cuda_headers() -> Path:
    """A folder with CUDA's types and half types: of the toolkit, else those that Triton brings. Or skips."""
    folders = []
    with suppress(ToolError):
        folders.append(toolchain.nvcc(torch.version.cuda or "13.0").path.parent.parent / "include")
    folders += [
        Path(os.environ[name]) / "include" for name in ("CUDA_HOME", "CUDA_PATH") if os.environ.get(name)
    ]
    site = Path(torch.__file__).resolve().parent.parent
    folders.append(site / "triton" / "backends" / "nvidia" / "include")
    needed = ("vector_types.h", "driver_types.h", "cuda_fp16.h", "cuda_bf16.h", "crt/host_defines.h")
    for folder in folders:
        if all((folder / name).is_file() for name in needed):
            return folder
    pytest.skip('no CUDA headers; pip install "cuda-toolkit[nvcc,cccl]" brings them')


class Unit(NamedTuple):
    """One object: a source (or the text that stands for it) and its flags."""

    source: Path
    flags: tuple[str, ...]
    text: str | None = None


def library(variant: str = "plain", changed: Mapping[str, str] | None = None) -> Path:
    """The emulated operators of ops/csrc. `changed`: file name -> text in place of that .cu file.

    Raises Failed.
    """
    changed = changed or {}
    units = kernel_units(variant, changed)
    torch_flags = (
        *BINDING,
        *VARIANTS[variant].kernels,
        "-O0",  # in place of what kernels have: run once a call, and compiled in half the time
        f"-I{SOURCES}",
        "-isystem",
        str(_torch() / "include"),
    )
    units += [Unit(path, torch_flags) for path in sorted(SOURCES.glob("*.cpp"))]
    link = ("-shared", f"-L{_torch() / 'lib'}", "-ltorch_cpu", f"-Wl,-rpath,{_torch() / 'lib'}")
    return _link(f"gan_ops_emulated_{variant}.so", units + engine_units(variant), variant, link)


def program(variant: str, sources: Iterable[Path], changed: Mapping[str, str] | None = None) -> Path:
    """A program of `sources` (without torch), the operators' kernels that they include, and the engine."""
    units = [Unit(path, _kernel_flags(variant)) for path in sources]
    named = "".join(path.read_text(encoding="utf-8") for path in sources)
    units += [unit for unit in kernel_units(variant, changed or {}) if f'"{unit.source.stem}.h"' in named]
    return _link(f"{units[0].source.stem}_{variant}", units + engine_units(variant), variant, ())


def kernel_units(variant: str, changed: Mapping[str, str]) -> list[Unit]:
    """Every .cu file of ops/csrc."""
    flags = _kernel_flags(variant)
    return [Unit(path, flags, changed.get(path.name)) for path in sorted(SOURCES.glob("*.cu"))]


def engine_units(variant: str) -> list[Unit]:
    """The engine."""
    return [Unit(path, (*VARIANTS[variant].engine, *_cuda_flags())) for path in ENGINE]


def environment(variant: str = "plain", order: str = "forward", *, preload: bool = False) -> dict[str, str]:
    """Environment of a process that runs emulated kernels; preload: of a Python that loads an asan library.

    Fresh memory is filled with 0xfe, so that an element of the result that no thread writes shows.
    """
    env = dict(os.environ, CUEMU_ORDER=order, OMP_NUM_THREADS="1", MALLOC_PERTURB_="1")
    env["ASAN_OPTIONS"] = "detect_leaks=0:max_malloc_fill_size=1000000000:malloc_fill_byte=254"
    env["UBSAN_OPTIONS"] = "print_stacktrace=1"
    if preload and variant == "asan":
        names = ("libasan.so", "libubsan.so", "libstdc++.so")
        found = (_output([compiler(), f"-print-file-name={name}"]).strip() for name in names)
        env["LD_PRELOAD"] = " ".join(found)
    return env


def _torch() -> Path:
    return Path(torch.__file__).resolve().parent


def _cuda_flags() -> tuple[str, ...]:
    return (f"-I{HERE / 'shim'}", f"-I{SOURCES}", "-isystem", str(cuda_headers()))


def _kernel_flags(variant: str) -> tuple[str, ...]:
    return (*VARIANTS[variant].kernels, *_cuda_flags())


def _link(name: str, units: list[Unit], variant: str, flags: tuple[str, ...]) -> Path:
    """Compile what is not there yet, two at a time, and link it."""
    with ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(_object, units))
    tail = (*VARIANTS[variant].link, *flags)
    digest = _digest(repr((name, [path.name for path in objects], tail)))
    product = CACHE / digest / name
    with _made_once(product) as staging:
        if staging:
            _run([compiler(), *objects, "-o", staging, *tail])
    return product


def _object(unit: Unit) -> Path:
    language = ("-x", "c++") if unit.source.suffix == ".cu" else ()
    return compiled(unit, [compiler(), *FLAGS, *language], _output([compiler(), "--version"]))


def compiled(unit: Unit, command: list, version: str, *, log: bool = False) -> Path:
    """The object that `command` with the unit's flags makes of it; log: beside it, as .log, what was printed.

    Raises Failed.
    """
    text = unit.source.read_text(encoding="utf-8") if unit.text is None else unit.text
    headers = sorted(_included(unit.source.parent, text, {}).items())
    digest = _digest(repr((text, headers, command, unit.flags, version, torch.__version__)))
    product = CACHE / f"{unit.source.stem}-{digest}.o"
    with _made_once(product) as staging:
        if staging:
            with tempfile.TemporaryDirectory() as folder:  # a copy: the file may change meanwhile
                source = Path(folder) / unit.source.name
                source.write_text(text, encoding="utf-8")
                said = _run([*command, *unit.flags, f"-I{unit.source.parent}", "-c", source, "-o", staging])
            if log:
                product.with_suffix(".log").write_text(said, encoding="utf-8")
    return product


def _included(folder: Path, text: str, found: dict[Path, str]) -> dict[Path, str]:
    """Texts of our headers that a source includes, directly or through others."""
    for name in _INCLUDE.findall(text):
        for path in (parent / name for parent in (folder, SOURCES, HERE / "shim")):
            if path.is_file() and path not in found:
                found[path] = path.read_text(encoding="utf-8")
                _included(path.parent, found[path], found)
    return found


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:20]


@contextmanager
def _made_once(product: Path):
    """Gives a path to write to, which then becomes `product`; None if that exists. One process at a time."""
    if product.is_file():
        yield None
        return
    product.parent.mkdir(parents=True, exist_ok=True)
    lock = product.with_name(f".{product.name}.lock")
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if product.is_file():
            yield None
            return
        staging = product.with_name(f".{product.name}.{os.getpid()}.tmp")
        yield staging
        staging.replace(product)
    lock.unlink(missing_ok=True)


def _run(command: list) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise Failed(f"{' '.join(map(str, command))}\n{done.stdout[-6000:]}")
    return done.stdout


@cache
def _compiler_output(command: tuple) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _output(command: list) -> str:
    return _compiler_output(tuple(command))

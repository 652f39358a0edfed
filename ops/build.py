"""Compiles `ops/csrc` with ninja, once per machine: a folder of the cache named by all that goes in."""

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import torch

from ops import toolchain
from ops.toolchain import KernelError

SOURCES = Path(__file__).resolve().parent / "csrc"
FLAGS = ("-std=c++17", "-O3", "-march=native", "-fPIC", "-fvisibility=hidden", "-fopenmp-simd", "-Wall")
DEFINES = ("-DGAN_KEY=CPU", "-DGAN_DEFINES_SCHEMA", "-DTORCH_TARGET_VERSION=0x020a000000000000")


class BuildError(KernelError):
    """The compiler failed; the message holds its last lines."""


def cache_directory() -> Path:
    """$GAN_CACHE, or ~/.cache/gan."""
    return Path(os.environ.get("GAN_CACHE") or Path.home() / ".cache" / "gan")


def build(target: str) -> Path:
    """Path of the library for `target` ("cpu"), compiled if the cache does not hold it."""
    compiler, ninja = toolchain.compiler(), toolchain.ninja()
    digest = hashlib.sha256(
        repr((compiler, FLAGS, DEFINES, torch.__version__, sorted(toolchain.cpu_flags()))).encode()
    )
    for path in sorted(SOURCES.iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    folder = cache_directory() / "ops" / f"{target}-{digest.hexdigest()[:16]}"
    library = folder / f"gan_ops_{target}.so"
    if library.is_file():
        return library
    staging = folder.with_name(f".tmp-{folder.name}-{os.getpid()}")
    staging.mkdir(parents=True)
    (staging / "build.ninja").write_text(_ninja_file(compiler.path, library.name), encoding="utf-8")
    print("gan: building the CPU kernels, once for this machine ...", file=sys.stderr)
    done = subprocess.run([ninja.path, "-C", staging], capture_output=True, text=True, check=False)
    if done.returncode:
        shutil.rmtree(staging, ignore_errors=True)
        raise BuildError("\n".join(done.stdout.splitlines()[-60:]))
    if folder.exists():
        shutil.rmtree(staging, ignore_errors=True)
    else:
        staging.rename(folder)
    return library


def _ninja_file(compiler: Path, library: str) -> str:
    root = Path(torch.__file__).parent
    include = ["-I", SOURCES, "-isystem", root / "include"]
    compile_ = shlex.join(map(str, [compiler, *FLAGS, *DEFINES, *include])).replace("$", "$$")
    link = shlex.join(map(str, [compiler, "-shared"])).replace("$", "$$")
    tail = shlex.join([f"-L{root / 'lib'}", "-ltorch_cpu"]).replace("$", "$$")
    lines = [
        f"rule cxx\n  command = {compile_} -c $in -o $out",
        f"rule link\n  command = {link} $in -o $out {tail}",
    ]
    objects = []
    for source in sorted(SOURCES.glob("*.cpp")):
        objects.append(f"{source.stem}.o")
        escaped = str(source).replace("$", "$$").replace(" ", "$ ").replace(":", "$:")
        lines.append(f"build {objects[-1]}: cxx {escaped}")
    lines.append(f"build {library}: link {' '.join(objects)}")
    return "\n".join(lines) + "\n"

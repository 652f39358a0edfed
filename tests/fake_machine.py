"""A machine whose programs are small shell scripts: builds that succeed, fail or hang, in no time."""

import shlex
from pathlib import Path

import pytest

from ops import build, library, recipe, toolchain

VERSION = '[ "$1" = --version ] && { echo %s; exit; }\n'
MAKES_LIBRARIES = (
    "for target in cpu cuda; do grep -q gan_ops_$target build.ninja && : > gan_ops_$target.so; done; :"
)
# Scripts of a ninja: one that fails, and one whose library a reader would see a part of.
FAILS = "echo 'toy.cpp:1: error: planted'; echo 'ninja: build stopped: subcommand failed.'; exit 1"
SLOWLY = ": > gan_ops_cpu.so; sleep 0.1; echo whole > gan_ops_cpu.so"


class Machine:
    """PATH is one folder of scripts, the cache and the sources are empty folders, nothing is loaded yet."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self.patch, self.bin, self.runs = patch, folder / "bin", folder / "runs"
        self.sources, self.cache = folder / "csrc", folder / "cache"
        self.bin.mkdir()
        self.sources.mkdir()
        (self.sources / "toy.cpp").write_text("int toy() { return 1; }\n")
        patch.setattr(recipe, "SOURCES", self.sources)
        patch.setattr(build, "PREBUILT", folder / "prebuilt")
        patch.setattr(library, "_loaded", {})
        patch.setattr(library, "_refused", {})
        patch.setattr(toolchain, "find_spec", lambda name: None)
        patch.setenv("PATH", str(self.bin))
        patch.setenv("GAN_CACHE", str(self.cache))
        for name in ("CXX", "CUDA_HOME", "CUDA_PATH", "TORCH_CUDA_ARCH_LIST", "GAN_OPS"):
            patch.delenv(name, raising=False)

    def program(self, name: str, script: str, version: str = "1.0") -> Path:
        """Put a program on PATH; it answers --version and else runs `script`."""
        path = self.bin / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n" + VERSION % shlex.quote(version) + script + "\n")
        path.chmod(0o755)
        return path

    def tools(self, ninja: str = MAKES_LIBRARIES) -> None:
        """A compiler, and a ninja that notes that it ran and does what the script `ninja` says."""
        self.program("g++", "", version="g++ 1.0")
        quoted = shlex.quote(str(self.runs))
        self.program("ninja", f"PATH=/usr/bin:/bin\necho run >> {quoted}\n{ninja}")

    def nvcc(self, home: Path, version: str = "13.0") -> Path:
        """A CUDA toolkit below `home`."""
        (home / "lib64").mkdir(parents=True)
        (home / "lib64" / "libcudart_static.a").touch()
        script = f'echo "#$ _HERE_={home}/bin"; echo "#$ TOP={home}/bin/.."'
        path = self.program(
            "nvcc", script, version=f"Cuda compilation tools, release {version}, V{version}.88"
        )
        (home / "bin").mkdir()
        return path.rename(home / "bin" / "nvcc")

    def count(self) -> int:
        """How often ninja ran."""
        return self.runs.read_text().count("run") if self.runs.exists() else 0

"""Wheels with compiled kernels; all else about the package is in setup.cfg.

GAN_WHEEL_OPS says which kernels a wheel carries: none, cpu, or cuda (both). Unset: cuda where nvcc and a
PyTorch with CUDA are installed, else none; such a wheel is pure and builds its kernels at first use.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
CHOICES = {"none": (), "cpu": ("cpu",), "cuda": ("cuda", "cpu")}
CODE = "import sys, pathlib, ops.build; ops.build.prebuild(sys.argv[1], pathlib.Path(sys.argv[2]))"


class Platform(Distribution):
    """Has parts for one platform although it lists no extension."""

    def has_ext_modules(self):
        return True


class StableWheel(bdist_wheel):
    """The kernels use PyTorch's stable ABI and nothing of Python's: one wheel serves every Python."""

    def get_tag(self):
        return "cp310", "abi3", super().get_tag()[2]


def compile_kernels(folder):
    """Put what GAN_WHEEL_OPS asks for into `folder`; whether anything is there.

    Compiles with the PyTorch of the environment that runs pip, which pip hides from builds by PYTHONPATH.
    """
    choice = os.environ.get("GAN_WHEEL_OPS")
    if choice not in (None, *CHOICES):
        sys.exit(f"GAN_WHEEL_OPS must be one of {', '.join(CHOICES)}; got {choice!r}")
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONNOUSERSITE")}
    for target in CHOICES[choice or "cuda"]:
        command = [sys.executable, "-W", "ignore", "-c", CODE, target, folder]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        if done.returncode:
            if choice:
                sys.exit(f"{done.stderr}the kernels of GAN_WHEEL_OPS={choice} cannot be built")
            print(f"no kernels in this wheel: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
            return False
    return bool(CHOICES[choice or "cuda"])


def build_with(kernels):
    """The step that collects the package's files: without, and with the folder `kernels` as ops/prebuilt."""

    class Build(build_py):
        def run(self):
            super().run()
            if not self.editable_mode:
                prebuilt = Path(self.build_lib, "ops", "prebuilt")
                shutil.rmtree(prebuilt, ignore_errors=True)  # of an earlier wheel
                if kernels:
                    shutil.copytree(kernels, prebuilt)

    return Build


with tempfile.TemporaryDirectory() as folder:
    if "bdist_wheel" in sys.argv and compile_kernels(folder):
        setup(distclass=Platform, cmdclass={"bdist_wheel": StableWheel, "build_py": build_with(folder)})
    else:
        setup(cmdclass={"build_py": build_with(None)})

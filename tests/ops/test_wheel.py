"""Wheels with and without kernels, made from a copy of the sources."""

import os
import platform
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
FILES = ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
pytestmark = pytest.mark.slow


@pytest.fixture
def wheel(tmp_path):
    """wheel(choice): name and files of the wheel made with GAN_WHEEL_OPS=choice."""
    pytest.importorskip("setuptools", minversion="70.1")
    copy = tmp_path / "copy"
    for package in ("ops", "gan", "training", "metrics"):
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, copy / name)

    def make(choice: str) -> tuple[str, list[str]]:
        done = subprocess.run(
            [sys.executable, "setup.py", "-q", "bdist_wheel", "-d", str(tmp_path / choice)],
            cwd=copy,
            env={**os.environ, "GAN_WHEEL_OPS": choice},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        (path,) = (tmp_path / choice).iterdir()
        with zipfile.ZipFile(path) as archive:
            return path.name, [name for name in archive.namelist() if name.startswith("ops/")]

    return make


def test_kernels_for_the_cpu_then_none(wheel):
    name, files = wheel("cpu")
    assert "-cp310-abi3-" in name and name.endswith(f"_{platform.machine()}.whl")
    assert {"ops/prebuilt/gan_ops_cpu.so", "ops/prebuilt/cpu.json", "ops/csrc/common.h"} <= set(files)
    name, files = wheel("none")  # what the first left in build/ stays out
    assert name.endswith("-py3-none-any.whl")
    assert "ops/csrc/common.h" in files and not [file for file in files if "prebuilt" in file]


def test_unknown_choice(wheel):
    with pytest.raises(AssertionError, match="GAN_WHEEL_OPS must be one of none, cpu, cuda; got 'all'"):
        wheel("all")

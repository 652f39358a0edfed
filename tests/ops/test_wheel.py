"""Wheels with and without kernels, made from a copy of the sources; and one with, in an empty environment."""

import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
FILES = ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
Make = Callable[[str], Path]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """wheel(choice): the wheel made with GAN_WHEEL_OPS=choice, once."""
    pytest.importorskip("setuptools", minversion="70.1")
    folder = tmp_path_factory.mktemp("wheels")
    copy = folder / "copy"
    for package in ("ops", "gan", "training", "metrics"):
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, copy / name)

    def make(choice: str) -> Path:
        if not (folder / choice).exists():
            done = subprocess.run(
                [sys.executable, "setup.py", "-q", "bdist_wheel", "-d", str(folder / choice)],
                cwd=copy,
                env={**os.environ, "GAN_WHEEL_OPS": choice},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
        (path,) = (folder / choice).iterdir()
        return path

    return make


def files(wheel: Path) -> list[str]:
    """Those of the operators."""
    with zipfile.ZipFile(wheel) as archive:
        return [name for name in archive.namelist() if name.startswith("ops/")]


def test_kernels_for_the_cpu_then_none(wheel):
    path = wheel("cpu")
    assert "-cp310-abi3-" in path.name and path.name.endswith(f"_{platform.machine()}.whl")
    assert {"ops/prebuilt/gan_ops_cpu.so", "ops/prebuilt/cpu.json", "ops/csrc/common.h"} <= set(files(path))
    path = wheel("none")  # what the first left in build/ stays out
    assert path.name.endswith("-py3-none-any.whl")
    assert "ops/csrc/common.h" in files(path)
    assert not [file for file in files(path) if "prebuilt" in file]


def test_unknown_choice(wheel):
    with pytest.raises(AssertionError, match="GAN_WHEEL_OPS must be one of none, cpu, cuda; got 'all'"):
        wheel("all")


USED = """\
import json, torch, gan
from ops import bias_act, library
x, b = torch.randn(2, 3, 4, 4), torch.randn(3)
y = bias_act(x, b, act="lrelu")
wanted = torch.nn.functional.leaky_relu(x + b[:, None, None], 0.2) * 2**0.5
print(json.dumps([gan.__file__, str(library.loaded().get("cpu")), (y - wanted).abs().max().item()]))
"""


def test_its_kernels_run_in_an_empty_environment(wheel, tmp_path):
    """Without a compiler and with nothing in the cache: PyTorch and the other packages are those of here."""
    home, empty = tmp_path / "venv", tmp_path / "empty"
    empty.mkdir()
    clean = {"HOME": str(tmp_path), "PATH": str(home / "bin"), "OMP_NUM_THREADS": "1"}
    clean |= {"GAN_OPS": "fused", "GAN_CACHE": str(tmp_path / "cache")}

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=empty, env=clean, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(sys.executable, "-m", "venv", str(home))
    python = str(home / "bin" / "python")
    run(python, "-m", "pip", "install", "-q", "--no-deps", "--no-index", str(wheel("cpu")))
    packages = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    # A path, whose own .pth files are not read: nothing there that is installed editable is seen.
    beside = {sysconfig.get_path(kind) for kind in ("purelib", "platlib")}
    (packages / "beside.pth").write_text("".join(f"{place}\n" for place in beside))
    place, library, error = json.loads(run(python, "-W", "ignore", "-c", USED).splitlines()[-1])
    assert Path(place).parent == packages / "gan"
    assert Path(library) == packages / "ops" / "prebuilt" / "gan_ops_cpu.so"
    assert error < 1e-5 and not list(tmp_path.glob("cache/ops/cpu-*"))
    said = json.loads(run(str(home / "bin" / "gan"), "ops", "status", "--json"))["targets"]["cpu"]
    assert said["state"] == "ready" and said["path"] == library

"""A wheel in an empty environment of every Python that it is for; and types as users see them. All slow."""

import importlib.util
import os
import resource
import shlex
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

import gan
from tests.sources import PACKAGES, ROOT
from tests.test_packages import MOST_BYTES, conda_recipe

pytestmark = pytest.mark.slow
COPIED = (*PACKAGES, "setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
PURELIB = "import sysconfig; print(sysconfig.get_path('purelib'))"
PYTHONS = ("3.10", "3.11", "3.12", "3.13")


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """What a command prints. AssertionError with all of it where it fails."""
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=clean | environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def copied(tree: Path) -> Path:
    """The folder, with what a wheel is made of."""
    for name in COPIED:
        place = ROOT / name
        if place.is_dir():
            shutil.copytree(place, tree / name, ignore=shutil.ignore_patterns("__pycache__", "prebuilt"))
        else:
            shutil.copy(place, tree / name)
    return tree


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of `pip wheel .`, without kernels, built by the setuptools that is here."""
    pytest.importorskip("setuptools", minversion="70.1")
    tree = copied(tmp_path_factory.mktemp("tree"))
    command = (
        sys.executable,
        "-m",
        "pip",
        "wheel",
        ".",
        "--no-deps",
        "--no-build-isolation",
        "-q",
        "-w",
        "dist",
    )
    run(*command, cwd=tree, GAN_WHEEL_OPS="none")
    (found,) = (tree / "dist").iterdir()
    return found


def interpreter(version: str) -> Path | None:
    """A Python of that version that starts, on the path or among pyenv's; None where there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    places = [shutil.which(f"python{version}"), *pyenv.glob(f"{version}.*/bin/python")]
    code = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
    for place in filter(None, places):
        done = subprocess.run([place, "-c", code], capture_output=True, text=True, check=False)
        if done.stdout.strip() == version:
            return Path(place)
    return None


def test_the_wheel(wheel):
    assert wheel.name == f"gan_workbench-{gan.__version__}-py3-none-any.whl"
    assert wheel.stat().st_size < MOST_BYTES
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
    wanted = {f"{package}/py.typed" for package in PACKAGES} | {"training/presets/demo.yaml"}
    assert wanted <= names and not any(name.startswith(("tests/", "docs/")) for name in names)


@pytest.mark.parametrize("version", PYTHONS)
def test_an_empty_environment(version, wheel, tmp_path):
    python = interpreter(version)
    if python is None:
        pytest.skip(f"there is no Python {version} here")
    run(python, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    binary = tmp_path / "venv" / "bin"
    pip = (binary / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check")
    # PyTorch and the others are gigabytes: the wheel alone, and click, which the command line begins with.
    run(*pip, "--no-deps", "--no-index", wheel, cwd=tmp_path)
    click = Path(importlib.util.find_spec("click").origin).parent
    shutil.copytree(click, tmp_path / "beside" / "click")
    beside = str(tmp_path / "beside")
    assert run(binary / "gan", "--version", cwd=tmp_path, PYTHONPATH=beside) == f"gan {gan.__version__}\n"
    assert "Commands:" in run(binary / "gan", "--help", cwd=tmp_path, PYTHONPATH=beside)
    code = "import gan, pathlib; print(pathlib.Path(gan.__file__).parents[1])"
    place = Path(run(binary / "python", "-c", code, cwd=tmp_path).strip())
    assert tmp_path in place.parents
    run(binary / "python", "-m", "compileall", "-q", *(place / name for name in PACKAGES), cwd=tmp_path)


def test_what_the_conda_recipe_says(tmp_path):
    """Its script where only the host's requirements are, then its tests beside those of the run."""
    pytest.importorskip("setuptools", minversion="70.1")
    binary = tmp_path / "venv" / "bin"
    recipe = conda_recipe(binary / "python")
    (tmp_path / "tree").mkdir()
    tree, host = copied(tmp_path / "tree"), tmp_path / "host"
    run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    for name in ("setuptools", "_distutils_hack"):
        shutil.copytree(Path(importlib.util.find_spec(name).origin).parent, host / name)
    told = dict(line.split("=") for line in recipe["build"]["script_env"])
    run(*shlex.split(recipe["build"]["script"]), cwd=tree, PYTHONPATH=str(host), **told)
    shutil.rmtree(tree)
    packages = Path(run(binary / "python", "-c", PURELIB, cwd=tmp_path).strip())
    # A path, whose own .pth files are not read: nothing there that is installed editable is seen.
    (packages / "beside.pth").write_text(sysconfig.get_path("purelib") + "\n")
    code = f"import {', '.join(recipe['test']['imports'])}; print(gan.__file__)"
    assert Path(run(binary / "python", "-c", code, cwd=tmp_path).strip()).parent == packages / "gan"
    for command in recipe["test"]["commands"]:
        program, *words = shlex.split(command)
        assert "gan" in run(binary / program, *words, cwd=tmp_path)


SNIPPET = """\
import gan
from gan.latents import z_from_seeds

generator = gan.load("runs/a", device="cpu")
z = z_from_seeds([0, 1], 8)
records = gan.evaluate(generator, "a.zip", ["fid"], num_fakes=10)
print(records[0]["value"], z.shape)
gan.load(3)
gan.evaluate(generator, "a.zip", num_fakes="ten")
gan.push_to_hub(generator)
"""


def test_types_are_checked_in_a_minute_and_users_see_them(tmp_path):
    pytest.importorskip("mypy")
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path / "cache"), "--no-error-summary"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ours = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert ours.returncode == 0, ours.stdout + ours.stderr
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 60
    (tmp_path / "user.py").write_text(SNIPPET)
    theirs = subprocess.run([*command, str(tmp_path / "user.py")], cwd=ROOT, capture_output=True, text=True)
    lines = [line for line in theirs.stdout.splitlines() if ": error:" in line]
    assert [int(line.split(":")[1]) for line in lines] == [8, 9, 10], theirs.stdout + theirs.stderr

"""What a mutant is, a copy of the tree to plant it in, and the tests that are run there."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("docs", "gan", "metrics", "ops", "tests", "training", "pyproject.toml", "setup.cfg")
PASSED, FAILED = 0, 1  # exit codes of pytest; others say that it could not run


class Mutant(NamedTuple):
    """A mistake: `old`, which `file` holds exactly once, becomes `new`; the tests, of which one must fail."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def mutated(mutant: Mutant, root: Path = ROOT) -> str:
    """The file's text with the mistake. AssertionError where its text is not there exactly once."""
    text = (root / mutant.file).read_text(encoding="utf-8")
    count = text.count(mutant.old)
    assert count == 1, f"{mutant.name}: {mutant.file} holds {mutant.old!r} {count} times"
    assert mutant.new != mutant.old, f"{mutant.name} changes nothing"
    return text.replace(mutant.old, mutant.new)


def copied(folder: Path) -> Path:
    """A copy of what the tests need, in `folder`."""
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc", ".pytest_cache")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy2(source, folder / name)
    return folder


@contextlib.contextmanager
def planted(mutant: Mutant, tree: Path) -> Iterator[None]:
    """The copy at `tree` holds the mistake within the block."""
    assert tree.resolve() != ROOT, "never in the working tree"
    path = tree / mutant.file
    honest = path.read_text(encoding="utf-8")
    path.write_text(mutated(mutant, tree), encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(honest, encoding="utf-8")


def run(tree: Path, tests: tuple[str, ...]) -> subprocess.CompletedProcess:
    """pytest on the copy, up to the first failure; slow tests run where they are named."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--tb=line", "-p", "no:cacheprovider"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("PYTHONPATH", None)
    command += ["-m", "slow or not slow", *tests]
    return subprocess.run(
        command, cwd=tree, env=environment, capture_output=True, text=True, check=False, timeout=600
    )


def is_found(mutant: Mutant, tree: Path) -> tuple[bool, str]:
    """Whether a test of the mutant fails in its presence, and what pytest said."""
    with planted(mutant, tree):
        done = run(tree, mutant.tests)
    assert done.returncode in (PASSED, FAILED), f"{mutant.name}: {done.stdout[-3000:]}{done.stderr[-1000:]}"
    return done.returncode == FAILED, done.stdout

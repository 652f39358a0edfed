"""The list of mutants is alive, and the named tests find them: one by one in the nightly job."""

from pathlib import Path

import pytest

from tests.mutants import planting
from tests.mutants.listed import MUTANTS
from tests.mutants.planting import Mutant
from tests.pointers import missing

GUARDED = ("training", "gan/jobs", "gan/models")  # folders whose every file has mutants
EMPTY = 30  # lines of a file that may do without


def test_every_mistake_can_be_made_and_names_its_tests():
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    for mutant in MUTANTS:
        planting.mutated(mutant)
        assert mutant.tests, mutant.name
        assert not [node for node in mutant.tests if missing(node)], mutant.name


@pytest.mark.parametrize("folder", GUARDED)
def test_every_file_has_mutants(folder):
    files = [path for path in (planting.ROOT / folder).glob("*.py") if path.name != "__init__.py"]
    long = {p.relative_to(planting.ROOT).as_posix() for p in files if p.read_text().count("\n") > EMPTY}
    assert len(long) > 5 - 2 * (folder == "gan/models") and sorted(long - {m.file for m in MUTANTS}) == []


def test_a_text_that_is_gone_is_named():
    gone = Mutant("gone", "gan/ema.py", "no such text", "", ("tests/gan/test_ema.py",))
    with pytest.raises(AssertionError, match="gone: gan/ema.py holds 'no such text' 0 times"):
        planting.mutated(gone)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, in which all named tests pass."""
    folder = planting.copied(tmp_path_factory.mktemp("tree"))
    honest = planting.run(folder, tuple(dict.fromkeys(node for m in MUTANTS for node in m.tests)))
    assert honest.returncode == planting.PASSED, honest.stdout[-3000:]
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_mutant_is_found(mutant: Mutant, tree: Path):
    found, output = planting.is_found(mutant, tree)
    assert found, output[-3000:]

"""Files beside the code that pages need are in wheels and in source distributions."""

from pathlib import Path

import pytest

from tests.sources import PACKAGES, ROOT

OTHERS = {".py", ".pyc"}
KINDS = {".typed", ".html", ".css", ".js", ".yaml", ".cu", ".cpp", ".h"}


@pytest.fixture
def listed(monkeypatch):
    """Paths that setuptools puts into a wheel beside modules, and those it adds to a source distribution."""
    setuptools = pytest.importorskip("setuptools", minversion="70.1")
    from setuptools.command.egg_info import FileList

    monkeypatch.chdir(ROOT)
    distribution = setuptools.Distribution({"script_name": "setup.py"})
    distribution.parse_config_files(["setup.cfg"])
    build = distribution.get_command_obj("build_py")
    build.ensure_finalized()
    wheel = {
        Path(source, name).as_posix()
        for _, source, _, names in build.data_files
        for name in names
        if not name.endswith(".py")
    }
    made = distribution.get_command_obj("sdist")
    made.ensure_finalized()
    made.filelist = FileList()
    made.add_defaults()
    return wheel, {Path(path).as_posix() for path in made.filelist.files}


def test_every_file_beside_the_code_is_listed(listed):
    wheel, source = listed
    found = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix not in OTHERS and "prebuilt" not in path.parts
    }
    assert {Path(path).suffix for path in found} <= KINDS
    assert "gan/web/shell/static/shell.js" in found and "gan/web/review/templates/review.html" in found
    assert found - wheel == set() and found - source == set()

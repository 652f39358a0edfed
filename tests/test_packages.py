"""What a release carries beside the code: citation, recipe, versions, the release script; and two budgets."""

import importlib.util
import io
import re
import subprocess
import sys
import zipfile
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml

import gan
from tests.sources import PACKAGES, ROOT

MOST_BYTES = 1_500_000  # of a wheel without kernels
IMPORT_SECONDS = 0.05  # of `import gan`, on an idle machine
BUSY = 6  # times as long on one where other tests run
CONDA = {"torch": "pytorch"}  # names there of packages that are called otherwise
VERSION = "0.1.0"


@pytest.fixture
def release():
    spec = importlib.util.spec_from_file_location("gan_release", ROOT / "packaging" / "release.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def setup_cfg() -> ConfigParser:
    found = ConfigParser()
    found.read(ROOT / "setup.cfg", encoding="utf-8")
    return found


def test_citation():
    about = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors", "type", "license"} <= set(about)
    assert about["version"] == gan.__version__ and about["license"] == "MIT"
    assert all({"type", "title", "authors", "year"} <= set(work) for work in about["references"])


def conda_recipe(python: str | Path) -> dict[str, Any]:
    """The recipe with that PYTHON; a variable that conda-build does not set is an error."""
    jinja2 = pytest.importorskip("jinja2")
    text = (ROOT / "packaging" / "conda" / "meta.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(jinja2.Template(text, undefined=jinja2.StrictUndefined).render(PYTHON=python))


def test_the_conda_recipe(setup_cfg):
    recipe = conda_recipe("python")
    options = setup_cfg["options"]

    def plain(line: str) -> str:
        name, sign, version = re.fullmatch(r"([\w-]+) ?(>=)?(.*)", line).groups()
        return f"{CONDA.get(name, name)}{sign or ''}{version}"

    wanted = [plain(line) for line in options["install_requires"].split("\n") if line]
    wanted.append(f"python{options['python_requires']}")
    assert sorted(plain(line) for line in recipe["requirements"]["run"]) == sorted(wanted)
    built_by = re.search(r'requires = \["(setuptools>=[^"]+)"\]', (ROOT / "pyproject.toml").read_text())[1]
    assert sorted(map(plain, recipe["requirements"]["host"])) == ["pip", wanted[-1], built_by]
    assert recipe["package"] == {"name": setup_cfg["metadata"]["name"], "version": gan.__version__}
    assert (
        recipe["build"]["entry_points"]
        == setup_cfg["options.entry_points"]["console_scripts"].split("\n")[1:]
    )
    assert (ROOT / "packaging/conda" / recipe["source"]["path"]).resolve() == ROOT
    assert set(recipe["test"]["imports"]) == set(PACKAGES)
    about, told = recipe["about"], setup_cfg["metadata"]
    assert about["license"] == told["license"] and about["license_file"] == told["license_files"]
    assert told["description"].startswith(about["summary"])


def test_the_page_on_security_leads_somewhere():
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text)]
    assert "docs/SECURITY.md" in links and all((ROOT / link).is_file() for link in links)


def test_types_are_shipped():
    assert all((ROOT / package / "py.typed").is_file() for package in PACKAGES)


def test_import_time():
    code = "import time; begun = time.perf_counter(); import gan; print(time.perf_counter() - begun)"
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    seconds = [
        float(subprocess.check_output([sys.executable, "-c", code], env=environment)) for _ in range(5)
    ]
    assert min(seconds) < IMPORT_SECONDS * BUSY, seconds


def test_the_size_of_a_wheel():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as wheel:
        for package in PACKAGES:
            for path in (ROOT / package).rglob("*"):
                if path.is_file() and path.suffix != ".pyc" and "prebuilt" not in path.parts:
                    wheel.write(path, path.relative_to(ROOT))
    assert 100_000 < file.tell() < MOST_BYTES


CHANGES = """\
# Changelog

## [Unreleased]

## [{version}] - 2026-01-02

### Added
{text}
## [0.0.1] - 2025-01-01
- Old.
"""


def test_a_section_of_the_changelog(release):
    text = CHANGES.format(version=VERSION, text="- New.\n")
    assert release.section(text, VERSION) == "### Added\n- New."
    assert release.section(text, "0.2.0") == "" and release.section(text, "0.0.1") == "- Old."


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository that could be released as VERSION."""
    for path in ("gan/__init__.py", "CITATION.cff", "packaging/conda/meta.yaml"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text((ROOT / path).read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "CHANGELOG.md").write_text(CHANGES.format(version=VERSION, text="- New.\n"))
    git(tmp_path, "init", "-q")
    commit(tmp_path)
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=Tester", "-c", "user.email=tester@example.org"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def commit(folder: Path) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "A change")


def test_a_release_is_checked(release, tree, monkeypatch):
    monkeypatch.setattr(release.importlib.util, "find_spec", lambda name: name)
    assert release.problems(VERSION, tree) == []
    assert release.problems("1", tree) == ["1 is no version such as 1.2.0 or 1.2.0rc1"]
    assert [line.split(" has ")[0] for line in release.problems("9.0.0", tree)] == [
        "gan/__init__.py",
        "CITATION.cff",
        "packaging/conda/meta.yaml",
        "CHANGELOG.md",
    ]
    (tree / "CHANGELOG.md").write_text(CHANGES.format(version=VERSION, text=""))
    assert [line.split(":")[0] for line in release.problems(VERSION, tree)] == [
        "CHANGELOG.md has no section '## [0.1.0] - YYYY-MM-DD' with an entry",
        "the working tree has changes",
    ]
    git(tree, "checkout", "-q", ".")
    with monkeypatch.context() as patch:
        patch.setattr(release.importlib.util, "find_spec", lambda _: None)
        assert release.problems(VERSION, tree) == ["the package build is missing: pip install build"]
    git(tree, "tag", "v0.1.0")
    assert release.problems(VERSION, tree) == ["the tag v0.1.0 is there already: choose the next version"]


def test_a_release_is_dry_unless_told(release, tree, monkeypatch, capsys):
    ran = []
    monkeypatch.setattr(release, "ROOT", tree)
    monkeypatch.setattr(release, "problems", lambda version: [])
    real = subprocess.run
    monkeypatch.setattr(release.subprocess, "run", lambda *a, **k: ran.append(a[0]) or real(["true"]))
    assert release.main([VERSION]) == 0 and ran == []
    said = capsys.readouterr()
    printed = said.out.splitlines()
    assert "twine upload dist/gan_workbench-0.1.0[.-]*" in said.err
    assert len(printed) == len(release.steps(VERSION)) and "git tag --annotate v0.1.0" in printed[-1]
    assert release.main([VERSION, "--do"]) == 0 and ran == release.steps(VERSION)
    monkeypatch.setattr(release, "problems", lambda version: ["no"])
    assert release.main([VERSION, "--do"]) == 1 and len(ran) == len(release.steps(VERSION))
    assert "release: no" in capsys.readouterr().err

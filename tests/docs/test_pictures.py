"""Each picture of the pages has the commands that make it again; the runner types them."""

import importlib.util
import re
import shutil
import subprocess
import sys

import pytest

from tests.docs.commands import complaint, gan_words
from tests.docs.pages import DOCS, ROOT, links, pages


def loaded(name):
    """A script of docs/ as a module."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


pictures = loaded("pictures")


def test_every_picture_has_a_row():
    here = {path.name for path in (DOCS / "images").iterdir()}
    assert here == {*pictures.PICTURES, *pictures.BY_HAND}
    assert not set(pictures.PICTURES) & set(pictures.BY_HAND)


def test_every_picture_is_shown():
    shown = {target.rpartition("/")[2] for page in pages() for _, target, _ in links(page)}
    assert {path.name for path in (DOCS / "images").iterdir()} <= shown


def test_the_last_command_names_the_picture():
    for name, commands in pictures.PICTURES.items():
        assert name in commands[-1] or f"--pictures {pictures.IMAGES}" in commands[-1], name


def test_commands_name_what_exists():
    for command in pictures.commands(list(pictures.PICTURES)):
        for words in gan_words(command.partition(" -- ")[2] or command):
            assert not complaint(words), command
        for path in re.findall(r"python (docs/\S+)", command):
            assert (ROOT / path).is_file()
        for module in re.findall(r"python -m (\S+)", command):
            assert importlib.util.find_spec(module), command


def test_the_runner(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(pictures, "ROOT", tmp_path)
    rows = {"a.png": ("echo 1 >> said", "echo a >> said"), "b.png": ("echo 1 >> said", "echo b >> said")}
    monkeypatch.setattr(pictures, "PICTURES", rows)
    pictures.main(["docs/images/b.png", "a.png"])
    assert (tmp_path / "said").read_text().split() == ["1", "b", "a"]  # what both need is typed once
    assert "$ echo b >> said" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="no such picture"):
        pictures.main(["c.png"])
    with pytest.raises(SystemExit, match="handles"):
        pictures.main(["explore-edit.png"])


@pytest.mark.slow
def test_a_screenshot(tmp_path):
    pytest.importorskip("playwright")
    if not any(map(shutil.which, loaded("screenshot").NAMES)):
        pytest.skip("there is no Chromium here: apt-get install chromium")
    from PIL import Image

    page = tmp_path / "page.html"
    page.write_text("<style>body { background: light-dark(white, black); color-scheme: light dark }</style>")
    for flags, colour in (([], (255, 255, 255)), (["--dark"], (0, 0, 0))):
        command = [
            sys.executable,
            DOCS / "screenshot.py",
            tmp_path / "x.png",
            "--size",
            "90x70",
            *flags,
            page,
        ]
        subprocess.run(command, check=True)
        with Image.open(tmp_path / "x.png", formats=["PNG"]) as picture:
            assert picture.size == (90, 70) and picture.convert("RGB").getpixel((40, 40)) == colour

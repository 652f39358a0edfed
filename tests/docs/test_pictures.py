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
    for name, picture in pictures.PICTURES.items():
        last = picture.commands[-1]
        assert name in last or last.endswith(f" {pictures.IMAGES}"), name


def test_every_source_is_used_and_needs_what_there_is():
    used = {name for picture in pictures.PICTURES.values() for name in picture.sources}
    assert used == set(pictures.SOURCES)
    assert pictures.sources(["early", "study"]) == ["demo", "early", "study"]


def test_commands_name_what_exists():
    for command in pictures.commands(list(pictures.PICTURES)):
        for words in gan_words(command.partition(" -- ")[2] or command):
            assert not complaint(words), command
        for path in re.findall(r"python (docs/\S+)", command):
            assert (ROOT / path).is_file()
        for module in re.findall(r"python -m (\S+)", command):
            assert importlib.util.find_spec(module), command


@pytest.fixture
def rows(monkeypatch, tmp_path):
    """Three pictures of two sources, of which one needs the other, in a folder of their own."""
    monkeypatch.setattr(pictures, "ROOT", tmp_path)
    made = {
        "one": pictures.Source("a first thing", "1 minute", ("echo 1 >> said",)),
        "two": pictures.Source("a second", "hours", ("echo 2 >> said",), ("one",)),
    }
    monkeypatch.setattr(pictures, "SOURCES", made)
    shown = {
        "a.png": pictures.Picture(("one",), ("echo a >> said",)),
        "b.png": pictures.Picture(("two",), ("echo b >> said",)),
        "c.png": pictures.Picture(("one",), ("echo c >> said",)),
    }
    monkeypatch.setattr(pictures, "PICTURES", shown)
    return tmp_path / "said"


def test_the_runner(rows, capsys):
    pictures.main(["docs/images/b.png", "a.png"])
    assert rows.read_text().split() == ["1", "2", "b", "a"]  # what both need is typed once, and first
    assert "$ echo b >> said" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="no such picture"):
        pictures.main(["d.png"])
    with pytest.raises(SystemExit, match="handles"):
        pictures.main(["explore-edit.png"])


def test_those_of_a_source(rows):
    pictures.main(["--from", "one"])
    assert rows.read_text().split() == ["1", "a", "c"]
    with pytest.raises(SystemExit, match="no such source: tow; there are one, two"):
        pictures.main(["--from", "tow"])


def test_the_list(rows, capsys):
    pictures.main(["--list"])
    said = capsys.readouterr().out.splitlines()
    assert said[:5] == [
        "one: a first thing; 1 minute",
        "  a.png",
        "  c.png",
        "two: a second; hours",
        "  b.png",
    ]
    assert said[5] == "by hand:" and "  serve-page.png: four images" in "\n".join(said)
    assert not rows.exists()


def test_simulated_raters(tmp_path):
    """They answer everything, and prefer the later folder."""
    pytest.importorskip("jinja2", reason="the extra web is not installed")
    from gan.jobs import rating
    from gan.jobs.rating_answers import Answers
    from gan.jobs.rating_results import results
    from tests.gan.jobs.rating_studies import folder

    raters = loaded("simulated_raters")
    places = tuple(folder(tmp_path / name, 12, 20 * i) for i, name in enumerate("abc"))
    raters.answered(tmp_path / "study", places)
    study = rating.opened(tmp_path / "study")
    found = results(study, Answers(study), 0)
    assert [source["name"] for source in found["sources"]] == ["c", "b", "a"]
    assert len(found["raters"]) == raters.RATERS and all(rater["kept"] for rater in found["raters"])


@pytest.mark.slow
def test_a_screenshot(tmp_path):
    pytest.importorskip("playwright")
    if not any(map(shutil.which, loaded("screenshot").NAMES)):
        pytest.skip("there is no Chromium here: apt-get install chromium")
    from PIL import Image

    page = tmp_path / "page.html"
    page.write_text(
        "<style>body { background: light-dark(white, black); color-scheme: light dark }</style>"
        "<script>const paint = (colour) => { document.body.style.background = colour };"
        "if (location.hash) paint(decodeURIComponent(location.hash.slice(1)));"
        "onkeydown = (e) => paint({ b: 'blue' }[e.key]);"
        "setTimeout(() => { paint('lime'); document.body.id = 'late' }, 9000)</script>"
    )
    for flags, colour in (
        ([], (255, 255, 255)),
        (["--dark"], (0, 0, 0)),
        (["--press", "b"], (0, 0, 255)),
        (["--at", "rgb(9, 8, 7)"], (9, 8, 7)),
        (["--wait", "#late"], (0, 255, 0)),
    ):
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

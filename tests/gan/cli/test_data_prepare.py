"""gan data prepare, info, verify, merge, subset: what is printed, exit codes, one line for every mistake."""

import json
import zipfile

import pytest

from gan.cli.main import main
from tests.training.preparation.samples import encoded, messy_folder, pattern


def run(*arguments):
    """Exit code of `gan data` with these arguments."""
    with pytest.raises(SystemExit) as stopped:
        main(["data", *map(str, arguments)])
    return stopped.value.code


@pytest.fixture
def made(tmp_path):
    """A prepared set of 12 images in 3 classes."""
    source, out = messy_folder(tmp_path / "in"), tmp_path / "set.zip"
    options = ["--resolution", 32, "--copies", "exact", "--workers", 1, "--labels", "folders"]
    assert run("prepare", source, "--out", out, *options) == 0
    return out


def test_a_line_a_fault_and_a_line_a_reason(made, tmp_path, capsys):
    options = ["--resolution", 32, "--copies", "exact", "--workers", 1, "--labels", "folders"]
    assert run("prepare", tmp_path / "in", "--out", made, *options, "--force") == 0
    again = capsys.readouterr().out.splitlines()[-1]
    assert again.startswith(f"{made} is up to date: 12 train, 3 classes, ")
    made.unlink()
    assert run("prepare", tmp_path / "in", "--out", made, *options) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "17 files, 12 kept"
    assert [line.split() for line in lines if line.endswith("  drop")] == [
        [kind, "1", "drop"] for kind in ("empty", "hidden", "truncated", "type")
    ]
    assert "         1  duplicate" in lines
    assert lines[-1].startswith(f"{made} written: 12 train, 3 classes, ")
    assert run("prepare", tmp_path / "in", "--out", made, "--resolution", 32, "--labels", "folders") == 1
    assert "already exists" in capsys.readouterr().err  # other options: another set


def test_json(tmp_path, capsys):
    source, out = messy_folder(tmp_path / "in", 3), tmp_path / "set"
    assert (
        run("prepare", source, "--out", out, "--resolution", 16, "--json", "--dry-run", "--workers", 1) == 0
    )
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert found["path"] == str(out) and found["files"] == 8 and captured.err == "" and not out.exists()


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        (["nothing", "--resolution", "32"], 1, "no source at nothing"),
        (["in", "--resolution", "big"], 2, "resolution 'big'"),
        (["in", "--resolution", "32", "--on", "blury=drop"], 2, "did you mean 'blurred'?"),
        (["in", "--resolution", "32", "--background", "nocolour"], 2, "colour 'nocolour'"),
        (["in", "--resolution", "32", "--labels", "no.csv"], 1, "cannot read no.csv"),
        (["--resolution", "32"], 2, "Missing argument 'SRC...'"),
    ],
)
def test_mistakes_are_one_line(tmp_path, capsys, monkeypatch, options, code, text):
    monkeypatch.chdir(tmp_path)
    messy_folder(tmp_path / "in", 2)
    assert run("prepare", *options, "--out", "a.zip", "--workers", 1) == code
    error = capsys.readouterr().err
    assert text in error and error.count("\n") == 1 and not (tmp_path / "a.zip").exists()


def test_info(made, tmp_path, capsys):
    capsys.readouterr()
    assert run("info", made) == 0
    text = capsys.readouterr().out
    assert "zip, data set, 12 images" in text and "3 classes: class0 (5), class1 (3), class2 (4)" in text
    assert "problem" not in text and "to train on it" not in text
    assert run("info", tmp_path / "in", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["images"], found["prepared"]) == (15, False) and found["formats"] == {".jpg": 7, ".png": 8}
    assert found["remedy"].startswith("gan data prepare ") and len(found["sizes"]) == 2


def test_info_of_nothing(tmp_path, capsys):
    assert run("info", tmp_path) == 1
    assert "holds no images" in capsys.readouterr().err


def test_verify(made, capsys):
    capsys.readouterr()
    assert run("verify", made, "--full") == 0
    assert capsys.readouterr().out == f"{made}: 12 images, no problem (names, sizes and contents)\n"
    changed = made.with_name("changed.zip")
    with zipfile.ZipFile(made) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name.endswith("3.png"):
                data = encoded(pattern(3, 32, 32))
            if not name.endswith("5.png"):
                new.writestr(name, data)
    assert run("verify", changed, "--full", "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert found["images"] == 11 and found["full"]
    told = "\n".join(found["problems"])
    assert "11 images, and the manifest says 12" in told and "00000/img00000005.png is missing" in told
    assert "labels of 1 images that are not there" in told
    assert "00000/img00000003.png is not what was written: another sha256" in told


def test_merge_and_subset(made, tmp_path, capsys):
    capsys.readouterr()
    few, rest, whole = (tmp_path / f"{name}.zip" for name in ("few", "rest", "whole"))
    assert run("subset", made, "--out", few, "--classes", "class0,class2", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "path": str(few),
        "images": 9,
        "classes": ["class0", "class2"],
    }
    assert run("subset", made, "--out", rest, "--where", "label == 'class1'") == 0
    assert capsys.readouterr().out == f"wrote {rest}: 3 images, 3 classes\n"
    assert run("merge", few, rest, made, "--out", whole, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["images"] == 12 and found["classes"] == ["class0", "class2", "class1"]  # equal images once
    assert run("verify", whole, "--full") == 0


def test_training_refuses_a_set_of_which_a_part_is_lost(tmp_path, capsys):
    source, out = messy_folder(tmp_path / "in"), tmp_path / "set"
    assert run("prepare", source, "--out", out, "--resolution", 32, "--copies", "exact", "--workers", 1) == 0
    train = ["train", "--data", str(out), "--preset", "stylegan2-tiny", "--device", "cpu", "--dry-run"]
    with pytest.raises(SystemExit) as stopped:
        main(train)
    assert stopped.value.code == 0
    (out / "00000" / "img00000003.png").write_bytes(encoded(pattern(3, 32, 32)))
    (out / "00000" / "img00000005.png").unlink()
    capsys.readouterr()
    with pytest.raises(SystemExit) as stopped:
        main(train)
    error = capsys.readouterr().err
    assert stopped.value.code == 1 and "img00000003.png has " in error and ", and 1 more: " in error
    assert f"gan data verify {out} lists everything" in error and error.count("\n") == 1

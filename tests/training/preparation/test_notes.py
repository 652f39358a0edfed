"""What is said of images beside their pixels, in every place where it may be said."""

import json

import pytest

from gan.errors import UserError
from training.preparation.notes import gather, rows


def said(files, names=(), *, labels="auto", tables=(), known=({},)):
    """Notes of one source. files: content of side files by name; names: of images."""
    data = {
        name.encode(): content if isinstance(content, bytes) else content.encode()
        for name, content in files.items()
    }
    paths = sorted([*data, *(name.encode() for name in names)])
    read = lambda source, path: data[path]  # noqa: E731
    return gather([(0, path) for path in paths], read, known, labels=labels, tables=tables)


def test_folders_are_asked_for():
    names = ["cats/a.png", "dogs/b/c.png", "d.png"]
    notes = said({}, names, labels="folders")
    assert [notes.of(0, name.encode(), None).get("label") for name in names] == ["cats", "dogs", None]
    assert said({}, names).by_file == {}


def test_dataset_json():
    index = {
        "labels": [["00000/a.png", 1], ["00000\\b.png", 0]],
        "classes": ["zebra", "ant"],
        "captions": {"00000/a.png": "an ant"},
        "manifest": {
            "files": {"00000/b.png": {"licence": "CC0", "source": "http://x/b", "size": 3, "author": "A"}}
        },
    }
    notes = said({"dataset.json": json.dumps(index)}, ["00000/a.png", "00000/b.png"])
    assert notes.of(0, b"00000/a.png", None) == {"label": "ant", "caption": "an ant"}
    b = notes.of(0, b"00000/b.png", None)
    assert (b["label"], b["licence"], b["source_url"], b["author"]) == ("zebra", "CC0", "http://x/b", "A")
    assert notes.classes == ["zebra", "ant"] and (0, "dataset.json") in notes.used


def test_a_licence_that_a_set_calls_unknown_is_not_told():
    index = {"manifest": {"files": {"a.png": {"licence": "unknown"}, "b.png": {"licence": "CC0"}}}}
    notes = said({"dataset.json": json.dumps(index)}, ["a.png", "b.png"])
    assert "licence" not in notes.of(0, b"a.png", None)
    notes.licence = "MIT"
    assert [notes.of(0, name, None)["licence"] for name in (b"a.png", b"b.png", b"c.png")] == [
        "MIT",
        "CC0",
        "MIT",
    ]


def test_numbers_without_names():
    notes = said({"dataset.json": json.dumps({"labels": [["a.png", 3]]})}, ["a.png"])
    assert notes.of(0, b"a.png", None) == {"label": "3"}


def test_metadata_is_relative_to_its_folder():
    files = {
        "train/metadata.jsonl": '{"file_name": "a.png", "text": "hi", "size_cm": 4}\n\n',
        "test/metadata.csv": "file_name,label,license\nsub/b.png,dog,MIT\n",
    }
    notes = said(files, ["train/a.png", "test/sub/b.png"])
    assert notes.of(0, b"train/a.png", None) == {"caption": "hi", "custom": {"size_cm": 4}}
    assert notes.of(0, b"test/sub/b.png", None) == {"label": "dog", "licence": "MIT"}
    assert len(notes.used) == 2


def test_files_beside_images_and_webdataset():
    files = {
        "a.txt": "\ufeffa caption \n",
        "s/0.cls": "7",
        "s/0.json": '{"license": "CC0"}',
        "readme.txt": "no image",
    }
    notes = said(files, ["a.png", "s/0.left.jpg"])
    assert notes.of(0, b"a.png", None) == {"caption": "a caption"}
    assert notes.of(0, b"s/0.left.jpg", None) == {"label": "7", "licence": "CC0"}
    assert (0, "readme.txt") not in notes.used


def test_later_words_win(tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("name,class,shot by\nx/a.png,table,Ann\nnobody.png,table,Bob\n")
    files = {"dataset.json": json.dumps({"labels": [["x/a.png", 0], ["x/b.png", 0]], "classes": ["index"]})}
    notes = said(files, ["x/a.png", "x/b.png"], labels=str(table))
    assert notes.of(0, b"x/a.png", None) == {"label": "table", "custom": {"shot by": "Ann"}}
    assert notes.of(0, b"x/b.png", None) == {"label": "index"} and notes.unmatched == ["nobody.png"]


def test_none_forgets_classes_alone():
    files = {
        "dataset.json": json.dumps({"labels": [["a.png", 0]], "classes": ["x"], "captions": {"a.png": "c"}})
    }
    notes = said(files, ["a.png"], labels="none", known=({b"a.png": {"label": "y"}},))
    assert notes.of(0, b"a.png", None) == {"caption": "c"} and notes.classes == []


def test_a_table_may_name_files_by_sha256(tmp_path):
    table = tmp_path / "p.csv"
    table.write_text("sha256,licence\nABC,CC0\n")
    notes = said({}, ["a.png"], tables=(table,))
    assert notes.of(0, b"a.png", "abc") == {"licence": "CC0"} and notes.of(0, b"a.png", "abd") == {}


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ('{"labels": [["a.png", 1]]}', [("a.png", {"label": "1"})]),
        ('{"a.png": "cat"}', [("a.png", {"label": "cat"})]),
        (
            '[["a.png", 0], {"file": "b.png", "prompt": "x"}]',
            [("a.png", {"label": "0"}), ("b.png", {"caption": "x"})],
        ),
    ],
)
def test_json_tables(data, found):
    assert list(rows(data.encode(), "t.json")) == found


def test_cells_that_are_numbers():
    row = b"file,a,b,c,d,e\nx.png,3,-2.5,007,1e3,3 m\n"
    ((_, said),) = rows(row, "t.csv")
    assert said["custom"] == {"a": 3, "b": -2.5, "c": "007", "d": 1000.0, "e": "3 m"}


@pytest.mark.parametrize(
    ("data", "place", "text"),
    [
        ("label\ncat\n", "t.csv", "row 1 names no image"),
        ("not json", "t.json", "is not JSON"),
        ("{}\n", "t.jsonl", "row 1 names no image"),
        ("[3]", "t.json", "names no image"),
        ("3", "t.json", "is no list and no object"),
    ],
)
def test_tables_that_cannot_be_used(data, place, text):
    with pytest.raises(UserError, match=text):
        list(rows(data.encode(), place))


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="cannot read"):
        said({}, ["a.png"], tables=(tmp_path / "nothing.csv",))

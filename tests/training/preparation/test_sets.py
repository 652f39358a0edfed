"""Parts and unions of sets: which images, their labels by name, what cannot be joined."""

import json

import numpy as np
import pytest

from gan.errors import UserError
from gan.jobs.datasets import merge, subset
from tests.training.preparation.samples import encoded, pattern
from training.data.images import open_dataset
from training.preparation import sets
from training.preparation.writer import About, Entry, write_dataset


def write(path, seeds, classes=("a", "b"), size=16, **more):
    """A set of patterns, labelled in turn by `classes` where there are any."""
    about = About(
        name="x",
        licence="CC0",
        attribution="by me",
        source="",
        height=size,
        width=size,
        channels=3,
        classes=classes,
    )
    entries = (
        Entry(
            png=encoded(pattern(seed, size, size)),
            source=f"seed {seed}",
            licence="CC0" if seed % 2 else "MIT",
            label=i % len(classes) if classes else None,
            caption=f"pattern {seed}",
            **more,
        )
        for i, seed in enumerate(seeds)
    )
    write_dataset(path, entries, about)
    return path


def captions(path):
    """{caption: name of class} of a set."""
    index, data = sets.read_index(path), open_dataset(path)
    names = data.classes
    found = {index["captions"][name]: names[label] for name, label in index["labels"]}
    data.close()
    return found


def test_classes_are_joined_by_name(tmp_path):
    one = write(tmp_path / "1.zip", range(4))
    two = write(tmp_path / "2", range(4, 8), classes=("b", "c"))
    made = merge([one, two], tmp_path / "3.zip")
    assert made == {"path": str(tmp_path / "3.zip"), "images": 8, "classes": ["a", "b", "c"]}
    wanted = {f"pattern {i}": "ab"[i % 2] if i < 4 else "bc"[i % 2] for i in range(8)}
    assert captions(tmp_path / "3.zip") == wanted
    manifest = sets.read_index(tmp_path / "3.zip")["manifest"]
    assert manifest["licence"] == "various: CC0; MIT" and manifest["attribution"] == "by me"


@pytest.mark.parametrize(
    ("other", "text"),
    [
        ({"size": 8}, "8x8 RGB.*16x16 RGB"),
        ({"classes": ()}, "1.zip has classes and .*2.zip has none"),
    ],
)
def test_sets_that_cannot_be_one(tmp_path, other, text):
    one, two = write(tmp_path / "1.zip", range(4)), write(tmp_path / "2.zip", range(4), **other)
    with pytest.raises(UserError, match=text):
        merge([one, two], tmp_path / "3.zip")
    assert not (tmp_path / "3.zip").exists()


def test_a_part_by_condition(tmp_path):
    source = write(tmp_path / "1.zip", range(8))
    subset(source, tmp_path / "2.zip", condition="licence == 'MIT' and width == 16 and bytes > 10")
    assert captions(tmp_path / "2.zip") == {f"pattern {i}": "a" for i in range(0, 8, 2)}


def test_a_number_is_drawn_by_seed_and_content(tmp_path):
    source = write(tmp_path / "1.zip", range(40), classes=())
    turned = write(tmp_path / "2.zip", reversed(range(40)), classes=())
    draw = lambda path, seed: {  # noqa: E731
        made.record(i)["caption"]
        for made in [sets.MadeSet(path)]
        for i in sets.chosen(made, count=10, seed=seed)
    }
    assert draw(source, 0) == draw(turned, 0) != draw(source, 1) and len(draw(source, 0)) == 10


def test_refusals(tmp_path):
    source = write(tmp_path / "1.zip", range(4))
    with pytest.raises(UserError, match="unknown class 'c'"):
        subset(source, tmp_path / "2.zip", classes=["c"])
    with pytest.raises(UserError, match="4 images are left, not 5"):
        subset(source, tmp_path / "2.zip", count=5)
    with pytest.raises(UserError, match="no image is left"):
        subset(source, tmp_path / "2.zip", condition="width > 99")
    with pytest.raises(UserError, match="already exists"):
        subset(source, source)
    assert [p.name for p in tmp_path.iterdir()] == ["1.zip"]


def test_sets_of_others(tmp_path):
    """No manifest, JPEG and PNG, labels by number: images are copied as they are."""
    folder = tmp_path / "other"
    folder.mkdir()
    for i in range(4):
        (folder / f"{i}.jpg").write_bytes(encoded(pattern(i, 16, 16), "JPEG"))
    (folder / "dataset.json").write_text(json.dumps({"labels": [[f"{i}.jpg", i % 2] for i in range(4)]}))
    subset(folder, tmp_path / "2.zip", classes=["1"])
    old, new = open_dataset(folder), open_dataset(tmp_path / "2.zip")
    assert len(new) == 2 and new.classes == ["1"] and new.source.names[0].endswith(".jpg")
    assert np.array_equal(new.image(0), old.image(1)) and np.array_equal(new.image(1), old.image(3))
    old.close()
    new.close()


def test_vectors_stay_with_their_images(tmp_path):
    source = write(tmp_path / "1.zip", range(3), classes=(), vector=(0.5, -1.0))
    merge([source, write(tmp_path / "2.zip", range(3, 5), classes=(), vector=(2.0, 3.0))], tmp_path / "3.zip")
    data = open_dataset(tmp_path / "3.zip")
    assert data.vectors.tolist() == [[0.5, -1.0]] * 3 + [[2.0, 3.0]] * 2
    data.close()

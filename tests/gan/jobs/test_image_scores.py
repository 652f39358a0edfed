"""Scores of images: by name, of one's own, or from a table; what is refused, and why."""

import pytest
import torch

from gan.errors import UsageError, UserError
from gan.jobs import image_scores
from gan.latents.attributes import ATTRIBUTES
from tests.gan.latents.families import built

OWN = "def left(images): return images[..., : images.shape[3] // 2].mean(dim=(1, 2, 3))\nlevel = 3\n"


def test_names_and_functions_of_files_and_modules(tmp_path):
    assert image_scores.score("warmth") == ("warmth", ATTRIBUTES["warmth"])
    assert image_scores.score("gan.latents.attributes:detail") == ("detail", ATTRIBUTES["detail"])
    (tmp_path / "own.py").write_text(OWN)
    name, function = image_scores.score(f"{tmp_path}/own.py:left")
    assert name == "left" and function(torch.ones(2, 3, 4, 4)).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("warmt", "did you mean 'warmth'.*FILE.py:function"),
        ("nowhere.py:left", "there is no file nowhere.py"),
        ("no_such_module:left", "No module named"),
        ("own.py:right", "has no function 'right'"),
        ("own.py:level", "has no function 'level'"),
        ("bad.py:left", "bad.py fails: ZeroDivisionError"),
    ],
)
def test_a_score_that_is_none_is_refused(tmp_path, monkeypatch, text, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "bad.py").write_text("1 / 0\n")
    with pytest.raises(UserError, match=f"--score {text}: .*{message}"):
        image_scores.score(text)


def test_scores_are_of_the_images_of_their_samples(close):
    generator = built("stylegan2 conditional rectangular")
    z, c = torch.randn(11, 8), torch.eye(3)[torch.arange(11) % 3]
    found = image_scores.measured(
        generator, z, c, {"mean": lambda images: images.mean(dim=(1, 2, 3))[:, None]}
    )
    close(found["mean"].float(), generator(z, c).mean(dim=(1, 2, 3)))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda images: 1 / 0, "the score 'own' fails: ZeroDivisionError"),
        (lambda images: images, r"the score 'own' gives \[8, 3, 16, 16\] for 8 images"),
        (lambda images: "high", "the score 'own' fails"),
    ],
)
def test_a_function_that_fails_is_named(function, message):
    with pytest.raises(UserError, match=message):
        image_scores.measured(built("stylegan2"), torch.randn(9, 8), None, {"own": function})


def test_an_error_meant_for_people_passes():
    with pytest.raises(UsageError, match="grey, they have no warmth"):
        grey = built("stylegan2 resnet grey")
        image_scores.measured(grey, torch.randn(2, 8), None, {"warmth": ATTRIBUTES["warmth"]})


def test_a_table_of_numbers_and_words(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("seed,smile,kind\n7,0.5,cat\n\n3,1,dog\n9, -2 ,cat\n", encoding="utf-8-sig")
    seeds, labels = image_scores.read_labels(path)
    assert seeds == [7, 3, 9] and {name: values.tolist() for name, values in labels.items()} == {
        "smile": [0.5, 1, -2],
        "cat": [1, 0, 1],
        "dog": [0, 1, 0],
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the first line should be seed,label"),
        ("a,b\n1,2\n", "the first line should be seed,label"),
        ("seed,label\n", "seeds follow"),
        ("seed,label\n1,2\n1,2,3\n", "line 3: expected a seed and 1 labels"),
        ("seed,label\nx,2\n", "line 2: expected a seed"),
        ("seed,label\n" + "".join(f"{i},w{i}\n" for i in range(101)), "101 different words; 100 at most"),
    ],
)
def test_tables_that_are_none(tmp_path, text, message):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        image_scores.read_labels(path)
    assert str(path) in str(caught.value)


def test_no_file_and_a_large_one(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="cannot read .*seed,label"):
        image_scores.read_labels(tmp_path / "none.csv")
    (tmp_path / "a.csv").write_text("seed,label\n1,2\n")
    monkeypatch.setattr(image_scores, "MAX_JSON", 3)
    with pytest.raises(UserError, match="more than 3 bytes"):
        image_scores.read_labels(tmp_path / "a.csv")

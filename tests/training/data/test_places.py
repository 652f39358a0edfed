"""Where no data set lies, the message fits what was meant."""

import pytest

from gan.errors import UserError
from gan.jobs.evaluation import evaluate_images
from training.data.faults import DataError
from training.data.images import open_dataset


def absent(place):
    with pytest.raises(DataError) as caught:
        open_dataset(place)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("url", ["https://example.org/a/faces.zip", "s3://bucket/faces.zip"])
def test_a_url(url):
    text = absent(url)
    assert text.startswith(f"{url} is a URL, and data is read from files: download it")
    assert ("`curl -LO https://example.org/a/faces.zip`" in text) == url.startswith("http")


def test_a_name_of_a_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = absent("someone/emoji-128")
    assert text.endswith("write hf://datasets/someone/emoji-128")
    assert "mend the path; if it is a name on the Hugging Face Hub" in text and "openmoji" not in text
    (tmp_path / "someone").mkdir()
    assert "hf://" not in absent("someone/emoji-128")


def test_a_path_that_is_nearly_right(tmp_path, tiny_zip):
    (tmp_path / "faces-256.zip").write_bytes(tiny_zip.read_bytes())
    text = absent(tmp_path / "face-256.zip")
    assert text == f"no data set at {tmp_path / 'face-256.zip'}: is {tmp_path / 'faces-256.zip'} meant?"


def test_any_other_path(tmp_path):
    place = tmp_path / "none" / "set.zip"
    assert absent(place) == (
        f"no data set at {place}, for there is no folder {place.parent}: mend the path, or make one to"
        " try with `gan data openmoji`, data/openmoji-32.zip"
    )
    assert "`gan data openmoji`" in absent(tmp_path / "set.zip")


def test_a_score_says_the_same(tiny_zip):
    with pytest.raises(UserError, match="x.zip is a URL"):
        evaluate_images("https://example.org/x.zip", tiny_zip, ["fd-untrained"], device="cpu")

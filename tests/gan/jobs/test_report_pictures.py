"""Pictures of a page take no more bytes than they may, and are what they were where they can be."""

import base64
import dataclasses
import io
import random

import pytest
from PIL import Image

from gan.jobs import report_pictures
from gan.jobs.report_pictures import GRIDS, TOTAL, embedded, pictures
from tests.gan.jobs.test_report_marks import EMPTY


def noise(path, width, height):
    data = random.Random(0).randbytes(width * height * 3)
    Image.frombytes("RGB", (width, height), data).save(path)


def decoded(source):
    return base64.b64decode(source.partition("base64,")[2])


def test_a_small_picture_is_kept_to_the_bit(tmp_path):
    noise(tmp_path / "a.png", 8, 4)
    source, width, height = embedded(tmp_path / "a.png", 0, 10_000)
    assert source.startswith("data:image/png;") and (width, height) == (8, 4)
    assert decoded(source) == (tmp_path / "a.png").read_bytes()


@pytest.mark.parametrize("most", [200_000, 20_000])
def test_a_large_picture_is_made_smaller_until_it_fits(tmp_path, most):
    noise(tmp_path / "a.png", 1400, 700)
    source, width, height = embedded(tmp_path / "a.png", 0, most)
    data = decoded(source)
    image = Image.open(io.BytesIO(data))
    assert image.format == "WEBP" and len(data) <= most and image.size == (width, height)
    assert max(image.size) <= 1024 and width == pytest.approx(2 * height, abs=2)


def test_all_of_a_page_share_its_bytes(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        report_pictures, "embedded", lambda path, changed, most: asked.append(most) or ("", 9, 9)
    )
    for kimg in range(34):
        (tmp_path / f"fakes-{kimg:06d}.png").touch()
    (tmp_path / "reals.png").touch()
    run = dataclasses.replace(EMPTY, path=tmp_path)
    found = pictures(run, print)
    assert [one.kimg for one in found.grids] == [3 * k for k in range(12)] and len(found.others) == 1
    assert len(asked) == GRIDS + 1 and sum(asked) <= TOTAL and all(one.small for one in found.grids)
    asked.clear()
    assert len(pictures(run, print, runs=3).grids) == 4 and 3 * sum(asked) <= TOTAL

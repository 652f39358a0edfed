"""The page of copies: each fake beside the real images that are nearest to it."""

import base64
import io
import re

import pytest
import torch
from PIL import Image

from gan.images import to_pil
from gan.jobs import copies
from metrics.images import ArrayImages
from metrics.networks import Networks

ROW = re.compile(r"<li>(<img.*?)</li>")


@pytest.mark.filterwarnings("ignore:.*covariance is singular")
def test_a_fake_stands_beside_what_it_copies(tmp_path, monkeypatch):
    monkeypatch.setattr(copies, "NETWORK", "untrained")
    reals = torch.randint(256, (8, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    fakes = torch.cat([reals[[5, 2]], 255 - reals[[6, 7]]])  # two copies
    page = tmp_path / "page.html"
    copies.write_page(page, ArrayImages(reals), ArrayImages(fakes), Networks(torch.device("cpu")))
    rows = [
        re.findall(r'alt="image (\d+)" src="data:image/webp;base64,([^"]+)"', row)
        for row in ROW.findall(page.read_text())
    ]
    assert [len(row) for row in rows] == [4] * 4
    assert {(int(row[0][0]), int(row[1][0])) for row in rows[:2]} == {(0, 5), (1, 2)}
    for row in rows:
        assert pixels(row[0][1]) == to_pil(fakes[int(row[0][0])]).tobytes()
        for number, data in row[1:]:
            assert pixels(data) == to_pil(reals[int(number)]).tobytes()


def pixels(data):
    """Bytes RGB of a picture in a data URL."""
    return Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB").tobytes()

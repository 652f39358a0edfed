"""Nearest training images on the page of `gan report`, on features that D never saw."""

import re

import pytest
import torch

from gan.errors import UserError
from gan.jobs import report_nearest
from gan.jobs.reporting import page
from gan.models import checkpoint, seen
from metrics.images import ArrayImages
from metrics.networks.extractors import PACKAGED
from tests.training.test_held_out import write
from tests.training.tiny import plain, run_training
from training.data.images import open_dataset

ROW = re.compile(r"<li>(<img.*?)</li>")


@pytest.fixture
def copied(monkeypatch, tiny_zip):
    """Samples of which the first and third are training images 5 and 2, the others inverted ones."""
    images = torch.stack([torch.from_numpy(open_dataset(tiny_zip).image(i).copy()) for i in (5, 6, 2, 7)])
    images[1::2] = 255 - images[1::2]
    asked = []

    def drawn(generator, dataset, seeds):
        asked.append(len(seeds))
        return ArrayImages(images)

    monkeypatch.setattr(report_nearest, "drawn", drawn)
    monkeypatch.setattr(report_nearest, "unseen", lambda networks: ["untrained"])
    return asked


def test_copies_come_first_with_the_share_of_held_out_images(copied, tiny_zip, tmp_path):
    apart = write(tmp_path / "apart.zip", range(48, 60))
    run = run_training(plain(tiny_zip, f"data.held_out={apart}"), out=tmp_path / "runs", device="cpu")
    html = page([run], nearest=4)
    section = html.partition('id="nearest-training-images"')[2].partition("<h2")[0]
    rows = [re.findall(r'alt="image (\d+)"', row) for row in ROW.findall(section)]
    assert [len(row) for row in rows] == [4] * 4 and copied == [4]
    assert {(row[0], row[1]) for row in rows[:2]} == {("0", "5"), ("2", "2")}
    assert "50.0 % of the samples" in section and "of the held-out images" in section
    assert "by features of untrained" in section
    assert "Nearest training images" not in page([run])


def test_the_best_checkpoint_and_a_network_that_d_never_saw(tiny_zip, tmp_path, monkeypatch):
    run = run_training(plain(tiny_zip, "kimg=0.016"), out=tmp_path / "runs", device="cpu")
    checkpoint.mark_best(run / "checkpoints" / "000000.008", {})
    lite0 = [{"network": "mine", "sha256": PACKAGED["efficientnet-lite0"].sha256}]
    monkeypatch.setattr(seen, "of_config", lambda config: lite0)
    used = []

    def compared(real, fake, networks, name):
        used.append((name, len(fake)))
        raise UserError("enough")

    monkeypatch.setattr(report_nearest.copies, "compared", compared)
    loaded, read = report_nearest.loaded, []
    monkeypatch.setattr(report_nearest, "loaded", lambda *a: read.append(loaded(*a)) or read[0])
    with pytest.raises(UserError, match="enough"):
        report_nearest.section(run, 6)
    assert used == [("efficientnet-lite1", 6)] and read[0][1].kimg == 0.008
    everything = [{"network": "x", "sha256": package.sha256} for package in PACKAGED.values()]
    monkeypatch.setattr(seen, "of_config", lambda config: everything)
    with pytest.raises(UserError, match="every packaged network"):
        report_nearest.section(run, 6)


def test_a_page_without_its_data_says_so(tiny_zip, tmp_path):
    lost = write(tmp_path / "lost.zip", range(8))
    run = run_training(plain(lost), out=tmp_path / "runs", device="cpu")
    lost.unlink()
    said = []
    assert "lost.zip" in page([run], said.append, nearest=4) and any("lost.zip" in line for line in said)

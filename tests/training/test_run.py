"""Run directories: numbering, refusals, scores."""

from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from PIL import Image

from gan.errors import UserError
from gan.jobs.training import train
from gan.models import checkpoint
from tests.training.tiny import plain, run_training
from training import resuming
from training.config import RunConfig
from training.data.images import open_dataset
from training.loop import show_reals
from training.run import new_run
from training.snapshots import scores


def data(name="my faces"):
    return SimpleNamespace(slug=name)


def test_runs_are_numbered_and_named_safely(tmp_path):
    first = new_run(tmp_path / "runs", RunConfig(preset="demo"), data())
    (tmp_path / "runs" / "00007-old").mkdir()
    (tmp_path / "runs" / "notes").mkdir()
    second = new_run(tmp_path / "runs", RunConfig(preset="demo"), data())
    assert [first.name, second.name] == ["00000-demo-my-faces", "00008-demo-my-faces"]
    assert yaml.safe_load((first / "config.yaml").read_text())["preset"] == "demo"
    assert "torch" in (first / "environment.json").read_text()


def test_a_run_without_checkpoint_is_not_found(tmp_path):
    new_run(tmp_path, RunConfig(preset="demo"), data())
    assert resuming.find(tmp_path, "demo", None) == (None, [])


def test_unwritable_place_names_the_remedy(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="choose another --out"):
        new_run(tmp_path / "file", RunConfig(), data())


def test_scores_pass_over_a_half_written_line(tmp_path):
    assert scores(tmp_path) == []
    (tmp_path / "metrics.jsonl").write_text('{"metric": "fid", "value": 3.5}\n{"metric": "fi')
    assert scores(tmp_path) == [{"metric": "fid", "value": 3.5}]


def test_what_a_checkpoint_says_of_its_data_and_networks(tiny_zip, tmp_path):
    dataset = open_dataset(tiny_zip)
    dataset.source.licence = "CC0-1.0"
    wide = ["discriminator.channel_base=2048", "discriminator.channel_max=64"]
    config = plain(tiny_zip, "data.conditional=true", *wide)
    folder = train(config, dataset, out=tmp_path, device="cpu").checkpoint
    saved = checkpoint.read(folder)
    assert saved.config["data"] == {
        "name": "tiny-16",
        "sha256": dataset.sha256,
        "images": 40,
        "classes": ["disc", "square", "diamond", "stripes"],
        "licence": "CC0-1.0",
    }
    card = (folder / "card.md").read_text()
    for role in ("generator", "discriminator"):
        count = sum(p.numel() for p in getattr(saved, role)().parameters())
        assert f"{role.capitalize()}: stylegan2, {count / 1e6:.2f} M trained parameters" in card
    assert "Licence: CC0-1.0" in card


class Levels:
    def __len__(self):
        return 128

    def image(self, i):
        return np.full((1, 4, 4), i, np.uint8)


def test_shown_reals_are_spread_over_the_set(tmp_path):
    """128 images, of which every other is shown; image i has the level i."""
    show_reals(Levels(), tmp_path)
    with Image.open(tmp_path / "reals.png") as image:
        levels = np.asarray(image.convert("L"))[3::6, 3::6]
    assert levels.flatten().tolist() == list(range(0, 128, 2))


def test_a_run_of_that_preset_and_data_goes_on(tiny_zip, tmp_path):
    for _ in range(2):
        run = run_training(plain(tiny_zip), out=tmp_path, device="cpu")
    sha256 = open_dataset(tiny_zip).sha256
    newest = run / "checkpoints" / "000000.008"
    assert run.name.startswith("00001-")
    assert resuming.find(tmp_path, None, None) == (newest, [])
    assert resuming.find(tmp_path, "tiny", sha256) == (newest, [])
    assert resuming.find(tmp_path, "demo", sha256) == (None, [])
    assert resuming.find(tmp_path, "tiny", "0" * 64) == (None, [])

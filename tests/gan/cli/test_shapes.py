"""Rectangles of 1, 2, 4 and 6 channels end to end as typed: train, sample in every form, evaluate."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

import gan
from gan.cli.main import main
from gan.images import encode_exactly
from tests.gan.cli.test_train import SMALL
from training.data.images import open_dataset

pytestmark = pytest.mark.filterwarnings("ignore:.*covariance is singular")
HEIGHT, WIDTH = 24, 32
MODES = {1: "L", 2: "LA", 4: "RGBA"}


def gan_command(*arguments: object) -> str:
    """Standard output of `gan` with these arguments, which must succeed."""
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    return result.stdout


def data_set(path: Path, channels: int, count: int = 12) -> Path:
    """Random images of 24 rows and 32 columns."""
    pixels = torch.randint(0, 256, (count, channels, HEIGHT, WIDTH), dtype=torch.uint8)
    with zipfile.ZipFile(path, "w") as archive:
        for i, image in enumerate(pixels):
            suffix, data = encode_exactly(image)
            archive.writestr(f"{i:03d}{suffix}", data)
    return path


@pytest.mark.parametrize("channels", [1, 2, 4, 6])
def test_train_sample_evaluate(channels, tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_CACHE", str(tmp_path / "cache"))
    data = data_set(tmp_path / "set.zip", channels)
    run = gan_command(
        "train", "--data", data, "--preset=stylegan2-tiny", "--kimg=0.008", "--out", tmp_path, *SMALL
    ).strip()
    assert gan.load(run).image_shape == (channels, HEIGHT, WIDTH) and gan.load(run).resolution == 32
    for name in ("reals.png", "fakes-000000.008.png"):
        with Image.open(Path(run, name)) as picture:
            assert picture.width == 8 * (WIDTH + 2) + 2 and picture.mode in ("L", "RGB")
    folder, grid, walk = tmp_path / "samples", tmp_path / "grid.png", tmp_path / "walk.gif"
    gan_command("sample", run, "--seeds=0-2", "--out", folder)
    gan_command("sample", run, "--seeds=0-2", "--columns=3", "--out", grid)
    gan_command("sample", run, "--seeds=0,1", "--frames-per-seed=2", "--out", walk)
    shown = open_dataset(folder)
    assert shown.shape == (channels, HEIGHT, WIDTH) and len(shown) == 3
    for path in folder.glob("*.png"):
        with Image.open(path) as picture:
            assert (picture.mode, picture.size) == (MODES[channels], (WIDTH, HEIGHT))
    with Image.open(grid) as picture:
        assert picture.size == (3 * (2 * WIDTH + 2) + 2, 2 * HEIGHT + 14 + 4)  # enlarged for the label
    with Image.open(walk) as picture:
        assert picture.size == (11 * WIDTH, 11 * HEIGHT)  # enlarged to 256 at least
    options = ("--data", data, "--metrics=fd-untrained", "--num-fakes=20", "--json", "--device=cpu")
    scores = [json.loads(gan_command("evaluate", *options, "--model", run)) for _ in range(2)]
    assert scores[0] == scores[1] and all(np.isfinite(record["value"]) for record in scores[0])
    itself = ("--images", data, "--data", data, "--metrics=fd-untrained", "--json")
    assert json.loads(gan_command("evaluate", *itself))[0]["value"] == pytest.approx(0, abs=1e-5)


def test_transparent_pixels_have_no_colour_for_metrics(tmp_path, monkeypatch):
    """Data laid on white scores as the same data with alpha does; ignoring alpha would not."""
    monkeypatch.setenv("GAN_CACHE", str(tmp_path / "cache"))
    clear = data_set(tmp_path / "clear.zip", 4)
    for name, shown in {"white": gan.images.view, "colours": lambda pixels: pixels[:3]}.items():
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            dataset = open_dataset(clear)
            for i in range(len(dataset)):
                pixels = torch.from_numpy(dataset.image(i).copy())
                archive.writestr(f"{i}.png", gan.images.encode(shown(pixels), ".png"))
    value = {}
    for name in ("white", "colours"):
        itself = ("--images", tmp_path / f"{name}.zip", "--data", clear, "--metrics=fd-untrained", "--json")
        value[name] = json.loads(gan_command("evaluate", *itself))[0]["value"]
    assert value["white"] == pytest.approx(0, abs=1e-5) and value["colours"] > 1e-2


FAMILIES = {  # preset -> settings that make it small
    "stylegan3-t": [
        *(f"generator.{name}={value}" for name, value in (("layers", 4), ("critical", 1), ("margin", 4))),
        *(f"{n}.channel_{what}=64" for n in ("generator", "discriminator") for what in ("base", "max")),
        "generator.z_dim=8",
        "generator.w_dim=8",
    ],
    "r3gan-cifar10": [
        *(f"{n}.widths=[8,8,8,8]" for n in ("generator", "discriminator")),
        "data.conditional=false",
        "augment.name=none",
    ],
    "sngan-32": ["generator.width=8", "discriminator.width=8"],
}


@pytest.mark.parametrize("preset", FAMILIES)
def test_the_other_families(preset, tmp_path):
    """The same way through training and sampling, with an alpha channel."""
    settings = [f"--set={item}" for item in [*FAMILIES[preset], "tick_kimg=0.008"]]
    command = ["--preset", preset, "--kimg=0.008", "--batch=4", "--device=cpu", "--out", tmp_path, *settings]
    run = gan_command("train", "--data", data_set(tmp_path / "set.zip", 4), *command).strip()
    assert gan.load(run).image_shape == (4, HEIGHT, WIDTH)
    gan_command("sample", run, "--seeds=0-1", "--out", tmp_path / "samples")
    assert open_dataset(tmp_path / "samples").shape == (4, HEIGHT, WIDTH)

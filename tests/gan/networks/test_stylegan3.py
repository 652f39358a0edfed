"""StyleGAN3 beyond the golden files: equivariance, the layouts of the full sizes, refusals."""

import json
import os
from pathlib import Path

import pytest
import torch

from gan.config import from_dict
from gan.errors import UsageError
from gan.networks.stylegan3 import GeneratorConfig
from training.recipes import fit, load_preset

SMALL = {"resolution": 32, "channel_base": 2048, "channel_max": 32, "z_dim": 16, "w_dim": 16}
R = {"conv_kernel": 1, "radial_filters": True}
FULL = Path(os.environ.get("GAN_GOLDEN", Path(__file__).parents[4] / "shared" / "golden"))
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


@pytest.mark.parametrize("critical", [2, 0])
@pytest.mark.parametrize("config", [{}, R], ids=["T", "R"])
def test_moves_with_its_input(config, critical):
    """The transform is the inverse map: what was 5 pixels to the right comes to its place."""
    img, shifted = moved(
        config | {"critical": critical}, [[1.0, 0.0, 5 / 32], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    )
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
    G = from_dict(GeneratorConfig, SMALL | {"magnitude_beta": 0.9}).build()
    ws = G.mapping(torch.randn(2, 16))
    names = [n for n, _ in G.named_buffers() if n.endswith("magnitude_ema")]
    before = {n: b.clone() for n, b in G.named_buffers() if n in names}
    G.synthesis(ws)
    assert all(torch.equal(dict(G.named_buffers())[n], before[n]) for n in names)
    G.synthesis(ws, update_emas=True)
    assert all(not torch.equal(dict(G.named_buffers())[n], before[n]) for n in names)
    with pytest.raises(ValueError, match="magnitude_beta is null: set it"):
        from_dict(GeneratorConfig, SMALL).build().synthesis(ws, update_emas=True)


def test_no_layer_need_be_critically_sampled():
    """Cut-offs grow by one factor from the first to ToRGB's: f_i = f_0 (R / 2 / f_0)^(i / L)."""
    config = from_dict(GeneratorConfig, SMALL | {"critical": 0, "layers": 4, "resolution": 64})
    plan = config.bands()
    assert [band.cutoff for band in plan] == pytest.approx([2 * 16 ** (i / 4) for i in range(5)])
    # Stop bands 2^2.1 (32 * 2^0.3 / 2^2.1)^(i / 4) = 4.29, 7.46, 13.0, 22.6, 39.4; rates: the next powers
    # of 2 from twice that.
    assert [band.rate for band in plan] == [16, 16, 32, 64, 64]
    assert [band.size for band in plan] == [36, 36, 52, 64, 64]
    half_widths = [8 - 2, 8 - 4, 16 - 8, 32 - 16, 32 * 2**0.3 - 32]
    assert [band.half_width for band in plan] == pytest.approx(half_widths)
    G = config.build().eval()
    img = G(torch.randn(2, 16))
    assert img.shape == (2, 3, 64, 64) and img.isfinite().all()


def test_too_few_layers_for_none_to_be_critical():
    message = "critical 0 with layers 2 samples the layer before ToRGB at 64 of 256 pixels"
    with pytest.raises(UsageError, match=message):
        from_dict(GeneratorConfig, SMALL | {"resolution": 256, "critical": 0, "layers": 2})


@pytest.mark.parametrize(
    ("key", "value"), [("resolution", 24), ("critical", 20), ("critical", -1), ("conv_kernel", 2)]
)
def test_impossible_settings(key, value):
    with pytest.raises(UsageError, match=key):
        from_dict(GeneratorConfig, SMALL | {key: value})

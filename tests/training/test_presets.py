"""Every preset: it builds at full size, and made small it trains, is saved, goes on and draws."""

import json
import re
from pathlib import Path

import pytest
import torch

import gan
from gan import sampling
from gan.config import override
from gan.networks import ARCHITECTURES
from tests.training.tiny import run_training
from training.config import RunConfig
from training.recipes import fit, load_preset, preset_names

MODELS = Path(__file__).parents[2] / "docs" / "MODELS.md"
PRESETS = {name: load_preset(name) for name in preset_names()}
STYLES = ["channel_base=64", "channel_max=8", "mapping.layers=1"]
SMALL = {  # role -> type of the network -> what makes it small
    "generator": {
        "stylegan2": [*STYLES, "z_dim=8", "w_dim=8"],
        "stylegan3": [*STYLES, "z_dim=8", "w_dim=8", "layers=4", "critical=1", "margin=4"],
        "r3gan": ["widths=[8]"],
        "sngan": ["width=8"],
        "fastgan": ["channel_base=64", "channel_max=8", "z_dim=8"],
    },
    "discriminator": {
        "stylegan2": STYLES,
        "r3gan": ["widths=[8]"],
        "sngan": ["width=8"],
        "projected": ["feature_resolution=32", "mixed_channels=4", "head_channels=4"],
    },
}


def small(name: str, path: object, *more: str) -> RunConfig:
    """The preset with narrow networks and batches of 4; every phase is due in the first step."""
    config = PRESETS[name]
    items = [f"data.path={path}", "batch=4", "tick_kimg=0.008", "snapshot_ticks=1", *more]
    for role, kinds in SMALL.items():
        items += [f"{role}.{item}" for item in kinds[getattr(config, role).type]]
    return override(config, items)


def built(name: str, side: int, classes: int) -> list[torch.nn.Module]:
    """Both networks at full width, on the meta device.

    Without the spectral norm, which looks at the values of the weights; it has no parameters.
    """
    config = override(PRESETS[name], ["discriminator.spectral_norm=false"])
    config = fit(config, shape=(3, side, side), c_dim=classes)
    with torch.device("meta"):
        return [config.generator.build(), config.discriminator.build()]


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize(("side", "classes"), [(32, 10), (256, 0), (1024, 0)])
def test_builds_for_images_of_any_size(name, side, classes):
    for network in built(name, side, classes):
        assert network.image_shape == (3, side, side) and network.c_dim == classes


def test_documented_sizes():
    """docs/MODELS.md names every preset, and the parameters of its networks."""
    row = r"^\| `(\S+)` \|.*\| (\d+)x\d+ \| (\S+) \| (\S+) \|"
    rows = re.findall(row, MODELS.read_text(encoding="utf-8"), re.MULTILINE)
    assert {name for name, *_ in rows} == set(PRESETS)
    for name, side, *sizes in rows:
        networks = built(name, int(side), classes=0)
        assert sizes == [f"{sum(p.numel() for p in net.parameters()) / 1e6:.2f}" for net in networks], name


def test_every_family_has_a_preset():
    used = {getattr(c, role).type for c in PRESETS.values() for role in ("generator", "discriminator")}
    assert used == set(ARCHITECTURES)


@pytest.mark.parametrize("name", PRESETS)
def test_trains_is_saved_and_draws(name, tiny_zip, tmp_path):
    run = run_training(small(name, tiny_zip, "kimg=0.008"), out=tmp_path)
    [record] = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
    assert all(torch.isfinite(torch.tensor(v)) for v in record.values() if isinstance(v, float))
    G, D = gan.load(run), gan.load_discriminator(run)
    images = torch.cat(list(sampling.images(G, range(3))))
    assert images.shape == (3, 3, 16, 16) and images.float().std() > 1
    logits = D(images / 127.5 - 1, torch.eye(D.c_dim)[:3] if D.c_dim else None)
    assert logits.shape == (3, 1) and logits.isfinite().all()


@pytest.mark.parametrize("name", ["r3gan-cifar10", "sngan-32", "stylegan3-r", "few-shot-256"])
def test_goes_on_bit_for_bit(name, tiny_zip, tmp_path):
    """Batch statistics, estimates of singular values, magnitudes and schedules are all kept."""
    straight = run_training(small(name, tiny_zip, "kimg=0.016"), out=tmp_path / "a")
    run_training(small(name, tiny_zip, "kimg=0.008"), out=tmp_path / "b")
    rest = run_training(small(name, tiny_zip, "kimg=0.016"), out=tmp_path / "b", resume="auto")
    files = [sorted((r / "checkpoints" / "000000.016").glob("*.safetensors")) for r in (straight, rest)]
    assert len(files[0]) == 3 and [p.read_bytes() for p in files[0]] == [p.read_bytes() for p in files[1]]

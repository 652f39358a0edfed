"""Every setting of every network has an effect: on its weights, its images or logits, or their gradients.

A row has another value than the base of its network; a field without a row, and a row without a field, fail
by name.
"""

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gan.config import override
from gan.errors import UserError
from gan.networks import ARCHITECTURES
from gan.networks.features import FEATURE_NETWORKS, FeatureNetwork
from gan.sampling import has_styles
from tests.gan.networks import toy_features

SIZES = ("channel_base=64", "channel_max=8", "mapping.layers=2")
BASES = {  # assignments that make a small network of each kind, with classes
    "stylegan2 generator": ["resolution=8", "z_dim=4", "w_dim=4", *SIZES],
    "stylegan2 discriminator": ["resolution=8", *SIZES],
    "stylegan3 generator": [
        "resolution=16",
        "z_dim=4",
        "w_dim=4",
        "layers=4",
        "critical=1",
        "margin=4",
        "magnitude_beta=0.9",
        *SIZES,
    ],
    "r3gan generator": ["resolution=8", "z_dim=8", "widths=[16, 8]"],
    "r3gan discriminator": ["resolution=8", "widths=[16, 8]"],
    "sngan generator": ["resolution=16", "z_dim=4", "width=4"],
    "sngan discriminator": ["resolution=16", "width=4"],
    "fastgan generator": ["resolution=16", "z_dim=4", "channel_base=64", "channel_max=8", "skip_factor=2"],
    "projected discriminator": ["resolution=16"],  # and what `seen_through` adds
}
CLASSES = 3
COMMON = {
    "resolution": "resolution=32",
    "base": "base=[4, 8]",
    "channels": "channels=1",
    "c_dim": "c_dim=2",
}
MAPPING = {
    "mapping.layers": "mapping.layers=3",
    "mapping.embed_features": "mapping.embed_features=5",
    "mapping.layer_features": "mapping.layer_features=5",
    "mapping.activation": "mapping.activation=relu",
    "mapping.lr_multiplier": "mapping.lr_multiplier=0.5",
    "mapping.w_avg_beta": "mapping.w_avg_beta=0.5",
}
STYLEGAN2 = (
    COMMON
    | MAPPING
    | {
        "channel_base": "channel_base=32",
        "channel_max": "channel_max=4",
        "activation": "activation=relu",
        "resample_filter": "resample_filter=[1, 2, 1]",
        "conv_clamp": "conv_clamp=0.01",
        "spectral_norm": "spectral_norm=true",
    }
)
GENERATOR = {"z_dim": "z_dim=6", "lora_rank": "lora_rank=2"}
STYLEGAN3 = {
    "layers": "layers=5",
    "critical": "critical=2",
    "first_cutoff": "first_cutoff=1.5",
    "first_stopband": "first_stopband=4",
    "last_stopband_rel": "last_stopband_rel=1.4",
    "margin": "margin=6",
    "output_scale": "output_scale=0.5",
    "conv_kernel": "conv_kernel=1",
    "filter_size": "filter_size=4",
    "lrelu_upsampling": "lrelu_upsampling=4",
    "radial_filters": "radial_filters=true",
    "magnitude_beta": "magnitude_beta=0.5",
    "w_dim": "w_dim=6",
}
R3GAN = COMMON | {
    "c_embed": "c_embed=5",
    "widths": "widths=[8, 8]",
    "cardinality": "cardinality=[1, 1]",
    "blocks": "blocks=1",
    "expansion": "expansion=1",
    "spectral_norm": "spectral_norm=true",
}
SNGAN = COMMON | {"width": "width=8"}
FASTGAN = {
    "channel_base": "channel_base=32",
    "channel_max": "channel_max=4",
    "skip_factor": "skip_factor=4",
    "use_noise": "use_noise=false",
    "spectral_norm": "spectral_norm=true",
}
PROJECTED = {
    "backbone": "backbone=other",
    "weights": "weights=OTHER",
    "weights_sha256": f"weights_sha256='{'0' * 64}'",
    "feature_channels": "feature_channels=[2, 3, 4, 4]",
    "feature_resolution": "feature_resolution=64",
    "mixed_channels": "mixed_channels=5",
    "cross_scale": "cross_scale=false",
    "head_channels": "head_channels=5",
    "spectral_norm": "spectral_norm=false",
    "mbstd_group": "mbstd_group=2",
}
ROWS = {
    "stylegan2 generator": STYLEGAN2
    | GENERATOR
    | {"w_dim": "w_dim=6", "architecture": "architecture=resnet", "use_noise": "use_noise=false"}
    | {"input": "input=linear", "output": "output=squeezed"},
    "stylegan2 discriminator": STYLEGAN2
    | {
        "architecture": "architecture=skip",
        "cmap_dim": "cmap_dim=5",
        "mbstd_group": "mbstd_group=2",
        "mbstd_channels": "mbstd_channels=2",
        "freeze_layers": "freeze_layers=2",
    },
    "stylegan3 generator": {k: v for k, v in STYLEGAN2.items() if k not in ("activation", "resample_filter")}
    | GENERATOR
    | STYLEGAN3,
    "r3gan generator": R3GAN | GENERATOR,
    "r3gan discriminator": R3GAN,
    "sngan generator": SNGAN | GENERATOR | {"spectral_norm": "spectral_norm=true"},
    "fastgan generator": COMMON | GENERATOR | FASTGAN,
    "projected discriminator": COMMON | PROJECTED,
    "sngan discriminator": SNGAN | {"plain_blocks": "plain_blocks=1", "spectral_norm": "spectral_norm=false"},
}
# The label network of a discriminator has no running mean, so none of its settings moves one.
WITHOUT_EFFECT = {("stylegan2 discriminator", "mapping.w_avg_beta")}
TABLE = [(network, key) for network, rows in ROWS.items() for key in rows]


def config_of(network: str) -> Any:
    """Default config of that family and role."""
    family, role = network.split()
    return getattr(ARCHITECTURES[family], role)()


def leaves(config: Any, prefix: str = "") -> Iterator[str]:
    """Dotted names of all fields but the type."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from leaves(value, f"{prefix}{field.name}.")
        elif field.name != "type":
            yield prefix + field.name


def test_every_field_has_a_row_and_every_row_a_field():
    networks = [
        f"{name} {role}"
        for name, family in ARCHITECTURES.items()
        for role in ("generator", "discriminator")
        if (config := getattr(family, role)) and config.__module__.startswith("gan.")
    ]
    found = {(network, key) for network in networks for key in leaves(config_of(network))}
    assert sorted(found - set(TABLE)) == [], "fields without a row"
    assert sorted(set(TABLE) - found) == [], "rows without a field"


def fingerprint(network: str, *more: str) -> list[Any]:
    """What a network is and does: weights and buffers by shape, result, gradients, buffers after a pass."""
    config = override(config_of(network), [*BASES[network], f"c_dim={CLASSES}", *more])
    torch.manual_seed(0)
    try:
        module = config.build().train()
    except (UserError, ValueError) as error:
        return [str(error)]  # refused: the setting was looked at
    generator = torch.Generator().manual_seed(1)
    c = torch.eye(config.c_dim)[[0, 1, 1, 0]]
    if network.endswith("discriminator"):
        result = module(torch.randn(4, *module.image_shape, generator=generator), c)
    else:
        result = images(module, torch.randn(4, config.z_dim, generator=generator), c)
    (result * torch.randn(result.shape, generator=generator)).sum().backward()
    gradients = {name: p.grad.norm().item() for name, p in module.named_parameters() if p.grad is not None}
    tensors = {name: tensor.double().sum().item() for name, tensor in module.named_buffers()}
    shapes = {name: list(tensor.shape) for name, tensor in module.state_dict().items()}
    return [shapes, result.detach().flatten().tolist(), gradients, tensors]


def images(module: nn.Module, z: Tensor, c: Tensor) -> Tensor:
    """Of a pass as in training, which moves the running means."""
    if not has_styles(module):
        return module(z, c)
    ws = module.mapping(z, c)
    module.mapping.update_w_avg(ws[:, 0])
    return module.synthesis(ws, update_emas=True)


@pytest.fixture(autouse=True, scope="module")
def seen_through(tmp_path_factory):
    """A feature network for the projected discriminator, another one, and another file of weights."""
    folder = tmp_path_factory.mktemp("features")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BASES, "projected discriminator", [*BASES["projected discriminator"]])
        BASES["projected discriminator"] += toy_features.add(patch.setitem, FEATURE_NETWORKS, folder)
        patch.setitem(FEATURE_NETWORKS, "other", FeatureNetwork(build=Halved, licence="CC0"))
        other = toy_features.write(folder / "other.safetensors", seed=1)
        patch.setitem(ROWS["projected discriminator"], "weights", f"weights={other}")
        yield


class Halved(toy_features.Toy):
    """Another network of the same file."""

    def forward(self, x: Tensor) -> list[Tensor]:
        return super().forward(x / 2)


@functools.cache
def base(network: str) -> list[Any]:
    """Fingerprint without a row."""
    return fingerprint(network)


@pytest.mark.parametrize(("network", "key"), TABLE, ids=[f"{n}-{k}".replace(" ", "-") for n, k in TABLE])
def test_a_setting_has_an_effect(network, key):
    changed = fingerprint(network, ROWS[network][key]) != base(network)
    assert changed == ((network, key) not in WITHOUT_EFFECT)


@pytest.mark.parametrize("network", BASES)
def test_the_fingerprint_is_the_same_twice(network):
    assert fingerprint(network) == base(network)

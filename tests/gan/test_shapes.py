"""Rectangles and any number of channels: sizes that can be made, and every architecture at base (3, 4)."""

import dataclasses
import itertools

import pytest
import torch

from gan import sampling, shapes
from gan.config import from_dict, to_dict
from gan.errors import UsageError
from gan.networks import ARCHITECTURES, fastgan, r3gan, sngan, stylegan3
from gan.networks.mapping import MappingConfig
from gan.networks.stylegan2 import DiscriminatorConfig, GeneratorConfig
from training.config import LossConfig, RunConfig
from training.recipes import fit
from training.state import create
from training.step import train_step

FITTED = [  # height, width, base, resolution
    (256, 256, (4, 4), 256),
    (8, 8, (4, 4), 8),
    (256, 448, (4, 7), 256),
    (96, 128, (3, 4), 128),
    (128, 96, (4, 3), 128),
    (80, 80, (5, 5), 64),
    (24, 32, (3, 4), 32),
    (32, 256, (4, 32), 32),
    (48, 40, (6, 5), 32),
    (1024, 768, (4, 3), 1024),
]


@pytest.mark.parametrize(("height", "width", "base", "resolution"), FITTED)
def test_base_and_resolution_of_a_size(height, width, base, resolution):
    assert shapes.fitted(height, width) == (base, resolution)
    assert shapes.size_at(base, resolution) == (height, width)


@pytest.mark.parametrize(
    ("height", "width", "message"),
    [
        (100, 100, "100x100 .*: crop them to 96x96 or pad them to 112x112"),
        (96, 100, "crop them to 96x96 or pad them to 96x112"),
        (33, 64, "crop them to 32x64 or pad them to 40x64"),
        (5, 9, r"is 3 to 7: pad them to 6x10"),
        (27, 27, "crop them to 24x24 or pad them to 28x28"),
    ],
)
def test_other_sizes_name_the_nearest(height, width, message):
    with pytest.raises(UsageError, match=message) as caught:
        fit(RunConfig(), shape=(3, height, width), c_dim=0)
    assert "\n" not in str(caught.value)


def test_nearest_sizes_are_nearest_and_can_be_made():
    """Against the list of all sizes that `fitted` accepts."""
    sides = range(1, 81)
    good = [size for size in itertools.product(sides, sides) if _can_be_made(*size)]
    for height, width in [(5, 5), (9, 50), (23, 23), (33, 57), (41, 41), (58, 31), (15, 70)]:
        smaller, larger = shapes.nearest(height, width)
        within = [h * w for h, w in good if h <= height and w <= width]
        around = [h * w for h, w in good if h >= height and w >= width]
        assert (smaller[0] * smaller[1] if smaller else None) == max(within, default=None)
        assert larger[0] * larger[1] == min(around)


def _can_be_made(height, width):
    try:
        return bool(shapes.fitted(height, width))
    except UsageError:
        return False


SMALL = {"channel_base": 128, "channel_max": 8}
CONFIGS = {  # small ones of every architecture
    "stylegan2": (
        GeneratorConfig(z_dim=8, w_dim=8, mapping=MappingConfig(layers=1), **SMALL),
        DiscriminatorConfig(**SMALL),
    ),
    "stylegan3": (
        stylegan3.GeneratorConfig(
            z_dim=8,
            w_dim=8,
            layers=5,
            critical=1,
            margin=4,
            magnitude_beta=0.9,
            mapping=MappingConfig(layers=1),
            **SMALL,
        ),
        DiscriminatorConfig(**SMALL),
    ),
    "r3gan": (
        r3gan.GeneratorConfig(z_dim=8, widths=(8, 8, 16, 8), blocks=1),
        r3gan.DiscriminatorConfig(widths=(8, 8, 16, 8), blocks=1),
    ),
    "sngan": (sngan.GeneratorConfig(z_dim=8, width=8), sngan.DiscriminatorConfig(width=8)),
    "fastgan": (fastgan.GeneratorConfig(z_dim=8, skip_factor=2, **SMALL), DiscriminatorConfig(**SMALL)),
}


def run_config(name: str, channels: int) -> RunConfig:
    """A run of `name` on images of 24 x 32."""
    shape = {"resolution": 32, "base": (3, 4), "channels": channels}
    generator, discriminator = (dataclasses.replace(config, **shape) for config in CONFIGS[name])
    loss = LossConfig(r1_gamma=1.0)
    return RunConfig(batch=4, generator=generator, discriminator=discriminator, loss=loss)


def test_every_architecture_is_here():
    """Of generators; that of a discriminator alone has tests of its own."""
    assert CONFIGS.keys() >= {name for name, family in ARCHITECTURES.items() if family.generator}


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("name", CONFIGS)
def test_rectangles_train_and_render(name, channels):
    """One step moves both networks; images have the shape that the networks declare."""
    config = run_config(name, channels)
    state = create(config, torch.device("cpu"))
    before = {k: v.clone() for k, v in state.generator.state_dict().items()}
    terms = train_step(state, torch.rand(4, channels, 24, 32) * 2 - 1, None)
    assert all(torch.isfinite(value) for value in terms.values())
    assert any(not torch.equal(v, before[k]) for k, v in state.generator.state_dict().items())
    assert state.generator.image_shape == state.discriminator.image_shape == (channels, 24, 32)
    images = torch.cat(list(sampling.images(state.generator.eval(), range(3))))
    assert images.shape == (3, channels, 24, 32) and images.float().std() > 1


@pytest.mark.parametrize("name", CONFIGS)
def test_base_changes_no_name(name):
    """Layers are named by level, so weights of a square model that do not depend on the size fit by name."""
    tall = run_config(name, 3)
    for config in (tall.generator, tall.discriminator):
        square = dataclasses.replace(config, base=(4, 4))
        assert from_dict(type(config), to_dict(config)) == config
        assert config.build().state_dict().keys() == square.build().state_dict().keys()


@pytest.mark.parametrize("name", CONFIGS)
def test_a_base_without_rows_is_refused(name):
    for config in CONFIGS[name]:
        with pytest.raises(ValueError, match=r"base must be two numbers >= 1.*\[0, 4\]"):
            dataclasses.replace(config, base=(0, 4))


@pytest.mark.parametrize("name", ["stylegan2", "stylegan3"])
def test_every_layer_has_a_channel(name):
    """A small channel_base, meant for small images, on large ones."""
    for config in CONFIGS[name]:
        network = dataclasses.replace(config, channel_base=16, resolution=64).build()
        assert all(p.numel() for p in network.parameters())


PLAIN = {
    "r3gan": (r3gan, {"resolution": 16, "widths": [16, 16, 8], "blocks": 1}),
    "sngan": (sngan, {"resolution": 16, "width": 8}),
}


@pytest.mark.parametrize("base", [(4, 4), (3, 5)])
@pytest.mark.parametrize("c_dim", [0, 3])
@pytest.mark.parametrize("name", PLAIN)
def test_networks_without_styles_follow_base_channels_and_classes(name, c_dim, base):
    module, small = PLAIN[name]
    fields = {**small, "base": list(base), "c_dim": c_dim, "channels": 2}
    G = from_dict(module.GeneratorConfig, {**fields, "z_dim": 5}).build()
    D = from_dict(module.DiscriminatorConfig, fields).build()
    c = torch.eye(3)[:2] if c_dim else None
    img = G(torch.randn(2, 5), c)
    assert img.shape == (2, 2, 4 * base[0], 4 * base[1]) == (2, *G.image_shape)
    assert D(img, c).shape == (2, 1)


def test_gamma_follows_the_number_of_pixels():
    config = fit(RunConfig(batch=16), shape=(3, 96, 128), c_dim=0)
    assert config.loss.r1_gamma == pytest.approx(0.0002 * 96 * 128 / 16)
    assert config.generator.base == config.discriminator.base == (3, 4)
    assert config.generator.resolution == config.discriminator.resolution == 128
    square = fit(config, shape=(3, 64, 64), c_dim=0)
    assert square.generator.base == square.discriminator.base == (4, 4)


def test_a_network_without_a_base_makes_squares_only():
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Plain:
        type: str = "plain"
        resolution: int = 32
        channels: int = 3
        c_dim: int = 0

    config = dataclasses.replace(RunConfig(), generator=Plain())
    with pytest.raises(UsageError, match="generator plain makes squares of side 2\\^n only, not 24x32"):
        fit(config, shape=(1, 24, 32), c_dim=0)


@pytest.mark.parametrize("base", [(3, 4), (4, 3), (5, 6)])
def test_stylegan3_of_another_base_continues_the_same_picture(base):
    """Rates stay, so that away from the border it is the square model's picture, cut or widened centrally."""
    square = dataclasses.replace(CONFIGS["stylegan3"][0], resolution=64, margin=16, layers=4)
    network = square.build().double().eval()
    other = dataclasses.replace(square, base=base).build().double().eval()
    other.load_state_dict(network.state_dict())
    ws = network.mapping(torch.randn(2, 8, dtype=torch.float64))
    a, b = network.synthesis(ws), other.synthesis(ws)
    assert b.shape == (2, *other.image_shape) == (2, 3, base[0] * 16, base[1] * 16)
    height, width = (min(16 * side, 64) - 16 for side in base)  # 8 pixels off each border
    a, b = (x[:, :, (x.shape[2] - height) // 2 :, (x.shape[3] - width) // 2 :] for x in (a, b))
    a, b = (x[:, :, :height, :width] for x in (a, b))
    torch.testing.assert_close(a, b, rtol=0, atol=1e-9 * a.std().item())


def test_stylegan3_without_whole_pixels_is_refused():
    with pytest.raises(ValueError, match=r"layer of 2 pixels a side, of which base \[3, 4\] takes no whole"):
        stylegan3.GeneratorConfig(base=(3, 4), first_cutoff=0.5, first_stopband=0.8)
    stylegan3.GeneratorConfig(first_cutoff=0.5, first_stopband=0.8)

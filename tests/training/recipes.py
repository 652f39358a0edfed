"""Literal values of each preset's publication, for images of the published size; see also recipes_few.py.

Sources, by letter, stand beside the values:

    SN    Miyato et al. 2018, SNGAN: table 4 (networks), hinge loss; the rest: Mimicry, Lee and Town 2020
    2020  Karras et al. 2020, StyleGAN2: section 5, appendix B, configuration F
    ADA   Karras et al. 2020b, StyleGAN2-ADA: section 3, appendix C, configurations `auto` and `stylegan2`
    SG3   Karras et al. 2021, Alias-Free GANs: section 3.2, configurations `stylegan3-t` and `stylegan3-r`
    R3    Huang et al. 2024, R3GAN: section 4, and its published training settings
    own   this project's choice, pinned only so that a change of it is meant

Counts of parameters of 2020, ADA and SG3 are those of the published layouts; of R3 and SN, by hand.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from training.augment.config import BLIT, COLOUR, GEOM
from training.schedules import Schedule

BGC = dict.fromkeys((*BLIT, *GEOM, *COLOUR), 1.0)  # ADA: the categories b, g and c of figure 4
HALF_COLOUR = BGC | dict.fromkeys(COLOUR, 0.5) | {"cutout": 1.0}  # R3: the factor of cutout is own


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Literal values of a preset.

    side, classes: of the data.  parameters: of G and D.  G, D: shapes of weights by name.  settings: at the
    published batch, by dotted name.  batch, changed: another batch, and the settings that are others there.
    augment: factor of p of each transform.
    """

    side: int
    classes: int = 0
    parameters: tuple[int, int]
    G: Mapping[str, tuple[int, ...]]
    D: Mapping[str, tuple[int, ...]]
    settings: Mapping[str, Any]
    batch: int
    changed: Mapping[str, Any] = field(default_factory=dict)
    augment: Mapping[str, float] = field(default_factory=dict)


def cosine(start: float, end: float) -> Schedule:
    """R3: half a cosine over 20,000 kimg."""
    return Schedule(start=start, end=end, kimg=20_000)


def r3gan_block(width: int) -> int:
    """Parameters of a residual block: 1x1 to 2w, 3x3 in groups of 16 channels, 1x1 back, two biases."""
    return 2 * width**2 + 2 * width * 16 * 9 + 2 * width**2 + 2 * 2 * width


def r3gan(
    side: int,
    *,
    further: tuple[int, ...] = (),
    classes: int = 0,
    batch: int,
    p: float,
    gamma: float,
    ema: float,
) -> Recipe:
    """R3: four levels of 768 channels, then `further` ones; two blocks a level."""
    widths = (768,) * 4 + further
    transitions = sum(a * b for a, b in itertools.pairwise(widths) if a != b)
    trunk = 2 * sum(map(r3gan_block, widths)) + transitions + 768 * 4 * 4 + 3 * widths[-1]
    embed_g, embed_d = (64, 768) if classes else (0, 1)  # R3: as wide as z; as the level 4
    labels_g, labels_d = ({"embed.weight": (w, classes)} if classes else {} for w in (embed_g, embed_d))
    group = {"blocks.0.conv1.weight": (1536, 768, 1, 1), "blocks.1.conv2.weight": (1536, 16, 3, 3)}
    last = len(widths) - 1
    rates = {"lr": cosine(2e-4, 5e-5), "beta1": 0.0, "beta2": cosine(0.9, 0.99)}
    return Recipe(
        side=side,
        classes=classes,
        parameters=(
            trunk + 768 * (64 + embed_g) + embed_g * classes,
            trunk + 768 * embed_d + (embed_d * classes if classes else 0),
        ),
        G={"basis": (768, 4, 4), "linear.weight": (768, 64 + embed_g), "to_rgb.weight": (3, widths[-1], 1, 1)}
        | {f"stages.0.{name}": shape for name, shape in group.items()}
        | labels_g,
        D={"linear.weight": (embed_d, 768), "basis.weight": (768, 1, 4, 4)}
        | {f"stages.{last}.{name}": shape for name, shape in group.items()}
        | labels_d,
        settings={
            "batch": batch,
            "generator.z_dim": 64,
            "loss.name": "relativistic",
            "loss.r1_gamma": cosine(gamma, gamma / 10),
            "loss.r1_interval": None,
            "loss.r2": True,
            **{f"optimizer_{role}.{name}": value for role in "gd" for name, value in rates.items()},
            "ema.kimg": cosine(0, ema),
            "ema.rampup": None,
            "augment.p": cosine(0, p),
        },
        batch=64,  # R3: no rule of the batch
        augment=HALF_COLOUR,
    )


STYLEGAN2 = {  # 2020, appendix B
    "batch": 32,
    "generator.z_dim": 512,
    "generator.w_dim": 512,
    "generator.mapping.lr_multiplier": 0.01,
    "discriminator.mbstd_group": 4,
    "loss.name": "logistic",
    "loss.r1_interval": 16,
    "optimizer_g.beta1": 0.0,
    "optimizer_g.beta2": 0.99,
    "optimizer_d.beta1": 0.0,
    "optimizer_d.beta2": 0.99,
}
PATH_LENGTH = {  # ADA, `auto` and `stylegan2`: weight 2 every 4 steps; 2020: mixing of two styles in 90 %
    "loss.path_length_weight": 2.0,
    "loss.path_length_interval": 4,
    "loss.path_length_decay": 0.01,
    "loss.path_length_shrink": 2,
    "loss.style_mixing": 0.9,
}
AUTO = {  # ADA, `auto` at 256x256
    "generator.mapping.layers": 2,
    "optimizer_g.lr": 0.0025,
    "optimizer_d.lr": 0.0025,
    "loss.r1_gamma": 0.4096,  # 0.0002 * 256^2 / 32
    "ema.kimg": 10.0,  # batch * 10 / 32
    "ema.rampup": 0.05,
}
AUTO_AT_64 = {"loss.r1_gamma": 0.2048, "ema.kimg": 20.0}
AUTO_LAYERS = {  # ADA, `auto` at 256x256, channel_base 16384
    "parameters": (23_191_522, 24_001_089),
    "G": {"synthesis.b256.conv1.weight": (64, 64, 3, 3), "mapping.fc1.weight": (512, 512)},
    "D": {"b256.conv0.weight": (64, 64, 3, 3), "b4.conv.weight": (512, 513, 3, 3), "b4.out.weight": (1, 512)},
}
D1024 = {
    "b1024.conv0.weight": (32, 32, 3, 3),
    "b4.conv.weight": (512, 513, 3, 3),
    "b4.fc.weight": (512, 8192),
}
STYLEGAN3 = STYLEGAN2 | {  # SG3, `stylegan3-t` and `stylegan3-r` at 1024x1024
    "generator.mapping.layers": 2,
    "generator.layers": 14,
    "generator.critical": 2,
    "generator.margin": 10,
    "generator.conv_clamp": 256.0,
    "generator.magnitude_beta": 0.9988915792636801,  # 0.5 ^ (32 / 20,000)
    "loss.r1_gamma": 6.5536,  # the rule of ADA: 0.0002 * 1024^2 / 32; SG3 tunes it for each set
    "loss.path_length_weight": 0.0,
    "loss.style_mixing": 0.0,
    "optimizer_g.lr": 0.0025,
    "optimizer_d.lr": 0.002,
    "ema.kimg": 10.0,  # batch * 10 / 32
    "ema.rampup": 0.05,
}
STYLEGAN3_AT_64 = {
    "generator.magnitude_beta": 0.9977843871,  # 0.5 ^ (64 / 20,000)
    "loss.r1_gamma": 3.2768,
    "ema.kimg": 20.0,
}
WIDE, NARROW = (w * w * 9 + w for w in (256, 128))  # a 3x3 convolution of SN
RECIPES = {
    "stylegan2-tiny": Recipe(  # own, all of it
        side=32,
        parameters=(246_076, 218_449),
        G={"synthesis.b32.conv1.weight": (16, 16, 3, 3), "mapping.fc1.weight": (128, 128)},
        D={"b32.conv0.weight": (16, 16, 3, 3), "b4.conv.weight": (64, 65, 3, 3)},
        settings={"batch": 4, "loss.r1_gamma": 30.0, "loss.r1_interval": 4, "ema.kimg": 10.0},
        batch=8,
    ),
    "stylegan2-small": Recipe(  # own: `auto` of ADA without path length, style mixing and augmentation
        side=256,
        **AUTO_LAYERS,
        settings=STYLEGAN2 | AUTO | {"loss.path_length_weight": 0.0, "loss.style_mixing": 0.0},
        batch=64,
        changed=AUTO_AT_64,
    ),
    "stylegan2": Recipe(  # 2020, and `stylegan2` of ADA: constants, not rules of the batch
        side=1024,
        parameters=(30_370_060, 29_012_513),
        G={"synthesis.b1024.conv1.weight": (32, 32, 3, 3), "mapping.fc7.weight": (512, 512)},
        D=D1024,
        settings=STYLEGAN2
        | PATH_LENGTH
        | {
            "generator.mapping.layers": 8,
            "generator.architecture": "skip",
            "discriminator.architecture": "resnet",
            "loss.r1_gamma": 10.0,
            "optimizer_g.lr": 0.002,
            "optimizer_d.lr": 0.002,
            "ema.kimg": 10.0,
            "ema.rampup": None,
            "kimg": 25_000.0,
        },
        batch=64,
    ),
    "stylegan2-ada-auto": Recipe(
        side=256,
        **AUTO_LAYERS,
        settings=STYLEGAN2
        | PATH_LENGTH
        | AUTO
        | {  # ADA, section 3 and `auto`; augment.max is own
            "kimg": 25_000.0,
            "augment.p": "adaptive",
            "augment.target": 0.6,
            "augment.interval": 4,
            "augment.kimg": 500.0,
            "augment.max": 0.8,
        },
        batch=8,
        changed={"loss.r1_gamma": 1.6384, "ema.kimg": 2.5},  # ADA: 2.5 is `auto` at 1024x1024
        augment=BGC,
    ),
    "stylegan3-t": Recipe(
        side=1024,
        parameters=(22_313_167, 29_012_513),
        G={
            "synthesis.L0_36_512.weight": (512, 512, 3, 3),
            "synthesis.L9_532_128.weight": (128, 203, 3, 3),
            "synthesis.L11_1044_51.down_filter": (12,),
            "synthesis.L14_1024_3.weight": (3, 32, 1, 1),
        },
        D=D1024,
        settings=STYLEGAN3 | {"loss.blur_sigma": 0.0},
        batch=64,
        changed=STYLEGAN3_AT_64,
    ),
    "stylegan3-r": Recipe(
        side=1024,
        parameters=(15_093_151, 29_012_513),
        G={
            "synthesis.L0_36_1024.weight": (1024, 1024, 1, 1),
            "synthesis.L9_532_256.weight": (256, 406, 1, 1),
            "synthesis.L11_1044_102.down_filter": (12, 12),  # radial
            "synthesis.L12_1044_64.down_filter": (12,),  # critically sampled: separable
            "synthesis.L14_1024_3.weight": (3, 64, 1, 1),
        },
        D=D1024,
        settings=STYLEGAN3
        | {"loss.blur_sigma": 10.0, "loss.blur_fade_kimg": 200.0},  # SG3, 3.2: 10 pixels, 200k images
        batch=64,
        changed=STYLEGAN3_AT_64 | {"loss.blur_fade_kimg": 400.0},
    ),
    "r3gan-cifar10": r3gan(32, classes=10, batch=512, p=0.55, gamma=0.05, ema=5000),
    "r3gan-64": r3gan(64, further=(384,), batch=256, p=0.3, gamma=2, ema=500),
    "r3gan-256": r3gan(256, further=(384, 192, 96), batch=256, p=0.3, gamma=150, ema=500),
    "sngan-32": Recipe(  # SN, table 4 for 32x32: G 256 wide, D 128 wide
        side=32,
        classes=10,
        parameters=(
            129 * 4096 + 3 * (2 * WIDE + 257 * 256) + 6 * 10 * 2 * 256 + 2 * 256 + (256 * 9 + 1) * 3,
            (3 * 9 + 1) * 128 + 7 * NARROW + (3 + 1) * 128 + 129 * 128 + 129 + 10 * 128,
        ),
        G={"linear.weight": (4096, 128), "to_rgb.weight": (3, 256, 3, 3)},
        D={"linear.weight": (1, 128), "embed.weight": (128, 10)},
        settings={
            "batch": 64,  # SN: of D; own: of G too
            "generator.z_dim": 128,
            "loss.name": "hinge",
            "loss.d_steps": 5,
            "loss.r1_gamma": 0.0,
            "optimizer_g.lr": Schedule(start=2e-4, end=0, kimg=32_000, shape="linear"),
            "optimizer_d.lr": Schedule(start=2e-4, end=0, kimg=32_000, shape="linear"),
            "optimizer_g.beta1": 0.0,
            "optimizer_d.beta2": 0.9,
            "ema.kimg": 10.0,  # own
        },
        batch=128,
    ),
}

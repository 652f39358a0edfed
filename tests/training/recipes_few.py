"""Literal values of the presets for few images and short runs, as recipes.py has the others.

FG    Liu et al. 2021, FastGAN: section 3.1 (layers), and its training settings
PG    Sauer et al. 2021, Projected GANs: section 3 (mixing, heads), section 4 (recipe)
own   this project's choice, pinned only so that a change of it is meant
"""

import itertools

from tests.training.recipes import Recipe

FAST_WIDTHS = (512, 512, 512, 512, 256, 128, 64)  # own: of the levels 4 to 256
FASTGAN = {
    "parameters": sum(2 * b * a * 9 + 4 * b + 1 for a, b in itertools.pairwise(FAST_WIDTHS))
    + 256 * 1024 * 16  # z to 4x4
    + 2 * 1024
    + sum(16 * a * b + b * b for a, b in ((512, 128), (512, 64)))  # FG: 8 gates 128, 16 gates 256
    + 64 * 3 * 9,
    "G": {
        "linear.weight": (16384, 256),
        "blocks.b8.conv.weight": (1024, 512, 3, 3),
        "excitations.b128.squeeze.weight": (128, 512, 4, 4),
        "excitations.b256.gate.weight": (64, 64, 1, 1),
        "to_rgb.weight": (3, 64, 3, 3),
    },
}
DOWN, SAME = 64 * 64 * 16 + 64, 64 * 64 * 9 + 64  # convolutions of the heads
PROJECTED = {
    "parameters": (FASTGAN["parameters"], (4 + 3 + 2 + 1) * DOWN + 4 * (SAME + 65)),
    "G": FASTGAN["G"],
    "D": {
        "projection.across0": (64, 24, 1, 1),  # the four maps of EfficientNet-Lite1
        "projection.across3": (64, 320, 1, 1),
        "projection.between3": (64, 64, 3, 3),  # PG: 3x3 between scales
        "heads.0.layers.0.weight": (64, 64, 4, 4),
        "heads.3.out.weight": (1, 64, 1, 1),
    },
}
WITHOUT_STYLES = {  # PG and FG; EMA: own
    "generator.z_dim": 256,
    "optimizer_g.lr": 2e-4,
    "optimizer_d.lr": 2e-4,
    "ema.kimg": 10.0,
    "health.on_collapse": "rollback",
}
THROUGH = {
    "discriminator.backbone": "efficientnet-lite1",
    "discriminator.weights_sha256": "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    "discriminator.feature_channels": (24, 40, 112, 320),
    "discriminator.cross_scale": True,
    "discriminator.spectral_norm": True,
    "optimizer_g.beta1": 0.0,
    "optimizer_d.beta2": 0.99,
}
DIFF = dict.fromkeys(("color", "translation", "cutout"), 1.0)
FEW = {
    "projected-256": Recipe(
        side=256,
        **PROJECTED,
        settings=WITHOUT_STYLES | THROUGH | {"batch": 64, "loss.name": "hinge", "loss.r1_gamma": 0.0},
        batch=16,
        augment=DIFF,
    ),
    "few-shot-256": Recipe(  # own, from PG's small data sets
        side=256,
        **PROJECTED,
        settings=WITHOUT_STYLES
        | THROUGH
        | {
            "batch": 16,
            "loss.name": "logistic",
            "loss.r1_on": "features",
            "loss.r1_gamma": 100.0,
            "loss.r1_interval": None,
        },
        batch=32,
        augment=dict.fromkeys(("translation", "cutout"), 1.0),
    ),
    "demo": Recipe(  # own; networks after PG
        side=32,
        parameters=(
            246_076 - 64 * 16 + 129 * 64 * 16,  # that of stylegan2-tiny with a map of w for a constant one
            (2 + 1) * DOWN + 4 * (SAME + 64 * 9 + 65),  # the spread of a group is one channel more
        ),
        G={"synthesis.b32.conv1.weight": (16, 16, 3, 3), "synthesis.b4.input.weight": (1024, 128)},
        D=PROJECTED["D"],
        settings=THROUGH
        | {
            "batch": 16,
            "discriminator.spectral_norm": False,
            "discriminator.mbstd_group": 4,
            "discriminator.feature_resolution": 48,
            "loss.name": "logistic",
            "loss.r1_on": "features",
            "loss.r1_gamma": 100.0,
            "loss.r1_interval": None,
            "optimizer_g.lr": 0.004,
            "optimizer_d.lr": 0.001,
            "ema.kimg": 10.0,
        },
        batch=8,
        augment=dict.fromkeys(("shift", "cutout"), 1.0),
    ),
    "fastgan-256": Recipe(  # FG; D is own
        side=256,
        parameters=(FASTGAN["parameters"], 6_002_977),
        G=FASTGAN["G"],
        D={"b256.conv0.weight": (32, 32, 3, 3), "b4.conv.weight": (256, 257, 3, 3)},
        settings=WITHOUT_STYLES
        | {
            "batch": 8,
            "loss.name": "hinge",
            "loss.r1_gamma": 1.6384,  # 0.0002 * 256^2 / 8
            "optimizer_g.beta1": 0.5,
            "optimizer_d.beta2": 0.999,
        },
        batch=16,
        changed={"loss.r1_gamma": 0.8192},
        augment=DIFF,
    ),
}

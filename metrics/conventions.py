"""Conventions: what lies between images and a number, as data. Numbers of two conventions never mix.

The names follow the tools whose numbers a row reproduces:

    nv         StyleGAN2-ADA, StyleGAN3 and what descends from them (the `_full` scores: all reals, no flips)
    pf         pytorch-fid
    clean      clean-fid
    tfid       torch-fidelity
    ttur       the TensorFlow 1 code of the paper that defined FID (Heusel et al. 2017)
    stu        StudioGAN with its default ("legacy") resize
    fd-dinov2  dgm-eval's Frechet distance of DINOv2 features (Stein et al. 2023)
    clip-fid   clean-fid's distance of CLIP features (Kynkaanniemi et al. 2023)

Every convention starts from 8-bit images; generated ones are rounded by `gan.images.to_uint8`. The trace term
of the Frechet distance is computed in one way for all: the tools' ways agree to 1e-12 where they are defined.
"""

from dataclasses import dataclass
from typing import Literal

from gan.registry import table


@dataclass(frozen=True, kw_only=True)
class Convention:
    """One row of CONVENTIONS.

    name: its key.
    detector: the network whose features are compared: "inception", "dinov2" or "clip".
    size: height and width in pixels that the network is given.
    resize: how images get that size, a name in `metrics.resize.RESIZERS`.
    scale: how 0..255 becomes the network's range, a name in `metrics.resize.SCALES`.
    ddof: covariances are divided by N - ddof: 0 is the population's, 1 the unbiased one.
    float32_mean: the sets of images whose mean feature is summed in float32 as the tool does (about 1e-6).
    num_fake: generated images, None for as many as there are real ones.
    logits: head of the detector that the Inception Score reads, None where the detector has no classes.
    splits: parts of the generated images over which the Inception Score is averaged.
    shuffle: seed of numpy.random.RandomState that shuffles the images before they are split, None for none.
    neighbours: k of the k-th nearest neighbour in precision, recall, density and coverage.
    """

    name: str
    detector: str = "inception"
    size: int = 299
    resize: str
    scale: str
    ddof: int = 1
    float32_mean: tuple[Literal["real", "fake"], ...] = ()
    num_fake: int | None = 50_000
    logits: str | None = "logits_unbiased"
    splits: int = 10
    shuffle: int | None = None
    neighbours: int = 3


_BOTH = ("real", "fake")

CONVENTIONS = table(
    "convention",
    {
        row.name: row
        for row in (
            Convention(name="nv", resize="tf1-bilinear", scale="tf", ddof=0),
            Convention(name="pf", resize="bilinear", scale="unit"),
            Convention(name="clean", resize="pil-bicubic-float", scale="tf", float32_mean=_BOTH),
            Convention(name="tfid", resize="tf1-bilinear", scale="tf", float32_mean=_BOTH, shuffle=2020),
            Convention(name="ttur", resize="tf1-bilinear", scale="tf"),
            Convention(
                name="stu",
                resize="bilinear",
                scale="unit",
                float32_mean=("fake",),
                num_fake=None,
                logits="logits",
                splits=1,
                neighbours=5,
            ),
            Convention(
                name="fd-dinov2",
                detector="dinov2",
                size=224,
                resize="pil-bicubic",
                scale="imagenet",
                float32_mean=_BOTH,
                logits=None,
                neighbours=5,
            ),
            Convention(
                name="clip-fid",
                detector="clip",
                size=224,
                resize="pil-bicubic-crop",
                scale="clip",
                float32_mean=_BOTH,
                logits=None,
            ),
        )
    },
)

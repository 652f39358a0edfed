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

A row lists the scores that its tool computes, and how closely they are reproduced. Every convention starts
from 8-bit images; generated ones are rounded by `gan.images.to_uint8`. The trace term of the Frechet distance
is computed in one way for all: the tools' ways agree to 1e-12 where they are defined.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gan.registry import table

Closeness = Literal["exact", "draws", "ours"]


@dataclass(frozen=True, kw_only=True)
class Convention:
    """One row of CONVENTIONS, or what a detector's scores are computed by where no tool has them.

    name: its key.
    detector: the network whose features are compared: "inception", "dinov2" or "clip".
    size: height and width in pixels that the network is given.
    resize: how images get that size, a name in `metrics.resize.RESIZERS`.
    scale: how 0..255 becomes the network's range, a name in `metrics.resize.SCALES`.
    scores: metric -> how closely its number is the tool's, given the same images and weights: "exact" but for
    rounding; "draws" but for subsets that the tool draws without a seed; "ours" is defined as the tool's, and
    computed otherwise: its records say so. A metric that the tool lacks is not here.
    manifold: the detector of precision, recall, density and coverage, a name in DETECTORS; "": the row's own.
    features, logits: heads of the detector: the features that are compared, and what the Inception Score
    reads, None where the detector has no classes.
    ddof: covariances are divided by N - ddof: 0 is the population's, 1 the unbiased one.
    float32_mean: the sets of images whose mean feature is summed in float32 as the tool does (about 1e-6).
    num_fake: generated images, None for as many as there are real ones.
    splits: parts of the generated images over which the Inception Score is averaged.
    shuffle: seed of numpy.random.RandomState that shuffles the images before they are split, None for none.
    neighbours: k of the k-th nearest neighbour in precision and recall.
    strict: whether a ball of precision and recall is without its surface, as that of `dc` always is.
    subsets_seed: of the subsets of the kernel distance, None for the seed of the request.
    subsets_least: images that the kernel distance needs of a set.
    subsets_std: whether its error is the deviation of the subsets, not that over the root of their number.
    most_reals: metric -> real images that the tool takes at most, a random part of them if there are more.
    sample_seed: of numpy.random.RandomState, by which a part of a set is taken.
    """

    name: str
    detector: str = "inception"
    size: int = 299
    resize: str
    scale: str
    scores: Mapping[str, Closeness] = field(default_factory=dict)
    manifold: str = ""
    features: str = "pool"
    logits: str | None = "logits_unbiased"
    ddof: int = 1
    float32_mean: tuple[Literal["real", "fake"], ...] = ()
    num_fake: int | None = 50_000
    splits: int = 10
    shuffle: int | None = None
    neighbours: int = 3
    strict: bool = False
    subsets_seed: int | None = None
    subsets_least: int = 2
    subsets_std: bool = False
    most_reals: Mapping[str, int] = field(default_factory=dict)
    sample_seed: int = 0


_BOTH = ("real", "fake")

CONVENTIONS = table(
    "convention",
    {
        row.name: row
        for row in (
            Convention(
                name="nv",
                resize="tf1-bilinear",
                scale="tf",
                scores={"fid": "exact", "kid": "draws", "is": "exact", "pr": "ours"},
                manifold="vgg16-nv",
                ddof=0,
                most_reals={"kid": 1_000_000, "pr": 200_000},
            ),
            Convention(name="pf", resize="bilinear", scale="unit", scores={"fid": "exact"}),
            Convention(
                name="clean",
                resize="pil-bicubic-float",
                scale="tf",
                scores={"fid": "exact", "kid": "draws"},
                float32_mean=_BOTH,
            ),
            Convention(
                name="tfid",
                resize="tf1-bilinear",
                scale="tf",
                scores={"fid": "exact", "kid": "exact", "is": "exact", "pr": "exact"},
                manifold="vgg16-tfid",
                float32_mean=_BOTH,
                shuffle=2020,
                subsets_seed=2020,
                subsets_least=1_000,
                subsets_std=True,
            ),
            Convention(name="ttur", resize="tf1-bilinear", scale="tf", scores={"fid": "exact"}),
            Convention(
                name="stu",
                resize="bilinear",
                scale="unit",
                scores={"fid": "exact", "is": "exact", "pr": "exact", "dc": "exact"},
                float32_mean=("fake",),
                num_fake=None,
                logits="logits",
                splits=1,
                neighbours=5,
                strict=True,
            ),
            Convention(
                name="fd-dinov2",
                detector="dinov2",
                size=224,
                resize="pil-bicubic",
                scale="imagenet",
                scores={"fd-dinov2": "ours"},  # the network is timm's, not compared with the publisher's code
                float32_mean=_BOTH,
                logits=None,
                neighbours=5,
                most_reals={"fd-dinov2": 50_000},
                sample_seed=13579,
            ),
            Convention(
                name="clip-fid",
                detector="clip",
                size=224,
                resize="pil-bicubic-crop",
                scale="clip",
                scores={"clip-fid": "ours"},  # the tool's network is in half precision on a GPU
                float32_mean=_BOTH,
                logits=None,
            ),
        )
    },
)

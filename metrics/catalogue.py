"""METRICS: what can be asked for by name, each a few lines around a pure function of this package.

A metric on Inception's, DINOv2's or CLIP's features is scored under a convention, whose row of CONVENTIONS
says all that tools differ in. The others have a convention of their own.
"""

import math
import warnings
from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from gan.images import to_float
from gan.registry import table
from metrics import uncertainty
from metrics.conventions import Convention
from metrics.diversity import mean_over_pairs, ms_ssim, vendi_score
from metrics.equivariance import equivariance_of_model
from metrics.frechet import frechet_distance
from metrics.frechet_infinity import fid_infinity
from metrics.inception_score import inception_score
from metrics.kernel import kernel_distance
from metrics.memorisation import auth_pct
from metrics.modes import mode_coverage
from metrics.path_length import perceptual_path_length
from metrics.precision_recall import manifold_scores
from metrics.registry import Inputs, Score, Spec, metric

OWN = "unbiased"  # convention of the metrics on networks that no published convention has
DISTANCE = "squared feature distance"
VGG = ("nv", "tfid")  # conventions whose tools measure precision and recall on VGG16


def class_logits(convention: Convention) -> str | None:
    """The head that the Inception Score reads."""
    return convention.logits


def manifold_features(convention: Convention) -> str:
    """The network of precision and recall, density and coverage."""
    return "vgg16" if convention.name in VGG else "inception"


def manifold_head(convention: Convention) -> str:
    """Its output."""
    return "fc2" if convention.name in VGG else "pool"


def of_frechet(features: str = "inception", fakes: int | None = None, convention: str | None = None) -> Spec:
    """Of a Frechet distance; `convention` is the one that it always has."""
    return Spec(
        features=features,
        head="pool",
        keep="moments",
        fakes=fakes,
        unit=DISTANCE,
        better="lower",
        convention=convention,
        blockwise=uncertainty.frechet_blocks,
        influence=uncertainty.frechet_influence,
    )


def frechet(inputs: Inputs) -> float:
    """Distance of the two fits under the convention, means rounded as its tool rounds them."""
    rounded = inputs.convention.float32_mean
    real = inputs.real.with_mean32() if "real" in rounded else inputs.real
    fake = inputs.fake.with_mean32() if "fake" in rounded else inputs.fake
    return frechet_distance(real, fake, ddof=inputs.convention.ddof)


@metric(of_frechet())
def fid(inputs: Inputs) -> dict[str, float]:
    """Frechet Inception Distance: fit of fakes against fit of all reals (Heusel et al. 2017)."""
    return {"fid": frechet(inputs)}


@metric(
    Spec(
        features="inception",
        head="pool",
        keep="bank",
        unit="squared kernel distance",
        better="lower",
        blockwise=uncertainty.kernel_blocks,
        influence=uncertainty.kernel_influence,
    )
)
def kid(inputs: Inputs) -> dict[str, Score]:
    """Kernel Inception Distance, 100 subsets of 1,000, with its standard error (Binkowski et al. 2018)."""
    found = kernel_distance(inputs.real.features, inputs.fake.features, seed=inputs.seed)
    return {"kid": Score(found.value, found.standard_error)}


@metric(
    Spec(
        features="inception",
        head=class_logits,
        keep="bank",
        scores="each",
        unit="effective classes, 1 to 1008",
        better="higher",
        blockwise=uncertainty.inception_blocks,
        influence=uncertainty.inception_influence,
    )
)
def inception(inputs: Inputs) -> dict[str, Score]:
    """Inception Score of the fakes and of the reals, with the splits' deviation (Salimans et al. 2016)."""
    rules = inputs.convention
    found = inception_score(
        inputs.fake.features, logits=True, splits=rules.splits, shuffle_seed=rules.shuffle
    )
    return {"is": Score(found.mean, found.std)}


_MANIFOLD = Spec(features=manifold_features, head=manifold_head, keep="bank", unit="share", better="higher")


@metric(replace(_MANIFOLD, blockwise=uncertainty.pr_blocks, influence=uncertainty.pr_influence))
def pr(inputs: Inputs) -> dict[str, float]:
    """Precision: fakes among reals; recall: reals among fakes (Kynkaanniemi et al. 2019)."""
    k = inputs.convention.neighbours
    found = manifold_scores(inputs.real.features, inputs.fake.features, (k,))[k]
    return {"precision": found.precision, "recall": found.recall}


@metric(replace(_MANIFOLD, blockwise=uncertainty.dc_blocks, influence=uncertainty.dc_influence))
def dc(inputs: Inputs) -> dict[str, float]:
    """Density and coverage with 5 neighbours, steadier against outliers than pr (Naeem et al. 2020)."""
    found = manifold_scores(inputs.real.features, inputs.fake.features, (5,))[5]
    return {"density": found.density, "coverage": found.coverage}


@metric(of_frechet(convention="fd-dinov2"))
def fd_dinov2(inputs: Inputs) -> dict[str, float]:
    """Frechet distance of DINOv2 features, closer to people's judgement than fid (Stein et al. 2023)."""
    return {"fd-dinov2": frechet(inputs)}


@metric(of_frechet(convention="clip-fid"))
def clip_fid(inputs: Inputs) -> dict[str, float]:
    """Frechet distance of CLIP features (Kynkaanniemi et al. 2023)."""
    return {"clip-fid": frechet(inputs)}


@metric(of_frechet("efficientnet-lite0", 2_000, OWN))
def fd_efficientnet_lite0(inputs: Inputs) -> dict[str, float]:
    """Every real image against 2,000 fakes, features of EfficientNet-Lite0 at 128 px: quick on a CPU."""
    return {"fd-efficientnet-lite0": frechet(inputs)}


@metric(of_frechet("untrained", 2_000, OWN))
def fd_untrained(inputs: Inputs) -> dict[str, float]:
    """The same on random features: needs no weights, tells gross differences of colour and texture only."""
    return {"fd-untrained": frechet(inputs)}


@metric(
    Spec(features="inception", head="pool", keep="bank", keep_real="moments", unit=DISTANCE, better="lower")
)
def fid_infinite(inputs: Inputs) -> dict[str, Score]:
    """FID extrapolated to infinitely many fakes, with its standard error (Chong & Forsyth 2020)."""
    ddof = inputs.convention.ddof
    found = fid_infinity(inputs.real, inputs.fake.features, seed=inputs.seed, ddof=ddof)
    return {"fid-infinity": Score(found.value, found.standard_error)}


@metric(Spec(features="inception", head="pool", keep="bank", unit=DISTANCE, better="lower", labels=True))
def fid_per_class(inputs: Inputs) -> dict[str, Score]:
    """FID within each class that has at least 2 fakes and 2 reals, and the mean of these."""
    scores = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # one warning for all of them follows
        for index in inputs.real_labels.unique().tolist():
            real = inputs.real.features[inputs.real_labels == index]
            fake = inputs.fake.features[inputs.fake_labels == index]
            name = inputs.classes[index] if index < len(inputs.classes) else index
            if min(len(real), len(fake)) > 1:
                value = frechet_distance(real, fake, ddof=inputs.convention.ddof)
                scores[f"fid-per-class/{name}"] = Score(value, counts=(len(real), len(fake)))
    if not scores:
        raise ValueError("no class has 2 fakes and 2 reals")
    if (least := min(min(s.counts) for s in scores.values())) <= inputs.fake.dim:
        warnings.warn(
            f"the smallest class has {least:,} images for {inputs.fake.dim:,} features: distances are biased "
            f"upward, the more the smaller the class; compare equal counts only",
            stacklevel=2,
        )
    return {"fid-per-class": Score(sum(s.value for s in scores.values()) / len(scores)), **scores}


@metric(
    Spec(
        features="inception",
        head="pool",
        scores="each",
        unit="effective images",
        better="higher",
        blockwise=uncertainty.vendi_blocks,
        influence=uncertainty.vendi_influence,
    )
)
def vendi(inputs: Inputs) -> dict[str, float]:
    """Effective number of different images, of the fakes and of the reals (Friedman & Dieng 2023)."""
    return {"vendi": vendi_score(inputs.fake.features)}


@metric(
    Spec(
        features="inception",
        head="pool",
        unit="percent",
        better="higher",
        blockwise=uncertainty.authpct_blocks,
        influence=uncertainty.authpct_influence,
    )
)
def authpct(inputs: Inputs) -> dict[str, float]:
    """Fakes that are no copies: further from their nearest real than that from its own (Alaa et al. 2022)."""
    return {"authpct": auth_pct(inputs.real.features, inputs.fake.features)}


@metric(Spec(features="inception", head=class_logits, unit="classes; nats", better=""))
def modes(inputs: Inputs) -> dict[str, float]:
    """ImageNet classes among the fakes, and KL of their frequencies from the reals' (Metz et al. 2017)."""
    found = mode_coverage(inputs.fake.features, inputs.real.features)
    kl = {"modes-kl": found.kl} if math.isfinite(found.kl) else {}
    return {"modes": found.modes, **kl}


@metric(
    Spec(
        scores="pixels",
        fakes=1_000,
        unit="similarity, 0 to 1",
        better="lower",
        convention="wang-2003-128px",
        side=128,
    )
)
def ms_ssim_diversity(inputs: Inputs) -> dict[str, Score]:
    """Similarity of 10,000 random pairs, of the fakes and of the reals: near 1 is collapse (Odena 2017)."""
    found = mean_over_pairs(ms_ssim, inputs.pixels, pairs=inputs.count or 10_000, seed=inputs.seed)
    return {"ms-ssim": Score(found.value, found.standard_error)}


@metric(
    Spec(
        features="lpips",
        scores="pixels",
        fakes=1_000,
        unit="LPIPS",
        better="higher",
        convention="vgg16-0.1-256px",
        side=256,
    )
)
def lpips_diversity(inputs: Inputs) -> dict[str, Score]:
    """Perceptual distance of 1,000 random pairs, of the fakes and of the reals (Zhang et al. 2018)."""

    def distance(a: Tensor, b: Tensor) -> Tensor:
        return inputs.extractor(*(to_float(images).expand(-1, 3, -1, -1) for images in (a, b)))

    pairs = inputs.count or 1_000
    found = mean_over_pairs(distance, inputs.pixels, pairs=pairs, seed=inputs.seed, batch=8)
    return {"lpips-diversity": Score(found.value, found.standard_error)}


def path_length(space: str, sampling: str) -> Callable[[Inputs], dict[str, Score]]:
    """The metric ppl-<space>-<sampling>."""
    name = f"ppl-{space}-{sampling}"

    @metric(
        Spec(
            features="lpips",
            scores="generator",
            fakes=50_000,
            unit="LPIPS / step^2",
            better="lower",
            convention="vgg16-0.1",
        )
    )
    def ppl(inputs: Inputs) -> dict[str, Score]:
        found = perceptual_path_length(
            inputs.generator,
            inputs.extractor.features,
            space=space,
            sampling=sampling,
            samples=inputs.count,
            labels=inputs.labels,
            seed=inputs.seed,
            progress=inputs.progress,
        )
        return {name: Score(found.value, found.standard_error)}

    ppl.__doc__ = f"Perceptual path length in {space}, {sampling} points, no crop (Karras et al. 2019)."
    return ppl


def equivariance(name: str, what: str) -> Callable[[Inputs], dict[str, float]]:
    """The metric of that name in `metrics.equivariance`."""

    @metric(
        Spec(
            scores="generator",
            movable=True,
            fakes=50_000,
            unit="dB",
            better="higher",
            convention="karras-2021",
        )
    )
    def eq(inputs: Inputs) -> dict[str, float]:
        options = {"samples": inputs.count, "labels": inputs.labels, "seed": inputs.seed}
        options |= {"progress": inputs.progress}
        return {name: equivariance_of_model(inputs.generator, name, **options)}

    eq.__doc__ = f"Equivariance to {what}; for models whose input can be moved (Karras et al. 2021)."
    return eq


METRICS = table(
    "metric",
    {
        "fid": fid,
        "fid-infinity": fid_infinite,
        "fid-per-class": fid_per_class,
        "kid": kid,
        "is": inception,
        "pr": pr,
        "dc": dc,
        "vendi": vendi,
        "authpct": authpct,
        "modes": modes,
        "fd-dinov2": fd_dinov2,
        "clip-fid": clip_fid,
        "fd-efficientnet-lite0": fd_efficientnet_lite0,
        "fd-untrained": fd_untrained,
        "ms-ssim": ms_ssim_diversity,
        "lpips-diversity": lpips_diversity,
        "ppl-w-end": path_length("w", "end"),
        "ppl-w-full": path_length("w", "full"),
        "ppl-z-end": path_length("z", "end"),
        "ppl-z-full": path_length("z", "full"),
        "eq-t": equivariance("eq-t", "shifts by whole pixels"),
        "eq-t-frac": equivariance("eq-t-frac", "any shifts"),
        "eq-r": equivariance("eq-r", "turns"),
    },
)

"""METRICS: what can be asked for by name, each a few lines around a pure function of this package.

A statistic on features or classes is scored under a convention, whose row of CONVENTIONS says all that tools
differ in, or on a detector of DETECTORS by the rules of its row. The others have a convention of their own.
"""

import math
import warnings
from functools import partial

from torch import Tensor

from gan.images import to_float
from gan.registry import table
from metrics import uncertainty
from metrics.diversity import PairMean, mean_over_pairs, ms_ssim, vendi_score
from metrics.frechet import frechet_distance
from metrics.frechet_infinity import fid_infinity
from metrics.inception_score import inception_score
from metrics.kernel import kernel_distance
from metrics.memorisation import auth_pct
from metrics.modes import class_counts, mode_coverage
from metrics.networks.detectors import OWN
from metrics.of_generators import equivariance, path_length
from metrics.precision_recall import manifold_scores
from metrics.registry import Inputs, Score, Spec, metric
from metrics.sample_blocks import BlockPairs

DISTANCE = "squared feature distance"


def of_frechet(
    features: str = "detector", convention: str | None = None, fakes: int | None = None, default: str = ""
) -> Spec:
    """Of a Frechet distance: of any detector, or always of one network under a convention of its own."""
    return Spec(
        features=features,
        head="pool",
        keep="moments",
        fakes=fakes,
        unit=DISTANCE,
        better="lower",
        convention=convention,
        default=default,
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


@metric(of_frechet(default="efficientnet-lite0"))
def fd(inputs: Inputs) -> dict[str, float]:
    """Frechet distance on the detector in brackets: "fid" is the name for Inception's features alone."""
    return {"fd": frechet(inputs)}


@metric(
    Spec(
        features="detector",
        least=lambda rules: (rules.subsets_least, rules.subsets_least),
        unit="squared kernel distance",
        better="lower",
        blockwise=uncertainty.kernel_blocks,
        influence=uncertainty.kernel_influence,
    )
)
def kid(inputs: Inputs) -> dict[str, Score]:
    """Kernel distance, 100 subsets of 1,000, with its standard error (Binkowski et al. 2018)."""
    rules = inputs.convention
    seed = inputs.seed if rules.subsets_seed is None else rules.subsets_seed
    found = kernel_distance(inputs.real.rows, inputs.fake.rows, seed=seed)
    return {"kid": Score(found.value, found.std if rules.subsets_std else found.standard_error)}


@metric(
    Spec(
        features="logits",
        least=lambda rules: (rules.splits, rules.splits),
        split=True,
        scores="each",
        unit="effective classes, 1 to their number",
        better="higher",
        blockwise=uncertainty.inception_blocks,
        influence=uncertainty.inception_influence,
    )
)
def inception(inputs: Inputs) -> dict[str, Score]:
    """Inception Score of the fakes and of the reals, with the splits' deviation (Salimans et al. 2016)."""
    rules = inputs.convention
    order = inputs.shuffle if rules.shuffle is None else rules.shuffle
    options = {"splits": rules.splits, "shuffle_seed": order}
    found = inception_score(inputs.fake.rows, logits=True, **options)
    return {"is": Score(found.mean, found.std if rules.splits > 1 else None)}


@metric(
    Spec(
        features="manifold",
        least=lambda rules: (rules.neighbours + 1, rules.neighbours + 1),
        unit="share, 0 to 1",
        better="higher",
        blockwise=uncertainty.pr_blocks,
        influence=uncertainty.pr_influence,
    )
)
def pr(inputs: Inputs) -> dict[str, float]:
    """Precision: fakes among reals; recall: reals among fakes (Kynkaanniemi et al. 2019)."""
    k, strict = inputs.convention.neighbours, inputs.convention.strict
    found = manifold_scores(inputs.real.rows, inputs.fake.rows, (k,), strict=strict)[k]
    return {"precision": found.precision, "recall": found.recall}


@metric(
    Spec(
        features="manifold",
        least=(6, 6),
        unit="share, 0 to 1",
        better="higher",
        blockwise=uncertainty.dc_blocks,
        influence=uncertainty.dc_influence,
    )
)
def dc(inputs: Inputs) -> dict[str, float]:
    """Density and coverage with 5 neighbours, steadier against outliers than pr (Naeem et al. 2020)."""
    found = manifold_scores(inputs.real.rows, inputs.fake.rows, (5,), strict=True)[5]
    return {"density": found.density, "coverage": found.coverage}


@metric(of_frechet("dinov2", "fd-dinov2"))
def fd_dinov2(inputs: Inputs) -> dict[str, float]:
    """Frechet distance of DINOv2 features, closer to people's judgement than fid (Stein et al. 2023)."""
    return {"fd-dinov2": frechet(inputs)}


@metric(of_frechet("clip", "clip-fid"))
def clip_fid(inputs: Inputs) -> dict[str, float]:
    """Frechet distance of CLIP features (Kynkaanniemi et al. 2023)."""
    return {"clip-fid": frechet(inputs)}


@metric(of_frechet("efficientnet-lite0", OWN, fakes=2_000))
def fd_efficientnet_lite0(inputs: Inputs) -> dict[str, float]:
    """Every real image against 2,000 fakes, features of EfficientNet-Lite0 at 128 px: quick on a CPU."""
    return {"fd-efficientnet-lite0": frechet(inputs)}


@metric(of_frechet("untrained", OWN, fakes=2_000))
def fd_untrained(inputs: Inputs) -> dict[str, float]:
    """The same on random features: needs no weights, tells gross differences of colour and texture only."""
    return {"fd-untrained": frechet(inputs)}


@metric(
    Spec(
        features="detector",
        keep_real="moments",
        fakes=50_000,
        least=(2, 5_015),  # 15 sizes of subsets, from 5,000 on
        unit=DISTANCE,
        better="lower",
    )
)
def fid_infinite(inputs: Inputs) -> dict[str, Score]:
    """Frechet distance extrapolated to infinitely many fakes, with its error (Chong & Forsyth 2020)."""
    ddof = inputs.convention.ddof
    found = fid_infinity(inputs.real, inputs.fake.rows, seed=inputs.seed, ddof=ddof)
    return {"fid-infinity": Score(found.value, found.standard_error)}


@metric(Spec(features="detector", unit=DISTANCE, better="lower", labels=True))
def fid_per_class(inputs: Inputs) -> dict[str, Score]:
    """Frechet distance within each class that has at least 2 fakes and 2 reals, and the mean of these."""
    scores, kinds = {}, sorted({*inputs.real_labels.tolist(), *inputs.fake_labels.tolist()})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # one warning for all of them follows
        for index in kinds:
            real = inputs.real.rows.at((inputs.real_labels == index).nonzero()[:, 0])
            fake = inputs.fake.rows.at((inputs.fake_labels == index).nonzero()[:, 0])
            name = inputs.classes[index] if 0 <= index < len(inputs.classes) else index
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
    absent = len(kinds) - len(scores)
    note = f"{absent} of {len(kinds)} classes left out, with fewer than 2 reals or 2 fakes" if absent else ""
    mean = sum(s.value for s in scores.values()) / len(scores)
    return {"fid-per-class": Score(mean, note=note), **scores}


@metric(
    Spec(
        features="detector",
        scores="each",
        unit="effective images",
        better="higher",
        blockwise=uncertainty.vendi_blocks,
        influence=uncertainty.vendi_influence,
    )
)
def vendi(inputs: Inputs) -> dict[str, float]:
    """Effective number of different images, of the fakes and of the reals (Friedman & Dieng 2023)."""
    return {"vendi": vendi_score(inputs.fake.rows)}


@metric(
    Spec(
        features="detector",
        unit="percent",
        better="higher",
        blockwise=uncertainty.authpct_blocks,
        influence=uncertainty.authpct_influence,
    )
)
def authpct(inputs: Inputs) -> dict[str, float]:
    """Fakes that are no copies: further from their nearest real than that from its own (Alaa et al. 2022)."""
    return {"authpct": auth_pct(inputs.real.rows, inputs.fake.rows)}


@metric(Spec(features="logits", least=(1, 1), unit="classes; nats", better=""))
def modes(inputs: Inputs) -> dict[str, Score]:
    """Classes among the fakes, and KL of their frequencies from the reals' (Metz et al. 2017)."""
    fake, real = inputs.fake.rows, inputs.real.rows
    found = mode_coverage(fake, real)
    unseen = int(((class_counts(fake) > 0) & (class_counts(real) == 0)).sum())
    note = "" if math.isfinite(found.kl) else f"infinite: {unseen} classes of the fakes have no real image"
    return {"modes": Score(found.modes), "modes-kl": Score(found.kl, note=note)}


def of_pairs(found: PairMean, inputs: Inputs) -> Score:
    """A mean over pairs of the images, whose blocks are of images."""
    blocks = partial(BlockPairs, found.pairs, found.values, len(inputs.pixels), seed=inputs.seed)
    return Score(found.value, found.standard_error, blocks=blocks)


@metric(
    Spec(
        scores="pixels",
        fakes=1_000,
        unit="similarity, 0 to 1",
        better="lower",
        convention="wang-2003-128px",
        side=128,
        own_blocks=True,
    )
)
def ms_ssim_diversity(inputs: Inputs) -> dict[str, Score]:
    """Similarity of 10,000 random pairs, of the fakes and of the reals: near 1 is collapse (Odena 2017)."""
    found = mean_over_pairs(ms_ssim, inputs.pixels, pairs=inputs.count or 10_000, seed=inputs.seed)
    return {"ms-ssim": of_pairs(found, inputs)}


@metric(
    Spec(
        features="lpips",
        scores="pixels",
        fakes=1_000,
        unit="LPIPS",
        better="higher",
        convention="vgg16-0.1-256px",
        side=256,
        own_blocks=True,
    )
)
def lpips_diversity(inputs: Inputs) -> dict[str, Score]:
    """Perceptual distance of 1,000 random pairs, of the fakes and of the reals (Zhang et al. 2018)."""

    def distance(a: Tensor, b: Tensor) -> Tensor:
        return inputs.extractor(*(to_float(images).expand(-1, 3, -1, -1) for images in (a, b)))

    pairs = inputs.count or 1_000
    found = mean_over_pairs(distance, inputs.pixels, pairs=pairs, seed=inputs.seed, batch=8)
    return {"lpips-diversity": of_pairs(found, inputs)}


METRICS = table(
    "metric",
    {
        "fid": fid,
        "fd": fd,
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

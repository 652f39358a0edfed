"""METRICS: what can be asked for by name, each a few lines around a pure function of this package.

A metric on Inception's, DINOv2's or CLIP's features is scored under a convention, whose row of CONVENTIONS
says all that tools differ in. The others have a convention of their own.
"""

from gan.registry import table
from metrics.conventions import Convention
from metrics.frechet import frechet_distance
from metrics.inception_score import inception_score
from metrics.kernel import kernel_distance
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


def own(features: str) -> Spec:
    """Frechet distance on a network outside of the published conventions."""
    return Spec(
        features=features,
        head="pool",
        keep="moments",
        fakes=2_000,
        unit=DISTANCE,
        better="lower",
        convention=OWN,
    )


def frechet(inputs: Inputs) -> float:
    """Distance of the two fits under the convention, means rounded as its tool rounds them."""
    rounded = inputs.convention.float32_mean
    real = inputs.real.with_mean32() if "real" in rounded else inputs.real
    fake = inputs.fake.with_mean32() if "fake" in rounded else inputs.fake
    return frechet_distance(real, fake, ddof=inputs.convention.ddof)


@metric(Spec(features="inception", head="pool", keep="moments", unit=DISTANCE, better="lower"))
def fid(inputs: Inputs) -> dict[str, float]:
    """Frechet Inception Distance: fit of fakes against fit of all reals (Heusel et al. 2017)."""
    return {"fid": frechet(inputs)}


@metric(Spec(features="inception", head="pool", keep="bank", unit="squared kernel distance", better="lower"))
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


@metric(_MANIFOLD)
def pr(inputs: Inputs) -> dict[str, float]:
    """Precision: fakes among reals; recall: reals among fakes (Kynkaanniemi et al. 2019)."""
    k = inputs.convention.neighbours
    found = manifold_scores(inputs.real.features, inputs.fake.features, (k,))[k]
    return {"precision": found.precision, "recall": found.recall}


@metric(_MANIFOLD)
def dc(inputs: Inputs) -> dict[str, float]:
    """Density and coverage with 5 neighbours, steadier against outliers than pr (Naeem et al. 2020)."""
    found = manifold_scores(inputs.real.features, inputs.fake.features, (5,))[5]
    return {"density": found.density, "coverage": found.coverage}


@metric(
    Spec(
        features="inception",
        head="pool",
        keep="moments",
        unit=DISTANCE,
        better="lower",
        convention="fd-dinov2",
    )
)
def fd_dinov2(inputs: Inputs) -> dict[str, float]:
    """Frechet distance of DINOv2 features, closer to people's judgement than fid (Stein et al. 2023)."""
    return {"fd-dinov2": frechet(inputs)}


@metric(
    Spec(
        features="inception",
        head="pool",
        keep="moments",
        unit=DISTANCE,
        better="lower",
        convention="clip-fid",
    )
)
def clip_fid(inputs: Inputs) -> dict[str, float]:
    """Frechet distance of CLIP features (Kynkaanniemi et al. 2023)."""
    return {"clip-fid": frechet(inputs)}


@metric(own("efficientnet-lite0"))
def fd_efficientnet_lite0(inputs: Inputs) -> dict[str, float]:
    """Every real image against 2,000 fakes, features of EfficientNet-Lite0 at 128 px: quick on a CPU."""
    return {"fd-efficientnet-lite0": frechet(inputs)}


@metric(own("untrained"))
def fd_untrained(inputs: Inputs) -> dict[str, float]:
    """The same on random features: needs no weights, tells gross differences of colour and texture only."""
    return {"fd-untrained": frechet(inputs)}


METRICS = table(
    "metric",
    {
        "fid": fid,
        "kid": kid,
        "is": inception,
        "pr": pr,
        "dc": dc,
        "fd-dinov2": fd_dinov2,
        "clip-fid": clip_fid,
        "fd-efficientnet-lite0": fd_efficientnet_lite0,
        "fd-untrained": fd_untrained,
    },
)

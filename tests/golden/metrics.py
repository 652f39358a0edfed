"""Adapters of the metric file: scores of features made by a formula, operators on images, a tiny network."""

import warnings
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn

from gan.latents import slerp
from metrics import equivariance
from metrics.features import Moments
from metrics.frechet import frechet_distance
from metrics.inception_score import inception_score
from metrics.kernel import kernel_distance
from metrics.path_length import path_distances, trimmed_mean
from metrics.precision_recall import precision_recall
from tests.golden.case import Case, Comparison, Family, described, relative_error
from tests.golden.stylegan2 import generator_config

EXACT = 1e-9
RANK_DEFICIENT = 1e-6  # fewer samples than dimensions: roots of eigenvalues that are zero but for rounding
ROUNDED = 1e-6  # the reference is a float32 result
ROUNDED_KERNEL = 1e-5  # and its sums of kernel values cancel
ROTATED = 1e-5  # and its places are float32 too, before the image is read off there
SMALLEST = 1e-3  # a distance below this is compared absolutely, as if it were this: it is a small difference


def features(seed: int, n: int, d: int, scale: float, shift: float, mix: float) -> np.ndarray:
    """Rows of reproducible feature vectors: float32 [n, d]."""
    x = np.random.default_rng(seed).standard_normal((n, d))
    j = np.arange(d)
    x = x * (1 + 0.5 * np.cos(j)) * scale + shift * np.sin(j + 1)
    if mix:
        x[:, 1:] += mix * x[:, :-1].copy()
    return x.astype(np.float32)


def check_frechet(case: Case) -> Iterator[Comparison]:
    """Population covariances, as the published code has them."""
    real = features(**case.parameter("real"))[: case.meta.get("max_real")]
    fake = features(**case.parameter("gen"))[: case.meta.get("num_gen")]
    p, q = _moments(real), _moments(fake)
    deficient = min(len(real), len(fake)) <= real.shape[1]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*the covariance is singular")
        got = frechet_distance(p, q, ddof=0)
    yield _scalar("fid", got, case.parameter("fid"), RANK_DEFICIENT if deficient else EXACT, SMALLEST)
    cov = p.cov(ddof=0)
    stored = {"real_cov_00": cov[0, 0], "real_cov_01": cov[0, 1], "trace_real_cov": cov.trace()}
    for name, value in stored.items():
        if name in case.meta:
            yield _scalar(name, value.item(), case.meta[name], EXACT)
    if "real_mean_first" in case.meta:
        want = torch.tensor(case.meta["real_mean_first"], dtype=torch.float64)
        yield Comparison("real_mean_first", relative_error(p.mean[: len(want)], want), EXACT)


def check_kernel(case: Case) -> Iterator[Comparison]:
    """The full-sample estimator, what the first seeds draw, and the mean over seeds, which nears it."""
    real, fake = features(**case.parameter("real")), features(**case.parameter("gen"))
    exact = kernel_distance(real, fake, subsets=None).value
    yield _scalar("exact_expectation", exact, case.parameter("exact_expectation"), EXACT)._replace(
        arithmetic="float64"
    )
    subsets, size = case.parameter("num_subsets"), case.parameter("max_subset_size")
    for seed, want in enumerate(case.parameter("first_values")):
        got = kernel_distance(real, fake, subsets=subsets, subset_size=size, seed=seed)
        close = _scalar(f"first_values[{seed}]", got.value, want, ROUNDED_KERNEL)
        yield close._replace(arithmetic="float32")
    error = case.parameter("std_over_seeds") / case.parameter("num_seeds") ** 0.5
    allowed = 4 * error + ROUNDED_KERNEL * abs(exact)
    yield Comparison("mean", abs(case.parameter("mean") - exact), allowed)


def check_inception(case: Case) -> Iterator[Comparison]:
    """From probabilities; the deviation over splits is compared relative to the score."""
    given = case.parameter("probs")
    x = np.random.default_rng(given["seed"]).standard_normal((given["n"], given["d"])) * given["scale"]
    rows = torch.from_numpy(x).softmax(1).float()
    score, want = inception_score(rows, splits=case.parameter("num_splits")), case.parameter("is_mean")
    yield _scalar("is_mean", score.mean, want, ROUNDED)
    yield _scalar("is_std", score.std, case.parameter("is_std"), ROUNDED, smallest=want)


def check_precision_recall(case: Case) -> Iterator[Comparison]:
    """Exact, and within one sample of the half-precision reference."""
    real, fake = features(**case.parameter("real")), features(**case.parameter("gen"))
    got = precision_recall(real, fake, k=case.parameter("nhood_size"))
    for name, ours, exact, half, count in zip(
        got._fields,
        got,
        case.parameter("float64"),
        case.parameter("float16"),
        (len(fake), len(real)),
        strict=True,
    ):
        yield _scalar(name, ours, exact, EXACT)
        yield Comparison(f"{name} in float16", abs(ours - half), 1.001 / count)


def check_filtering(case: Case) -> Iterator[Comparison]:
    """Mean of the distances between the outer percentiles."""
    drawn = np.random.default_rng(case.parameter("seed")).standard_normal(case.parameter("n"))
    distances = torch.from_numpy(np.exp(1.5 * drawn).astype(np.float32))
    yield _scalar("ppl", trimmed_mean(distances).value, case.parameter("ppl"), ROUNDED)


def check_slerp(case: Case) -> Iterator[Comparison]:
    a, b, t = (case.tensor(name) for name in "abt")
    yield from case.compare({"y": slerp(a, b, t)}, EXACT)


def check_path(case: Case) -> Iterator[Comparison]:
    """Distances of pairs under a transparent feature map, in float64."""
    net = _generator(case.other(case.parameter("state_dict")))
    noise = case.below("noise/")
    net.load_state_dict({**net.state_dict(), **noise})
    z0, z1, t = (case.tensor(name) for name in ("z0", "z1", "t"))
    space, epsilon, crop = (case.parameter(name) for name in ("space", "epsilon", "crop"))
    got = path_distances(
        net, lambda x: 255 * (x + 1).flatten(1) / 200, z0, z1, t, space=space, epsilon=epsilon, crop=crop
    )
    yield from case.compare({"dist": got}, RANK_DEFICIENT)


def check_path_generator(case: Case) -> Iterator[Comparison]:
    """The network that other cases refer to: its state fits ours, name by name."""
    stored = case.below("sd/", torch.float64)
    loaded = _generator(case).state_dict()
    yield Comparison("sd", max(relative_error(loaded[name], value) for name, value in stored.items()), 0)


def check_equivariance(case: Case) -> Iterator[Comparison]:
    """One operator on one image: the result, and where it is defined."""
    name, _, array = case.parameter("input").partition("/")
    x = case.other(name).tensor(array)
    operator = case.parameter("operator")
    if operator in ("int", "frac"):
        move = equivariance.translate_integer if operator == "int" else equivariance.translate_fractional
        z, mask = move(x, case.parameter("tx"), case.parameter("ty"))
    else:
        turn = equivariance.rotate if operator == "rot" else equivariance.pseudo_rotate
        z, mask = turn(x, case.parameter("angle"))
    yield from case.compare({"z": z}, ROTATED if operator == "rot" else ROUNDED)
    yield from case.compare({"mask": mask}, 0)
    if "filter" in case:
        yield from case.compare({"filter": equivariance.band_limit(case.parameter("angle"), 4, 6)}, ROUNDED)


def check_equivariance_inputs(case: Case) -> Iterator[Comparison]:
    """The images that other cases refer to: moved by nothing, they are what they were."""
    for name in case.arrays:
        x = case.tensor(name)
        yield Comparison(name, relative_error(equivariance.translate_fractional(x, 0, 0)[0], x), ROUNDED)


def _generator(case: Case) -> nn.Module:
    """The small StyleGAN2 of the path length cases, in float64."""
    config = generator_config(case.parameter("init_kwargs"), ada=False)
    net = config.build().double().eval()
    net.load_state_dict(case.below("sd/"), strict=True)
    return net


def _scalar(name: str, got: float, want: float, tolerance: float, smallest: float = 0.0) -> Comparison:
    """Relative to the reference, or to `smallest` if that is more."""
    got, want = (torch.tensor(value, dtype=torch.float64) for value in (got, want))
    return Comparison(name, relative_error(got, want, scale=max(abs(want.item()), smallest)), tolerance)


def _moments(rows: np.ndarray) -> Moments:
    moments = Moments(rows.shape[1])
    moments.add(torch.from_numpy(rows))
    return moments


def _metric(name: str) -> Callable[[Case], bool]:
    return lambda case: case.meta.get("metric") == name


def _named(*prefixes: str) -> Callable[[Case], bool]:
    return lambda case: case.name.startswith(prefixes)


FAMILIES = (
    Family("frechet distance", _metric("fid"), check_frechet),
    Family("kernel distance", _metric("kid"), check_kernel),
    Family("inception score", _metric("is"), check_inception),
    Family("precision and recall", _metric("precision_recall"), check_precision_recall),
    Family("path length metric", _metric("ppl filtering"), check_filtering),
    Family("path length metric", _named("slerp_"), check_slerp),
    Family("path length metric", _named("pplsampler_"), check_path),
    Family("path length metric", _named("pplG"), check_path_generator),
    Family("equivariance metric", _named("eq_inputs"), check_equivariance_inputs),
    Family("equivariance metric", described("operator", "input"), check_equivariance),
)

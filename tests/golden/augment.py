"""Adapters of the augmentation files: fixed percentiles of every draw, recorded draws, and the controller."""

import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from gan.config import from_dict
from gan.errors import UsageError
from gan.randomness import Draws
from tests.golden.case import Case, Comparison, Family, FormatError, described, relative_error
from training.augment.adaptive import adjusted
from training.augment.config import BLIT, COLOUR, GEOM, StrengthConfig
from training.augment.filters import filter_bank, symlet
from training.augment.pipe import Parameters, apply, parameters
from training.augment.transforms import Drawn

EXACT = 1e-9  # matrices and gains; erfinv and powers differ in their last digits
FILTERED = 2e-6  # images: filters are rounded to float32 before use, and many results are stored so
SINGLE = 1e-7  # stored in float32


def check_percentile(case: Case) -> Iterator[Comparison]:
    """Every transform that is on acts on every image, by the same percentile of its distribution."""
    x = case.tensor(case.parameter("input"), torch.float64)
    try:
        strengths = from_dict(StrengthConfig, case.parameter("options"), "options")
    except UsageError as error:
        raise FormatError(f"case {case.name}: {error}") from error
    enabled = case.parameter("enabled")
    drawn = percentile(enabled, case.parameter("debug_percentile"), strengths, len(x))
    found = parameters(drawn, strengths, x, Draws(0, 0, range(len(x))))
    yield from _matrices(case, found, x.shape[1])
    yield from _applied(case, x, found)
    constants = {}
    if found.geometry is not None:
        constants["constants/Hz_geom"] = symlet(6)
    if found.bands is not None:
        constants["constants/Hz_fbank"] = filter_bank()
    for name, ours in constants.items():
        yield Comparison(name, relative_error(ours, case.tensor(name)), SINGLE)


def percentile(enabled: Iterable[str], p: float, strengths: StrengthConfig, count: int) -> Drawn:
    """`count` equal draws at percentile p, as the files define it: erfinv(2 p - 1) stands for a normal."""
    normal = torch.erfinv(torch.tensor(2 * p - 1, dtype=torch.float64)).item()
    bands = [normal if factor else 0.0 for factor in strengths.imgfilter_bands]
    values = {
        **dict.fromkeys(("xflip", "lumaflip"), math.floor(2 * p)),
        "rotate90": math.floor(4 * p),
        "xint": [2 * p - 1] * 2,
        "rotate": [2 * p - 1, 0],
        "xfrac": [normal] * 2,
        "hue": 2 * p - 1,
        "imgfilter": bands,
        "cutout": [1, p, p],
        **dict.fromkeys(("scale", "aniso", "brightness", "contrast", "saturation"), normal),
    }
    missing = sorted(set(enabled) - values.keys())
    if missing:
        raise FormatError(f"no percentile of {', '.join(missing)}")
    return {name: torch.tensor([values[name]] * count, dtype=torch.float64) for name in enabled}


def check_recorded(case: Case) -> Iterator[Comparison]:
    """The numbers that each image of a random batch drew are given; only their application is ours."""
    x = case.tensor("x", torch.float64)
    enabled, found = set(case.parameter("enabled")), {}
    if enabled & {*BLIT, *GEOM}:
        found["geometry"] = case.tensor("G_inv")
    if enabled & set(COLOUR):
        matrix = case.tensor("C")
        if matrix.shape[1] == 1:  # the average of the three rows
            last = matrix.new_tensor([0, 0, 0, 1]).expand(len(x), 1, 4)
            matrix = torch.cat([matrix.expand(-1, 3, -1), last], dim=1)
        found["colour"] = matrix
    if "imgfilter" in enabled:
        found["bands"] = case.tensor("band_gain")
    if "noise" in enabled:
        found["noise"] = case.tensor("noise_image") * case.tensor("noise_sigma")[:, None, None, None]
    if "cutout" in enabled:
        found["cutout"] = torch.cat([case.tensor("cutout_center"), case.tensor("cutout_size")], dim=1)
    yield from _applied(case, x, Parameters(**found))


def _applied(case: Case, x: Tensor, found: Parameters) -> Iterator[Comparison]:
    x = x.requires_grad_()
    y = apply(x, found)
    results = {"y": y}
    if "gy" in case:
        results["grad_x"] = torch.autograd.grad(y, x, case.tensor("gy", torch.float64))[0]
    yield from case.compare(results, FILTERED)


def _matrices(case: Case, found: Parameters, channels: int) -> Iterator[Comparison]:
    """One of the equal matrices of the batch. The last row of C, which takes no part, is passed over."""
    results = {"G_inv": found.geometry, "band_gain": found.bands}
    results = {name: value[:1] for name, value in results.items() if value is not None}
    yield from case.compare(results, EXACT)
    if found.colour is not None:
        rows, want = found.colour[:1, :3], case.tensor("C")[:, :3]
        rows = rows.mean(1, keepdim=True) if channels == 1 else rows
        yield Comparison("C", relative_error(rows, want), EXACT)


def check_controller(case: Case) -> Iterator[Comparison]:
    """Steps without an upper limit; a row without `adjust` is a batch after which p stays."""
    for i, row in enumerate(case.parameter("rows")):
        try:
            p, due = row["p_before"], row["batch_idx_after_increment"] % row["ada_interval"] == 0
            if due:
                p = adjusted(
                    p,
                    row["mean_sign"],
                    target=row["ada_target"],
                    batch=row["batch_size"],
                    interval=row["ada_interval"],
                    kimg=row["ada_kimg"],
                    limit=math.inf,
                )
            want = torch.tensor(row["p_after_float32"], dtype=torch.float64)
        except KeyError as missing:
            raise FormatError(f"{case.name}: a row without {missing}") from missing
        error = relative_error(torch.tensor(p, dtype=torch.float64), want)
        yield Comparison(f"row {i}", error, SINGLE)


FAMILIES = (
    Family("augmentation, fixed", described("enabled", "debug_percentile", "input"), check_percentile),
    Family("augmentation, recorded", described("enabled", "p"), check_recorded),
    Family("augmentation controller", lambda case: case.name == "tables/ada", check_controller),
)

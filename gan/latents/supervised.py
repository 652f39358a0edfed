"""Directions of attributes that somebody, or something, has told of samples (Shen et al. 2020, InterFaceGAN).

"Interpreting the Latent Space of GANs for Semantic Face Editing", section 3.1: the normal of the plane that
parts latents with an attribute from those without. Here by logistic regression, or by linear regression for
attributes that are numbers; both with a ridge, whose strength is found by generalised cross-validation (Golub
et al. 1979) for linear regression, and by samples left out for logistic. A fifth of all samples is held back
from all of that, and says how well each direction tells its attribute, and what else moves with it.

Letters: N samples, D size of the latents, R rank of the samples fitted.
"""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from gan.errors import UsageError, unknown
from gan.latents.directions import Directions, Range, Space, layer_range, spaces
from gan.latents.styles import affines, joined, styles
from gan.networks.base import digest

Fit = Literal["auto", "logistic", "linear"]

HELD_BACK = 0.2
LEAST = 20  # samples
RIDGES = np.logspace(-6, 2, 33)  # in units of the mean square singular value, and so the next
PENALTIES = np.logspace(-8, 0, 9)
LARGEST = 256 * 2**20  # values of all latents together: 1 GiB
BLOCK = 256  # samples whose styles are computed at once


def supervised(
    generator: nn.Module,
    z: Tensor,
    c: Tensor | None,
    scores: Mapping[str, Tensor],
    *,
    space: Space | None = None,
    layers: Range | None = None,
    fit: Fit = "auto",
    others: Mapping[str, Tensor] | None = None,
    seed: int = 0,
) -> Directions:
    """One direction for each attribute of `scores`, towards more of it.

    z [N, z_dim], c [N, c_dim]: the samples.  scores: attribute -> [N], numbers, of which two different ones
    are taken for no and yes.  others: attributes [N] that are only compared with.
    space: z, w or s; None: w where there is one. layers: [start, stop) of ws, None for all: what a direction
    in w moves, and which styles one in s is made of.
    fit: auto is logistic for two-valued attributes and linear for others; logistic parts others at their
    median. seed: of which fifth of the samples is held back.
    `findings` of each: fit, accuracy (of telling the held-out samples of the upper half, or yes, from the
    others), majority (what always saying the more frequent would reach), r2 (linear) and correlations of the
    place along the direction with every attribute.
    Raises UsageError for fewer than 20 samples, attributes that do not vary or are not finite or not [N].
    """
    space = space or ("w" if "w" in spaces(generator) else "z")
    if space not in spaces(generator):
        raise UsageError(unknown("space of this model", space, spaces(generator)))
    if space == "z" and layers:
        raise UsageError("layers belong to spaces w and s: z enters at one place; leave them out")
    measured = {name: _checked(name, values, len(z)) for name, values in {**(others or {}), **scores}.items()}
    latents, channels = _latents(generator, z, c, space, layers)
    held = np.random.RandomState(seed).permutation(len(z)) < HELD_BACK * len(z)  # [N]
    frame = _Frame(latents[~held])
    vectors, findings = [], []
    for name in scores:
        vector, finding = _found(frame, name, measured, latents, held, fit)
        vectors.append(vector / np.linalg.norm(vector))
        findings.append(finding)
    along = latents @ np.array(vectors, dtype=np.float32).T  # [N, K]
    return Directions(
        method="supervised",
        space=space,
        vectors=torch.from_numpy(np.array(vectors, dtype=np.float32)),
        scales=torch.from_numpy(along.std(axis=0, ddof=1)),
        layers=(layer_range(generator, layers),) * len(vectors) if space == "w" else (),
        names=tuple(scores),
        model=digest(generator),
        channels=channels,
        findings=tuple(findings),
        about={"samples": len(z), "held_back": int(held.sum()), "seed": seed},
    )


class _Frame:
    """Samples [N, D] in the coordinates of their singular vectors, in which a ridge is a division."""

    def __init__(self, latents: np.ndarray):
        self.mean = latents.mean(axis=0)
        u, lengths, self.vectors = np.linalg.svd(latents - self.mean, full_matrices=False)
        keep = lengths > lengths[0] * 1e-6
        self.u, self.lengths = u[:, keep].astype(np.float64), lengths[keep].astype(np.float64)  # [N, R], [R]
        self.vectors = self.vectors[keep]  # [R, D]

    def ridge(self, values: np.ndarray) -> float:
        """The strength of least generalised cross-validation error for values [N]."""
        centred = values - values.mean()
        part, count = self.u.T @ centred, len(values)  # [R]
        strengths = RIDGES * np.square(self.lengths).mean()
        shrink = np.square(self.lengths) / (np.square(self.lengths) + strengths[:, None])  # [ridges, R]
        left = centred @ centred - np.square(part).sum() + np.square((1 - shrink) * part).sum(axis=1)
        free = np.maximum(count - 1 - shrink.sum(axis=1), 1e-3 * count)
        return float(strengths[np.argmin(left / free**2)])

    def linear(self, values: np.ndarray) -> tuple[np.ndarray, float]:
        """Coefficients [D] and constant of the ridge regression of values [N]."""
        strength = self.ridge(values)
        part = self.u.T @ (values - values.mean()) * self.lengths / (np.square(self.lengths) + strength)
        coefficients = part @ self.vectors
        return coefficients, float(values.mean() - coefficients @ self.mean)

    def logistic(self, values: np.ndarray) -> tuple[np.ndarray, float]:
        """Coefficients [D] and constant of the logistic regression of values [N], 0 or 1."""
        found = _logistic(self.u * self.lengths, values, self.penalty(values))
        coefficients = found[:-1] @ self.vectors
        return coefficients, float(found[-1] - coefficients @ self.mean)

    def penalty(self, values: np.ndarray) -> float:
        """The strength with which four fifths of the samples tell the others' values [N], 0 or 1, best."""
        x, test = self.u * self.lengths, np.arange(len(values)) % 5 == 0  # [N, R], [N]
        signs, losses = 2 * values[test] - 1, []
        strengths = PENALTIES * np.square(self.lengths).mean()
        for strength in strengths:
            fitted = _logistic(x[~test], values[~test], strength)
            losses.append(np.logaddexp(0, -signs * (x[test] @ fitted[:-1] + fitted[-1])).mean())
        return float(strengths[np.argmin(losses)])


def _logistic(x: np.ndarray, values: np.ndarray, strength: float) -> np.ndarray:
    """[R + 1], coefficients and constant of least logistic loss, penalised, for x [N, R], values 0 or 1."""
    from scipy.optimize import minimize  # slow to import, and few need it
    from scipy.special import expit

    signs = 2 * values - 1

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        coefficients, margins = parameters[:-1], signs * (x @ parameters[:-1] + parameters[-1])
        slopes = -signs * expit(-margins)
        value = np.logaddexp(0, -margins).sum() + strength / 2 * coefficients @ coefficients
        return value, np.append(slopes @ x + strength * coefficients, slopes.sum())

    options = {"maxiter": 2000, "maxfun": 4000}
    return minimize(loss, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B", options=options).x


def _found(
    frame: _Frame,
    name: str,
    measured: Mapping[str, np.ndarray],
    latents: np.ndarray,
    held: np.ndarray,
    fit: Fit,
) -> tuple[np.ndarray, dict[str, Any]]:
    """The direction [D] of one attribute, and what the samples held back say of it."""
    values = measured[name]
    levels = np.unique(values)
    middle = (levels[0] + levels[1]) / 2 if len(levels) == 2 else np.median(values[~held])
    yes = values > middle
    if len(np.unique(yes[~held])) < 2:
        raise UsageError(f"'{name}' is the same for nearly all samples: take more of them")
    kind = ("logistic" if len(levels) == 2 else "linear") if fit == "auto" else fit
    targets = yes.astype(np.float64) if kind == "logistic" else values
    coefficients, constant = (frame.logistic if kind == "logistic" else frame.linear)(targets[~held])
    if not np.linalg.norm(coefficients) > 0:
        raise UsageError(f"'{name}' does not follow from these latents: no direction tells it")
    said = latents[held] @ coefficients + constant
    finding: dict[str, Any] = {
        "fit": kind,
        "accuracy": float(((said > (0 if kind == "logistic" else middle)) == yes[held]).mean()),
        "majority": float(max(yes[held].mean(), 1 - yes[held].mean())),
    }
    if kind == "linear":
        finding["r2"] = 1 - float(np.square(said - values[held]).mean() / max(values[held].var(), 1e-30))
    finding["correlations"] = {other: _correlation(said, v[held]) for other, v in measured.items()}
    return coefficients, finding


def _correlation(a: np.ndarray, b: np.ndarray) -> float | None:
    """Pearson's; None where one of them does not vary."""
    return None if a.std() == 0 or b.std() == 0 else float(np.corrcoef(a, b)[0, 1])


@torch.no_grad()
def _latents(
    generator: nn.Module, z: Tensor, c: Tensor | None, space: Space, layers: Range | None
) -> tuple[np.ndarray, tuple[tuple[str, int], ...]]:
    """[N, D] in float32, and of space s the channels that the entries are of."""
    if space == "z":
        return z.float().cpu().numpy(), ()
    w = generator.mapping.w(z, c)  # [N, D]
    if space == "w":
        return w.float().cpu().numpy(), ()
    first, stop = layer_range(generator, layers)
    names = [name for name, affine in affines(generator).items() if first <= affine.index < stop]
    parts, channels = [], ()
    for block in w.split(BLOCK):
        ws = block[:, None].expand(-1, generator.num_ws, -1)
        part, channels = joined(styles(generator, ws, names))
        if part.shape[1] * len(w) > LARGEST:
            raise UsageError(f"{len(w)} samples of {part.shape[1]} styles are too many: take fewer layers")
        parts.append(part.float().cpu())
    return torch.cat(parts).numpy(), channels


def _checked(name: str, values: Tensor, count: int) -> np.ndarray:
    """[N] in float64. UsageError for what nothing can be fitted to."""
    numbers = torch.as_tensor(values).double().cpu().numpy()
    if count < LEAST:
        raise UsageError(f"{count} samples are too few to learn from: give {LEAST} or more")
    if numbers.shape != (count,):
        raise UsageError(f"'{name}' gives {list(numbers.shape)} values for {count} samples; give one each")
    if not np.isfinite(numbers).all():
        raise UsageError(f"'{name}' is not a finite number for every sample")
    if numbers.min() == numbers.max():
        raise UsageError(f"'{name}' is {numbers[0]:g} for every sample: there is nothing to learn")
    return numbers

"""Diversity of a set of images by itself: MS-SSIM and LPIPS between random pairs, Vendi score.

None of them looks at real images: a set of noise is diverse. Rate the real images as well, and compare.

Letters: N images, P pairs, C channels, H rows, W columns, D features.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gan import distributed
from metrics.features import Moments
from metrics.rows import Rows, as_rows, unit

# Exponents of Wang et al. (2003), finest scale first; they sum to 1 but for rounding.
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_WINDOW, _SIGMA = 11, 1.5  # of the Gaussian, in pixels
_K1, _K2 = 0.01, 0.03


@dataclass(frozen=True)
class PairMean:
    """value: mean over pairs. standard_error: their deviation over the root of their number.

    That is the error over other pairs of these images. pairs, values: int64 [P, 2] and float64 [P], each.
    """

    value: float
    standard_error: float
    pairs: Tensor = field(compare=False, repr=False)
    values: Tensor = field(compare=False, repr=False)


def mean_over_pairs(
    measure: Callable[[Tensor, Tensor], Tensor],
    images: Tensor | np.ndarray,
    *,
    pairs: int = 10_000,
    labels: Sequence[int] | None = None,
    seed: int = 0,
    batch: int = 32,
) -> PairMean:
    """Mean of a similarity or distance over random pairs of different images [N, C, H, W].

    measure: two batches [n, C, H, W] -> [n]. With `ms_ssim` lower is more diverse: natural sets have 0.1 to
    0.4, a collapsed one nears 1 (Odena et al. 2017, section 4.2). With LPIPS higher is more diverse, 0 is
    collapse. labels: class of each image, then both images of a pair are of one class. Pairs: `random_pairs`.
    batch: pairs per call of `measure`, which bounds its memory.
    """
    images = torch.as_tensor(images)
    chosen = random_pairs(len(images), pairs, labels=labels, seed=seed).to(images.device)
    batch = min(batch, pairs)

    @torch.inference_mode()
    def measured(index: int) -> Tensor:
        part = chosen[index * batch :][:batch]
        part = torch.cat([part, part[-1:].expand(batch - len(part), -1)])  # always the same shape
        return measure(images[part[:, 0]], images[part[:, 1]]).double()

    values = torch.cat(list(distributed.dealt(measured, math.ceil(pairs / batch))))[:pairs]
    error = values.std(correction=0).item() / len(values) ** 0.5
    return PairMean(values.mean().item(), error, chosen, values)


def random_pairs(count: int, pairs: int, *, labels: Sequence[int] | None = None, seed: int = 0) -> Tensor:
    """int64 [P, 2], both different and from [0, count), drawn with `numpy.random.RandomState(seed)`.

    The first is uniform over all images, or with labels over those whose class has another; the second is
    uniform over the others (of its class). A pair may come twice.
    Raises ValueError without a pair to draw from, pairs < 1, or labels of another number.
    """
    kinds = np.zeros(count, dtype=np.int64) if labels is None else np.asarray(labels)
    if len(kinds) != count or pairs < 1:
        raise ValueError(f"{pairs} pairs of {count} images with {len(kinds)} labels: at least 1, and as many")
    order = np.argsort(kinds, kind="stable")  # classes one after the other
    _, kind, sizes = np.unique(kinds, return_inverse=True, return_counts=True)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    place = np.empty(count, dtype=np.int64)
    place[order] = np.arange(count) - np.repeat(starts, sizes)  # of each image within its class
    eligible = np.flatnonzero(sizes[kind] > 1)
    if len(eligible) == 0:
        raise ValueError(f"no two of {count} images are of one class: there is no pair to compare")
    rng = np.random.RandomState(seed)
    first = eligible[rng.randint(len(eligible), size=pairs)]
    step = 1 + rng.randint(sizes[kind[first]] - 1)  # how far the second is behind, around the class
    second = order[starts[kind[first]] + (place[first] + step) % sizes[kind[first]]]
    return torch.from_numpy(np.stack([first, second], axis=1))


def ms_ssim(a: Tensor, b: Tensor, *, value_range: float = 255.0) -> Tensor:
    """Multi-scale structural similarity of images [N, C, H, W] -> float64 [N] (Wang et al. 2003, eq. 7).

    In [0, 1], 1 for equal images; negative structure counts as 0. Five scales by 2x2 averages, a Gaussian
    window of 11 pixels and deviation 1.5, no padding. At a scale smaller than that, the window is as large
    as the image and its deviation in proportion. Channels are compared apart, then averaged.
    value_range: largest possible value minus the smallest. ValueError for other shapes or sides below 16.
    """
    if a.shape != b.shape or a.ndim != 4 or min(a.shape[2:]) < 2 ** (len(WEIGHTS) - 1):
        raise ValueError(
            f"need two batches of images of at least 16 pixels: {list(a.shape)}, {list(b.shape)}"
        )
    a, b = a.double(), b.double()
    product = torch.ones(a.shape[:2], dtype=torch.float64, device=a.device)
    for scale, weight in enumerate(WEIGHTS):
        if scale:
            a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
        luminance, structure = _similarity(a, b, value_range)
        factor = structure if scale < len(WEIGHTS) - 1 else luminance * structure
        product = product * factor.mean(dim=(2, 3)).clamp_min(0) ** weight
    return product.mean(dim=1)


def ssim(a: Tensor, b: Tensor, *, value_range: float = 255.0) -> Tensor:
    """Structural similarity of images [N, C, H, W] -> float64 [N] (Wang et al. 2004, eq. 13).

    The mean over places, by the window of `ms_ssim`, and over channels; 1 for equal images. ValueError for
    other shapes.
    """
    if a.shape != b.shape or a.ndim != 4:
        raise ValueError(f"need two batches of images of one shape: {list(a.shape)}, {list(b.shape)}")
    luminance, structure = _similarity(a.double(), b.double(), value_range)
    return (luminance * structure).mean(dim=(1, 2, 3))


def vendi_score(rows: Rows) -> float:
    """Effective number of different rows [N, D] by cosine similarity (Friedman & Dieng 2023, definition 3.1).

    exp of the entropy of the eigenvalues of K / N, K_ij = x_i . x_j / (|x_i| |x_j|). In [1, min(N, D)]:
    1 for equal directions, N for orthogonal ones. Higher is more diverse. ValueError for a row of zeros.
    """
    rows = as_rows(rows, "features")
    if len(rows) < rows.dim:
        directions = unit(rows.whole())  # no more of them than one has features
        return vendi_score_of_similarities(directions @ directions.T)
    outer = Moments.of_batches(unit(block) for _, block in rows.blocks()).outer
    return exponential_entropy(outer / len(rows))  # which has the eigenvalues of K that are not zero


def vendi_score_of_similarities(similarities: Tensor) -> float:
    """The same for any symmetric, positive semi-definite K [N, N] with ones on its diagonal.

    Raises ValueError where it is not square or its diagonal is not 1.
    """
    k = similarities.double()
    if k.ndim != 2 or k.shape[0] != k.shape[1] or (k.diagonal() - 1).abs().max() > 1e-6:
        raise ValueError("similarities must be [N, N] with ones on the diagonal")
    return exponential_entropy(k / len(k))


def _similarity(a: Tensor, b: Tensor, value_range: float) -> tuple[Tensor, Tensor]:
    """Luminance, and contrast times structure, at every place (Wang et al. 2003, eq. 1 to 3)."""
    c1, c2 = (_K1 * value_range) ** 2, (_K2 * value_range) ** 2
    mean_a, mean_b = _blur(a), _blur(b)
    var_a, var_b = _blur(a * a) - mean_a**2, _blur(b * b) - mean_b**2
    cov = _blur(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return luminance, (2 * cov + c2) / (var_a + var_b + c2)


def _blur(x: Tensor) -> Tensor:
    """Gaussian mean of every window that lies inside, rows and columns as products with band matrices."""
    rows, columns = (_band(size).to(x) for size in x.shape[2:])
    return rows @ x @ columns.T


def _band(size: int) -> Tensor:
    """[places of the window, size], float64: row i holds the window's weights from column i on."""
    window = min(_WINDOW, size)
    offsets = torch.arange(window, dtype=torch.float64) - (window - 1) / 2
    taps = (-(offsets**2) / (2 * (_SIGMA * window / _WINDOW) ** 2)).exp()
    band = torch.zeros(size - window + 1, size, dtype=torch.float64)
    for place, row in enumerate(band):
        row[place : place + window] = taps / taps.sum()
    return band


def exponential_entropy(matrix: Tensor) -> float:
    """exp(-sum l log l) over the eigenvalues l of a symmetric matrix of trace 1."""
    values = torch.linalg.eigvalsh(matrix).clamp_min(0)
    return math.exp(-torch.xlogy(values, values).sum().item())

"""Centres of w that truncation moves towards: of all, of each class, or the nearest of several.

One average suits data with one mode. Towards the average of several modes, truncation loses them, or draws
what lies between; towards the nearest of several centres it keeps them: multimodal truncation (Mokady et al.
2022, "Self-Distilled StyleGAN: Towards Generation from Internet Photos", section 4).

Letters: N samples, M draws of w, K centres or classes, L layers, D latent size.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from gan.errors import UsageError
from gan.latents.abilities import require_styles
from gan.latents.seeds import checked_seed

CENTERS = 64  # found where nobody says how many
DRAWS = 10_000  # of w, from which centres are found
_BATCH = 1000


@torch.no_grad()
def drawn_w(generator: nn.Module, count: int, seed: int = 0, c: Tensor | None = None) -> Tensor:
    """w of `count` random z -> [M, D], on the generator's device, not truncated.

    seed: decides z, unit normal. c: conditions [K', c_dim] of a conditional model, used in turn.
    Raises UsageError for a model without styles, for count < 1, and where conditions are missing.
    """
    require_styles(generator, "sampled in w")
    if count < 1:
        raise UsageError(f"{count} draws of w; give 1 or more")
    if generator.c_dim and c is None:
        raise UsageError("this model is conditional: give c, the conditions that w is drawn for")
    stream, device = np.random.RandomState(checked_seed(seed)), next(generator.parameters()).device
    parts = []
    for start in range(0, count, _BATCH):
        size = min(_BATCH, count - start)
        z = torch.from_numpy(stream.standard_normal((size, generator.z_dim)).astype(np.float32)).to(device)
        rows = None if c is None else c.to(device)[torch.arange(start, start + size, device=device) % len(c)]
        parts.append(generator.mapping(z, rows)[:, 0])
    return torch.cat(parts)


def class_centers(
    generator: nn.Module, draws: int = 1000, seed: int = 0, classes: Sequence[int] | None = None
) -> Tensor:
    """Mean w of each class -> [K, D]: row k is of `draws` random z under class k, the same z for all.

    classes: those that are needed, None for all; the rows of the others are zero.
    Raises UsageError for a model without classes or without styles.
    """
    require_styles(generator, "truncated")
    if not generator.c_dim:
        raise UsageError("this model has no classes, so no centre of each; use the global or nearest centre")
    eye, needed = torch.eye(generator.c_dim), range(generator.c_dim) if classes is None else classes
    means = {k: drawn_w(generator, draws, seed, eye[k : k + 1]).mean(dim=0) for k in needed}
    zero = torch.zeros_like(next(iter(means.values())))
    return torch.stack([means.get(k, zero) for k in range(generator.c_dim)])


def find_centers(w: Tensor, count: int = CENTERS, seed: int = 0, restarts: int = 3) -> Tensor:
    """Centres [K, D] of w [M, D] by k-means: k-means++ starts, Lloyd's iterations by SciPy.

    restarts: of which the one with the smallest mean squared distance is kept. seed: decides the starts.
    Raises UsageError unless 1 <= count <= M.
    """
    from scipy.cluster import vq

    if not 1 <= count <= len(w):
        raise UsageError(f"cannot find {count} centres of {len(w)} w; use 1 to {len(w)}")
    if (distinct := len(torch.unique(w, dim=0))) < count:
        raise UsageError(f"cannot find {count} centres: only {distinct} of the {len(w)} w differ")
    points, best = w.detach().cpu().double().numpy(), None
    for restart in range(max(restarts, 1)):
        rng = np.random.default_rng([checked_seed(seed), restart])
        centers, _ = vq.kmeans2(points, _spread(points, count, rng), iter=50, minit="matrix")
        error = float((vq.vq(points, centers)[1] ** 2).mean())
        if best is None or error < best[0]:
            best = error, centers
    return torch.from_numpy(best[1]).to(w)


def _spread(points: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` of the points [M, D], far apart: each drawn by its squared distance from those before it.

    k-means++ (Arthur and Vassilvitskii 2007, section 2.2); SciPy's own measures all distances anew for each,
    which takes seconds in 512 dimensions.
    """
    chosen = [rng.integers(len(points))]
    squares = np.full(len(points), np.inf)
    while len(chosen) < count:
        squares = np.minimum(squares, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
        chosen.append(rng.choice(len(points), p=squares / squares.sum()))
    return points[chosen]


def nearest(ws: Tensor, centers: Tensor) -> Tensor:
    """Number of the centre that each sample is nearest to, by Euclidean distance over all layers -> [N].

    ws: [N, L, D] or w [N, D]. centers: [K, D].
    """
    w = ws.mean(dim=1) if ws.ndim == 3 else ws  # the sum over layers of |w_l - c|^2 is least where this is
    return torch.cdist(w.to(centers), centers).argmin(dim=1)


def nearest_center(ws: Tensor, centers: Tensor) -> Tensor:
    """The centre that each sample is nearest to -> [N, D], what `truncate` takes."""
    return centers[nearest(ws, centers)]

"""Perceptual path length (Karras et al. 2019, section 4.1): how abruptly images change along latents.

    PPL = E d(G(l(t)), G(l(t + eps))) / eps^2

d is a perceptual distance, squared as LPIPS is; l interpolates two random latents, along a great circle in z
or a straight line in w. t is 0 ("end") or uniform in [0, 1] ("full"). Lower is smoother, 0 for a constant
generator; no upper bound. A collapsed generator is smooth too: read it beside a measure of diversity.

Letters: N pairs, L style layers, D latent size, K classes, C channels, H rows, W columns.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from gan import distributed
from gan.images import rgb_view
from gan.latents import lerp, slerp
from gan.sampling import Labels, as_conditions, chosen, drawn_from, has_styles

Space = Literal["z", "w"]
Features = Callable[[Tensor], Tensor]  # images [N, 3, H, W], about -1..1 -> [N, F]; |difference|^2 is d


@dataclass(frozen=True)
class PathLength:
    """value: mean of the kept distances. standard_error: their deviation over the root of their number.

    kept: how many. distances: float64 [N], all of them in the order of the pairs.
    """

    value: float
    standard_error: float
    kept: int
    distances: Tensor = field(compare=False, repr=False)


def perceptual_path_length(
    generator: nn.Module,
    features: Features,
    *,
    space: Space = "w",
    sampling: Literal["end", "full"] = "end",
    epsilon: float = 1e-4,
    crop: bool = False,
    noise: Literal["fresh", "const"] = "fresh",
    samples: int = 50_000,
    labels: Labels | None = None,
    seed: int = 0,
    batch: int = 8,
    progress: Callable[[int], None] = lambda count: None,
) -> PathLength:
    """PPL of a generator over `samples` random pairs of latents.

    generator, features, space, epsilon, crop: as in `path_distances`. labels: class of each pair, or its
    vector [samples, K]; None draws it uniformly from what the model was trained with. noise: "fresh" draws
    the noise of each pair, "const" keeps the trained buffers; both images of a pair always share it. batch:
    pairs per call of the network.
    progress: called with the number of pairs just measured.
    The distances beyond the 1 % and 99 % order statistics are left out. Raises ValueError for fewer than 2
    samples, labels of another number, and what `path_distances` raises.
    """
    if samples < 2 or (labels is not None and len(labels) != samples):
        given = "no" if labels is None else len(labels)
        raise ValueError(f"{samples} samples with {given} labels: at least 2, and as many")

    def distances(index: int) -> Tensor:
        places = [min(index * batch + i, samples - 1) for i in range(batch)]  # always the same shape
        conditions = None if labels is None else _picked(labels, places)
        z0, z1, t, c, drawn = _drawn(generator, places, conditions, seed, noise == "fresh")
        t = t if sampling == "full" else torch.zeros_like(t)
        shape = {"space": space, "epsilon": epsilon, "crop": crop}
        return path_distances(generator, features, z0, z1, t, c, **shape, noise=drawn)

    found = []
    for part in distributed.dealt(distances, math.ceil(samples / batch)):
        found.append(part[: samples - batch * len(found)])
        progress(len(found[-1]))
    return trimmed_mean(torch.cat(found))


def _picked(labels: Labels, places: Sequence[int]) -> Labels:
    """Those of the labels, classes or vectors."""
    return labels[list(places)] if isinstance(labels, Tensor) else [labels[i] for i in places]


@torch.inference_mode()
def path_distances(
    generator: nn.Module,
    features: Features,
    z0: Tensor,
    z1: Tensor,
    t: Tensor,
    c: Tensor | None = None,
    *,
    space: Space = "w",
    epsilon: float = 1e-4,
    crop: bool = False,
    noise: Mapping[str, Tensor] | None = None,
) -> Tensor:
    """d(G(l(t)), G(l(t + epsilon))) / epsilon^2 of each pair of latents -> float64 [N].

    generator: with `mapping` and `synthesis`, or only `G(z, c)`, which has no space "w".
    features: images [N, 3, H, W] with values about -1..1 -> rows [N, F] whose squared differences sum to d.
    z0, z1: [N, D]. t: [N]. c: one-hot [N, K] or None.
    crop: only the middle of the image, where faces are: in eighths of it the rows 3 to 7, columns 2 to 6.
    noise: buffers of `synthesis` to use instead of its own, by name, [N, 1, h, w] each.
    Generators of 512 pixels or more (the shorter side) have blocks of side // 256 averaged, for perceptual
    networks are made for small images. Of other than three channels the `gan.images.rgb_view` is taken.
    Raises ValueError for an unknown space, and for "w" with a generator that has none.
    """
    if space not in ("z", "w") or (space == "w" and not has_styles(generator)):
        raise ValueError(f"space {space!r}: 'z', or 'w' for a generator with a style space")
    t, pairs = t.to(z0), []
    for at in (t, t + epsilon):
        if space == "w":
            ends = [generator.mapping(z, c) for z in (z0, z1)]  # [N, L, D]
            pairs.append(lerp(*ends, at[:, None, None]))
            continue
        z = slerp(z0, z1, at[:, None])  # unit vectors: a mapping network scales them itself
        pairs.append(generator.mapping(z, c) if has_styles(generator) else z * math.sqrt(z.shape[1]))
    images = _render(generator, torch.cat(pairs), c, noise)  # [2 N, C, H, W]
    a, b = features(_prepared(images, crop)).double().chunk(2)
    return (a - b).square().flatten(1).sum(1) / epsilon**2


def trimmed_mean(distances: Tensor, low: float = 0.01, high: float = 0.99) -> PathLength:
    """Mean of distances [N] from the order statistic floor(low (N - 1)) to ceil(high (N - 1)), both included.

    Raises ValueError for no distance, or one that is NaN.
    """
    ordered = distances.double().sort().values
    if len(ordered) == 0 or ordered.isnan().any():
        raise ValueError("path length needs at least one distance, and none that is NaN")
    last = len(ordered) - 1
    bounds = ordered[math.floor(low * last)], ordered[math.ceil(high * last)]
    kept = ordered[(ordered >= bounds[0]) & (ordered <= bounds[1])]
    error = kept.std(correction=0) / len(kept) ** 0.5
    return PathLength(kept.mean().item(), error.item(), len(kept), distances)


def _render(
    generator: nn.Module, latents: Tensor, c: Tensor | None, noise: Mapping[str, Tensor] | None
) -> Tensor:
    """Both images of every pair: [2 N, ...] -> [2 N, C, H, W]; they share class and noise."""
    if not has_styles(generator):
        return generator(latents, None if c is None else torch.cat([c, c]))
    if not noise:
        return generator.synthesis(latents, noise="const")
    shared = {name: torch.cat([value, value]) for name, value in noise.items()}
    return torch.func.functional_call(generator.synthesis, shared, (latents,), {"noise": "const"})


def _prepared(images: Tensor, crop: bool) -> Tensor:
    """[N, C, H, W] -> [N, 3, h, w], cropped and averaged down."""
    images = rgb_view(images)
    factor = min(images.shape[2:]) // 256
    if crop:
        u, v = images.shape[2] // 8, images.shape[3] // 8
        images = images[:, :, 3 * u : 7 * u, 2 * v : 6 * v]
    return torch.nn.functional.avg_pool2d(images, factor) if factor > 1 else images


def _drawn(
    generator: nn.Module, indices: Sequence[int], labels: Labels | None, seed: int, fresh: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor | None, dict[str, Tensor] | None]:
    """z0, z1 [N, D], t [N], c [N, K], noise of the pairs `indices`, each from (seed, its index)."""
    weight = next(generator.parameters())
    streams = [np.random.RandomState([seed, index]) for index in indices]
    z = np.stack([rng.standard_normal((2, generator.z_dim)) for rng in streams], axis=1)
    t = np.array([rng.uniform() for rng in streams])
    z, t = torch.from_numpy(z).to(weight), torch.from_numpy(t).to(weight)
    keys = [int(rng.randint(2**31)) for rng in streams]
    numbers = drawn_from(generator) or [0]
    drawn = [numbers[rng.randint(len(numbers))] for rng in streams]
    c = None
    if generator.c_dim:
        c = chosen(generator, drawn) if labels is None else as_conditions(labels, generator.c_dim)
        c = c.to(weight)
    noise = dict(_fresh_noise(generator.synthesis, keys)) if fresh and has_styles(generator) else None
    return z[0], z[1], t, c, noise


def _fresh_noise(synthesis: nn.Module, keys: Sequence[int]) -> Iterator[tuple[str, Tensor]]:
    """(name, standard normal [N, 1, h, w]) for each noise buffer; row i is drawn from keys[i]."""
    buffers = {n: b for n, b in synthesis.named_buffers() if n.rpartition(".")[2] == "noise_const"}
    if not buffers:
        return
    device = next(iter(buffers.values())).device
    streams = [torch.Generator(device).manual_seed(key) for key in keys]
    for name, buffer in buffers.items():
        rows = [
            torch.randn(1, *buffer.shape, generator=g, device=device, dtype=buffer.dtype) for g in streams
        ]
        yield name, torch.stack(rows)

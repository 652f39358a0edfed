"""SeFa: directions in closed form, from the weights of the affines (Shen and Zhou 2021).

"Closed-Form Factorization of Latent Semantics in GANs": moving w by a unit vector n changes the styles of the
chosen layers by A n, where A holds the rows of their affines' weights. The n that changes them most are the
eigenvectors of A^T A with the largest eigenvalues (eq. 4 to 7). No image is made, no label is needed.
"""

import torch
from torch import Tensor, nn

from gan.latents.directions import Directions, Range, layer_range, numbered, oriented
from gan.latents.drawn import Drawn
from gan.latents.styles import affines
from gan.networks.base import digest

SAMPLES = 2000  # of w, for the scale alone


@torch.no_grad()
def sefa(
    generator: nn.Module,
    count: int = 10,
    *,
    layers: Range | None = None,
    drawn: Drawn | None = None,
) -> Directions:
    """The `count` directions of w that change the styles of `layers` most, and move these layers.

    layers: [start, stop) of ws, None for all; every convolution that reads one of them counts, ToRGB's too.
    StyleGAN3's input is left out: it turns and moves the picture, and would drown all else.
    drawn: of which w the scales are; None: 2000 of seed 0.
    count: at most the size of w, which is what there are.
    `explained` is each eigenvalue's part of their sum. `about` tells the layers by name.
    Raises UsageError for a generator without style space (R3GAN, SNGAN, ...) and for layers it does not have.
    """
    found = affines(generator)
    first, stop = layer_range(generator, layers)
    chosen = {name: a for name, a in found.items() if first <= a.index < stop and name != "input"}
    rows = [affine.layer.weight.double() * affine.layer.weight_gain for affine in chosen.values()]
    values, vectors = factorized(rows)
    count = min(count, len(values))
    vectors = oriented(vectors[:count])
    drawn = drawn or Drawn(generator=generator, count=SAMPLES)
    return Directions(
        method="sefa",
        space="w",
        vectors=vectors.float().cpu(),
        scales=drawn.scales(vectors.float(), "w"),
        layers=((first, stop),) * count,
        names=numbered("sefa", count),
        model=digest(generator),
        explained=(values[:count] / values.sum()).float().cpu(),
        about={"layers": list(chosen), "samples": drawn.count, "seed": drawn.seed},
    )


def factorized(weights: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Weights [C, D] each -> eigenvalues [D], descending, and unit eigenvectors [D, D], in rows, of A^T A."""
    gram = sum(weight.T @ weight for weight in weights)  # [D, D]: A itself is never laid out
    values, vectors = torch.linalg.eigh(gram)
    return values.flip(0).clamp_min(0), vectors.T.flip(0)

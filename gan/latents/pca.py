"""GANSpace: principal components of w, of z, or of a layer's features (Haerkoenen et al. 2020).

"GANSpace: Discovering Interpretable GAN Controls". Of StyleGAN2 and 3 the components of w itself (section
3.2). Elsewhere, and where asked for, those of a layer's features y: with x_j the coordinates of sample j, the
directions are the rows of the U that best gives back its latent, sum_j |x_j U - w_j|^2 (section 3.3).

Letters: K components, D size of the latents, N samples.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from gan.errors import UsageError
from gan.latents.directions import Directions, Range, Space, has_w, layer_range, numbered, oriented
from gan.latents.drawn import Drawn
from gan.latents.features import feature_layers, features
from gan.latents.streamed import Incremental, Moments, regression
from gan.networks.base import digest

WIDEST = 2048  # values a sample whose whole covariance is kept
SPARE = 22  # components kept beyond twice those asked for, where it is not
BLOCK = 32 * 2**20  # values of features in memory at once
LARGEST = 256 * 2**20  # values of the components kept: 1 GiB


def pca(
    generator: nn.Module,
    count: int = 10,
    *,
    space: Space | None = None,
    features_of: str | None = None,
    layers: Range | None = None,
    drawn: Drawn | None = None,
) -> Directions:
    """The `count` directions along which w, z or a layer's features vary most.

    space: w or z, of the directions; None: w where there is one, else z. features_of: a layer, see
    `feature_layers`; None: the latents themselves; for a model without w its first block, where it has any,
    since its z varies alike in all directions by definition.
    layers: [start, stop) of ws that they move, None for all. drawn: the samples; None: 10,000 of seed 0.
    `explained` is of the variance of w, z or the features. Raises UsageError for a space or a layer that
    the generator does not have, and for features too large to keep components of.
    """
    with_w = has_w(generator)
    if features_of is None and space is None and not with_w:
        features_of = next(iter(feature_layers(generator)), None)
    space = space or ("w" if with_w else "z")
    if space == "s" or (space == "w" and not with_w):
        raise UsageError(f"no components in space {space} for this model; use {'w or z' if with_w else 'z'}")
    ranges = (layer_range(generator, layers),) if space == "w" else ()
    if layers and not ranges:
        raise UsageError("layers belong to space w: z enters the network at one place; leave them out")
    drawn = drawn or Drawn(generator=generator)
    count = min(count, generator.w_dim if space == "w" else generator.z_dim, drawn.count - 1)
    if features_of is None:
        moments = Moments()
        for block in drawn.latents(space):
            moments.add(block)
        variances, vectors, explained = moments.components(count)
        vectors, scales = oriented(vectors).float().cpu(), variances.sqrt().float().cpu()
    else:
        vectors, explained = _of_features(drawn, features_of, space, count)
        scales = drawn.scales(vectors, space)
    return Directions(
        method="pca",
        space=space,
        vectors=vectors,
        scales=scales,
        layers=ranges * len(vectors),
        names=numbered("pca", len(vectors)),
        model=digest(generator),
        explained=explained.float().cpu(),
        about={"features": features_of, "samples": drawn.count, "seed": drawn.seed},
    )


@torch.no_grad()
def _of_features(drawn: Drawn, layer: str, space: Space, count: int) -> tuple[Tensor, Tensor]:
    """Directions [K, D] of length 1, and the part of the features' variance that each explains [K]."""
    generator = drawn.generator
    z, c = next(drawn.blocks(1, "looking"))
    width = features(generator, layer, z, c).shape[1]
    kept = 2 * count + SPARE
    if kept * width > LARGEST:
        raise UsageError(
            f"layer {layer} has {width:,} values: too many to keep {count} components of; "
            f"take an earlier one, such as {feature_layers(generator)[0]}, or fewer"
        )
    model = Moments() if width <= WIDEST else Incremental(kept)
    size = max(min(BLOCK // width, 4 * kept), 1)
    for z, c in drawn.blocks(size, f"features of {layer}"):
        model.add(features(generator, layer, z, c))
    mean = (model.mean() if isinstance(model, Moments) else model.mean).float()
    variances, components, explained = model.components(min(count, width))
    if not variances[-1] > 0:
        raise UsageError(
            f"the features of {layer} vary in fewer than {len(variances)} directions: ask for fewer"
        )

    def pairs() -> Iterator[tuple[Tensor, Tensor]]:
        for z, c in drawn.blocks(size, "back to latents"):
            x = (features(generator, layer, z, c) - mean) @ components.T.float()
            yield x, generator.mapping.w(z, c) if space == "w" else z

    return oriented(regression(pairs())).float().cpu(), explained

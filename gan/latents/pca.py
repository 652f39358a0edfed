"""GANSpace: principal components of w, of z, of styles, or of a layer's features (Haerkoenen et al. 2020).

"GANSpace: Discovering Interpretable GAN Controls". Of StyleGAN2 and 3 the components of w itself (section
3.2). Elsewhere, and where asked for, those of a layer's features y: with x_j the coordinates of sample j, the
directions are the rows of the U that best gives back its latent, sum_j |x_j U - w_j|^2 (section 3.3). Not the
paper's: the same components of the styles s of a range of layers, side by side.

Letters: K components, D size of the latents, N samples, L style inputs (layers) of the synthesis network.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from gan.errors import UsageError, unknown
from gan.latents.directions import Directions, Range, Space, has_w, layer_range, numbered, oriented, spaces
from gan.latents.drawn import Drawn
from gan.latents.features import feature_layers, features
from gan.latents.streamed import Incremental, Moments, regression
from gan.latents.styles import affines, joined, styles
from gan.networks.base import digest

WIDEST = 2048  # values a sample whose whole covariance is kept
SPARE = 22  # components kept beyond twice those asked for, where it is not
BLOCK = 32 * 2**20  # values of features in memory at once
BLOCK_OF_STYLES = 500  # samples at once, which is what a decomposition of many styles takes best
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
    """The `count` directions along which w, z, styles or a layer's features vary most.

    space: w, z or s, of the directions; None: w where there is one, else z. features_of: a layer, see
    `feature_layers`; None: the latents themselves; for a model without w its first block, where it has any,
    since its z varies alike in all directions by definition.
    layers: [start, stop) of ws, None for all: what a direction in w moves, and which styles one in s is made
    of; StyleGAN3's input is no part of them, as its values are a place and no style.
    drawn: the samples; None: 10,000 of seed 0.
    `explained` is of the variance of w, z, the styles or the features. Raises UsageError for a space or a
    layer that the generator does not have, and for features too large to keep components of.
    """
    with_w = has_w(generator)
    if features_of is None and space is None and not with_w:
        features_of = next(iter(feature_layers(generator)), None)
    space = space or ("w" if with_w else "z")
    if space not in spaces(generator):
        raise UsageError(unknown("space of this model", space, spaces(generator)))
    if space == "s" and features_of is not None:
        raise UsageError("features are told back to w or z, not to styles: leave --features or --space s out")
    if space == "z" and layers:
        raise UsageError("layers belong to spaces w and s: z enters at one place; leave them out")
    ranges = (layer_range(generator, layers),) if space == "w" else ()
    drawn = drawn or Drawn(generator=generator)
    count, channels = min(count, drawn.count - 1), ()
    if space == "s":
        channels, scales, vectors, explained = _of_styles(drawn, layer_range(generator, layers), count)
    elif features_of is None:
        moments = Moments()
        for block in drawn.latents(space):
            moments.add(block)
        variances, vectors, explained = moments.components(min(count, _size(generator, space)))
        scales = variances.sqrt()
    else:
        vectors, explained = _of_features(drawn, features_of, space, min(count, _size(generator, space)))
        scales = drawn.scales(vectors, space)
    return Directions(
        method="pca",
        space=space,
        vectors=oriented(vectors).float().cpu(),
        scales=scales.float().cpu(),
        layers=ranges * len(vectors),
        channels=channels,
        names=numbered("pca", len(vectors)),
        model=digest(generator),
        explained=explained.float().cpu(),
        about={"features": features_of, "samples": drawn.count, "seed": drawn.seed},
    )


def _size(generator: nn.Module, space: Space) -> int:
    return generator.w_dim if space == "w" else generator.z_dim


@torch.no_grad()
def _of_styles(
    drawn: Drawn, layers: Range, count: int
) -> tuple[tuple[tuple[str, int], ...], Tensor, Tensor, Tensor]:
    """(layer, channels) of the styles of these layers; deviations [K], components [K, D], explained [K]."""
    generator, (first, stop) = drawn.generator, layers
    names = [n for n, affine in affines(generator).items() if first <= affine.index < stop and n != "input"]
    if not names:
        raise UsageError(f"layers {first} to {stop - 1} give no convolution its style; name others")
    widths = [affines(generator)[name].layer.bias.numel() for name in names]
    kept, width = 2 * count + SPARE, sum(widths)
    model = Moments() if width <= WIDEST else Incremental(kept)
    for z, c in drawn.blocks(max(min(BLOCK // width, BLOCK_OF_STYLES), 1), "styles"):
        model.add(joined(styles(generator, generator.mapping(z, c), names))[0])
    variances, components, explained = model.components(min(count, width))
    return tuple(zip(names, widths, strict=True)), variances.sqrt(), components, explained


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

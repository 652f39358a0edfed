"""Style space s: what each affine of a synthesis network gives its convolution (Wu et al. 2021, StyleSpace).

Of the spaces of latents it is the most disentangled: one channel of one layer often moves one thing alone.
StyleGAN2 and StyleGAN3 have it. Layers have the names of the network's modules (`b8.conv0`, `b8.torgb`;
`L3_52_128`); of StyleGAN3, `input` holds the four numbers that turn and move the Fourier features.

Letters: N samples, L style inputs (layers) of the synthesis network, D size of w, C channels of a layer.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from gan.errors import UsageError, unknown
from gan.networks.base import Affine, Noise

Styles = dict[str, Tensor]  # layer -> [N, C]


def has_style_space(generator: nn.Module) -> bool:
    """Whether styles can be read and written, which takes more than a w."""
    return getattr(generator, "num_ws", 0) > 0 and hasattr(generator.synthesis, "affines")


def affines(generator: nn.Module) -> dict[str, Affine]:
    """Every affine by the name of its layer, in the network's order, with the number of the w that it reads.

    Raises UsageError for a generator without a style space.
    """
    if not has_style_space(generator):
        kind = getattr(getattr(generator, "config", None), "type", type(generator).__name__)
        raise UsageError(f"a {kind} generator has no style space s; StyleGAN2 and StyleGAN3 have one")
    return generator.synthesis.affines()


def styles(generator: nn.Module, ws: Tensor, layers: Sequence[str] | None = None) -> Styles:
    """The styles that ws [N, L, D] gives the named layers, None for all -> layer -> [N, C].

    They are the affines' results as they are: for ToRGB, before its constant gain.
    Raises UsageError as `affines` does, and for a layer that the network does not have.
    """
    found = affines(generator)
    for name in layers or ():
        if name not in found:
            raise UsageError(unknown("layer", name, found))
    chosen = found if layers is None else {name: found[name] for name in layers}
    return {name: affine.layer(ws[:, affine.index]) for name, affine in chosen.items()}


def render(
    generator: nn.Module, given: Mapping[str, Tensor], noise: Noise = "const", ws: Tensor | None = None
) -> Tensor:
    """Styles, layer -> [N, C] -> image [N, channels, H, W], about [-1, 1].

    ws: [N, L, D], from which the layers that are not given get their styles; None: every layer is given.
    With the very styles of some ws, the image is bit for bit that of ws. Nothing of the generator changes.
    Raises UsageError as `affines` does, for styles of another name or shape, and for missing ones.
    """
    found = affines(generator)
    if ws is None:
        if missing := [name for name in found if name not in given]:
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            raise UsageError(f"no style for {', '.join(missing[:3])}{more}; give all layers, or ws as well")
        count, like = len(next(iter(given.values()))), next(iter(found.values())).layer.bias
        ws = like.new_zeros(1, 1, 1).expand(count, generator.num_ws, generator.w_dim)  # not read
    return generator.synthesis(ws, noise=noise, styles=given)


def edited(
    given: Mapping[str, Tensor], layer: str, channel: int, change: Callable[[Tensor], Tensor]
) -> Styles:
    """A copy of the styles in which `change` has been applied to one channel's values [N] of a layer.

    Raises UsageError for a layer that is not given, or a channel that it does not have.
    """
    if layer not in given:
        raise UsageError(unknown("layer", layer, given))
    width = given[layer].shape[1]
    if not 0 <= channel < width:
        raise UsageError(f"layer {layer} has no channel {channel}; it has 0 to {width - 1}")
    values = given[layer].clone()
    values[:, channel] = change(values[:, channel])
    return {**given, layer: values}


def joined(given: Mapping[str, Tensor]) -> tuple[Tensor, tuple[tuple[str, int], ...]]:
    """All styles side by side, [N, sum of C], and (layer, C) of each in that order."""
    return torch.cat(list(given.values()), dim=1), tuple((name, s.shape[1]) for name, s in given.items())


def split(values: Tensor, channels: Sequence[tuple[str, int]]) -> Styles:
    """`joined` undone: [N, sum of C] -> layer -> [N, C]."""
    parts = values.split([width for _, width in channels], dim=1)
    return {name: part for (name, _), part in zip(channels, parts, strict=True)}

"""Styles and demodulation of all layers of a generator at once (Karras et al. 2020, section 2.2).

Per layer these are some ten small operations, and twice as many in their derivative, on tensors of a few
kilobytes. They do not depend on the image, so layers of one shape are computed together.

Letters: N samples, W values of w, I and O channels in and out of a layer, L layers of one shape.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ops.affine import affine
from ops.autograd import by_definition, through_twin, without_autocast

ENOUGH = 3  # layers of one shape: each operation on all of them takes some to stack, and to take apart
EPSILON = 1e-8  # inside the root of equation 3


class Layer(NamedTuple):
    """w [N, W] and the affine map of it: weight [I, W], bias [I]. A demodulated layer has a weight as well:
    that of its convolution, [O, I, kh, kw]."""

    w: Tensor
    affine: Tensor
    bias: Tensor
    weight: Tensor | None = None


class Modulation(NamedTuple):
    """Styles [N, I]; of a demodulated layer also one over the norm of weight * style, [N, O], and the weight.

    To convolve with this one spares an addition of gradients.
    """

    styles: Tensor
    scale: Tensor | None = None
    weight: Tensor | None = None


def modulations(layers: Sequence[Layer]) -> list[Modulation]:
    """Of each layer, at least one. All tensors have one float type."""
    tensors = [tensor for column in zip(*layers, strict=True) for tensor in column]
    compute = modulation_ref if by_definition(layers[0].w) else _Modulations.apply
    found = compute(len(layers), *tensors)
    styles, rest = found[: len(layers)], found[len(layers) :]
    demodulated = zip(rest[: len(rest) // 2], rest[len(rest) // 2 :], strict=True)
    return [
        Modulation(style, *(() if layer.weight is None else next(demodulated)))
        for layer, style in zip(layers, styles, strict=True)
    ]


def demodulation(weight: Tensor, styles: Tensor) -> Tensor:
    """[N, O]: one over the norm of weight * style (equation 3), in the weights' type under autocast too."""
    with without_autocast(weight):
        energy = weight.square().sum(dim=(2, 3))  # [O, I]
        return (affine(styles.to(weight.dtype).square(), energy) + EPSILON).rsqrt()


def modulation_ref(count: int, *tensors: Tensor | None) -> tuple[Tensor, ...]:
    """The definition, layer by layer: styles of all `count`, then scales and weights of the demodulated."""
    ws, affines, biases, weights = _columns(count, tensors)
    styles = [torch.addmm(b, w, a.T) for w, a, b in zip(ws, affines, biases, strict=True)]
    scales = [demodulation(x, s) for x, s in zip(weights, styles, strict=True) if x is not None]
    return *styles, *scales, *(x.view_as(x) for x in weights if x is not None)


def _columns(count: int, tensors: Sequence[Any]) -> list[Sequence[Any]]:
    return [tensors[i : i + count] for i in range(0, 4 * count, count)]


def _alike(keys: Sequence[Hashable]) -> list[list[int]]:
    """Places of equal keys, where there are enough of them that to stack them pays, else each on its own."""
    places = defaultdict(list)
    for place, key in enumerate(keys):
        places[key].append(place)
    few = [[place] for group in places.values() if len(group) < ENOUGH for place in group]
    return [group for group in places.values() if len(group) >= ENOUGH] + few


def _stacked(tensors: Sequence[Tensor], places: Sequence[int]) -> Tensor:
    """Those tensors as one with an axis more; a single one is not copied."""
    return tensors[places[0]][None] if len(places) == 1 else torch.stack([tensors[i] for i in places])


def _put(column: list[Any], places: Sequence[int], found: Tensor) -> None:
    """Rows of `found` to their places."""
    for place, part in zip(places, found.unbind(0), strict=True):
        column[place] = part


class _Modulations(torch.autograd.Function):
    """`modulation_ref`. Its derivative is differentiated again through the definition."""

    @staticmethod
    def forward(ctx: Any, count: int, *tensors: Tensor | None) -> tuple[Tensor, ...]:
        ws, affines, biases, weights = _columns(count, tensors)
        styles: list[Any] = [None] * count
        stacks = []
        for places in _alike([a.shape for a in affines]):
            w, a, b = (_stacked(column, places) for column in (ws, affines, biases))
            _put(styles, places, torch.baddbmm(b[:, None], w, a.transpose(1, 2)))  # [L, N, I]
            stacks += [w, a]
        ctx.count, ctx.scaled = count, [i for i in range(count) if weights[i] is not None]
        kept, scales = _scales([weights[i] for i in ctx.scaled], [styles[i] for i in ctx.scaled])
        ctx.lengths = 4 * count, count, len(stacks)
        ctx.save_for_backward(*tensors, *styles, *stacks, *kept)
        return *styles, *scales, *(weights[i].view_as(weights[i]) for i in ctx.scaled)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple:
        count, scaled, needed = ctx.count, ctx.scaled, ctx.needs_input_grad[1:]
        tensors, styles, stacks, kept = _parted(ctx.saved_tensors, ctx.lengths)
        if torch.is_grad_enabled():  # this gradient will be differentiated
            return tuple(through_twin(modulation_ref, (count, *tensors), gradients, ctx.needs_input_grad))
        dstyles, dscales, dconvs = _parted(gradients, (count, len(scaled)))
        dstyles, dweights = list(dstyles), [None] * count
        if scaled:
            dsquares, denergies = _through_scales(kept, dscales)
            totals = torch._foreach_addcmul(
                [dstyles[i] for i in scaled], [styles[i] for i in scaled], dsquares
            )
            for i, total, energy, dconv in zip(scaled, totals, denergies, dconvs, strict=True):
                dstyles[i] = total
                if needed[3 * count + i]:
                    dweights[i] = _added(dconv, tensors[3 * count + i], energy)
        dws, daffines, dbiases = ([None] * count for _ in range(3))
        affines = tensors[count : 2 * count]
        for number, places in enumerate(_alike([a.shape for a in affines])):
            w, a = stacks[2 * number : 2 * number + 2]
            dy = _stacked(dstyles, places)  # [L, N, I]
            if any(needed[count + i] for i in places):
                _put(daffines, places, torch.bmm(dy.transpose(1, 2), w))
                _put(dbiases, places, dy.sum(1))
            if any(needed[i] for i in places):
                _put(dws, places, torch.bmm(dy, a))
        return None, *dws, *daffines, *dbiases, *dweights


def _parted(tensors: Sequence[Any], lengths: Sequence[int]) -> Iterator[Sequence[Any]]:
    """Slices of those lengths, and the rest."""
    start = 0
    for length in lengths:
        yield tensors[start : start + length]
        start += length
    yield tensors[start:]


def _added(dweight: Tensor, weight: Tensor, denergy: Tensor) -> Tensor:
    """dweight + weight * denergy [O, I], in the layout of the weight, which need not be that of dweight."""
    with torch.no_grad():
        return torch.addcmul(dweight, weight, denergy[:, :, None, None], out=torch.empty_like(weight))


def _scales(weights: Sequence[Tensor], styles: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """What the derivative of demodulation needs: all scales in one tensor, squares of styles [N, I], squared
    norms of weights [O, I]; and the scale of each layer [N, O]."""
    if not weights:
        return [], []
    count, n = len(weights), len(styles[0])
    norms = [torch.linalg.vector_norm(weight, dim=(2, 3)) for weight in weights]
    squares = torch._foreach_mul([*styles, *norms], [*styles, *norms])
    flat = styles[0].new_empty(n * sum(map(len, weights)))
    scales: list[Any] = [None] * count
    for places, found in _cut(flat, norms, n):
        left, right = _stacked(squares[:count], places), _stacked(squares[count:], places)
        torch.bmm(left, right.transpose(1, 2), out=found)
        _put(scales, places, found)
    flat.add_(EPSILON).rsqrt_()
    return [flat, *squares], scales


def _through_scales(kept: Sequence[Tensor], dscales: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Twice the gradients of squared styles [N, I], and of squared norms [O, I].

    d(e^-1/2) = -1/2 e^-3/2 de; the squares' own derivatives bring the factor 2.
    """
    flat, count = kept[0], len(dscales)
    squares, energies = kept[1 : 1 + count], kept[1 + count :]
    slopes: list[Any] = [None] * count
    for places, slope in _cut(flat.pow(3).neg_(), energies, len(squares[0])):
        _put(slopes, places, slope)
    dy = torch._foreach_mul(dscales, slopes)
    found: tuple[list[Any], list[Any]] = [None] * count, [None] * count
    for places in _alike([energy.shape for energy in energies]):
        some = _stacked(dy, places)  # [L, N, O]
        _put(found[0], places, torch.bmm(some, _stacked(energies, places)))
        _put(found[1], places, torch.bmm(some.transpose(1, 2), _stacked(squares, places)))
    return found


def _cut(flat: Tensor, energies: Sequence[Tensor], n: int) -> Iterator[tuple[list[int], Tensor]]:
    """Layers of one shape, and their part [L, N, O] of what holds the scales of all."""
    start = 0
    for places in _alike([energy.shape for energy in energies]):
        size = len(places) * n * len(energies[places[0]])
        yield places, flat[start : start + size].view(len(places), n, -1)
        start += size

"""Equivariance of a generator (Karras et al. 2021, section 3.1 and appendix E): EQ-T, EQ-T_frac, EQ-R in dB.

    EQ = 10 log10(I_max^2 / E (T[g(z)] - g(T z))^2),   I_max = 2 for images in [-1, 1]

Moving or turning the input z of the synthesis network by T should move or turn the picture likewise. The mean
is over latents, transformations, channels and the pixels where both sides are defined. Higher is better: an
equivariant generator reaches 40 to 60, one whose details stick to the pixels 20 or less.
EQ-T moves by whole pixels, EQ-T_frac by any distance, EQ-R turns by any angle.

Letters: N images, C channels, H rows, W columns. Coordinates are (x, y), x to the right and y down, their
origin is the image's centre. A matrix is homogeneous, [3, 3], in units of the image's width.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from gan import distributed
from gan.latents import synthesized
from gan.sampling import Labels, as_conditions, chosen, drawn_from
from ops.upfirdn2d import filter2d, upsample2d

Transformed = tuple[
    Tensor, Tensor
]  # images [N, C, H, W], mask [N, 1, H, W]: 1 where they are defined, else 0
Generator = Callable[[Tensor, Tensor], Tensor]

BATCH = 4  # latents that share one transformation of a model
TRANSLATION = 0.125  # largest shift along each axis, in widths
LANCZOS = 3  # lobes of the window
_UP = 4  # oversampling of a rotation
_EXTENT = 6, 12  # half-extents, in pixels, of the filters of a rotation and of its counterpart
_BORDER = 5  # pixels that the counterpart's mask leaves out: less than its filter's reach, as published


class SquaredErrors(NamedTuple):
    """Sum of squared differences and number of the values compared; adds up over batches and processes."""

    total: float
    count: float

    @property
    def decibels(self) -> float:
        """Their peak signal-to-noise ratio for a range of 2; infinity for no error, NaN for no value."""
        if self.count == 0:
            return math.nan
        return 10 * math.log10(4 * self.count / self.total) if self.total else math.inf


@torch.inference_mode()
def equivariance(
    generator: Generator,
    latents: Iterable[Tensor],
    measures: Sequence[str] = ("eq-t", "eq-t-frac", "eq-r"),
    *,
    translation: float = TRANSLATION,
    seed: int = 0,
) -> dict[str, float]:
    """EQ-T ("eq-t"), EQ-T_frac ("eq-t-frac") and EQ-R ("eq-r") in dB of images from batches of latents.

    generator: (latents, matrix [3, 3]) -> images [N, C, H, W] about -1..1 of square shape. The matrix takes a
    place in the image to the place of the plain image that is shown there (`transform` of StyleGAN3's input).
    latents: batches, one transformation each: take few latents per batch and many batches.
    translation: largest shift along each axis, in widths. Any angle may come. Both are drawn from (seed,
    number of the batch). Raises KeyError for an unknown measure, ValueError for images that are not square.
    """
    sums = torch.zeros(len(measures), 2, dtype=torch.float64)
    for index, z in enumerate(latents):
        sums += _batch_errors(generator, z, measures, translation, [seed, index])
    return {name: SquaredErrors(*row).decibels for name, row in zip(measures, sums.tolist(), strict=True)}


def _batch_errors(
    generator: Generator, z: Tensor, measures: Sequence[str], translation: float, seed: Sequence[int]
) -> Tensor:
    """`SquaredErrors` of each measure on one batch of latents, float64 [measures, 2]."""
    plain = generator(z, torch.eye(3))
    if plain.shape[2] != plain.shape[3]:
        raise ValueError(f"images of {plain.shape[2]}x{plain.shape[3]} pixels: square ones needed")
    rows = [squared_errors(generator, z, plain, name, translation, seed) for name in measures]
    return torch.tensor(rows, dtype=torch.float64)


def decibels_of(errors: Tensor) -> float:
    """Of the `SquaredErrors` [B, 2] of all batches. ValueError where nothing can be compared or differs."""
    value = SquaredErrors(*errors.sum(0).tolist()).decibels
    if not math.isfinite(value):
        raise ValueError("images without a difference, or too small to compare")
    return value


def errors_of_model(
    generator: nn.Module,
    measure: str,
    *,
    samples: int,
    labels: Labels | None = None,
    seed: int = 0,
    batch: int = BATCH,
    progress: Callable[[int], None] = lambda count: None,
) -> Tensor:
    """`SquaredErrors` of each batch, float64 [B, 2], of a model that is `movable`, which is left as it was.

    samples: latents, z drawn from (seed, its number); every `batch` of them share one transformation.
    labels: class of each, or its vector [samples, K]; None draws it likewise, uniformly from what the model
    was trained with. progress: called with the number of latents just measured.
    Raises what `equivariance` raises.
    """

    def render(ws: Tensor, matrix: Tensor) -> Tensor:
        return synthesized(generator, ws, transform=matrix)

    @torch.inference_mode()
    def errors(index: int) -> Tensor:
        places = range(index * batch, min((index + 1) * batch, samples))
        ws = _styles(generator, places, labels, seed)
        return _batch_errors(render, ws, [measure], TRANSLATION, [seed, index])

    found = []
    for index, part in enumerate(distributed.dealt(errors, math.ceil(samples / batch))):
        found.append(part)
        progress(min(batch, samples - index * batch))
    return torch.cat(found)


def _styles(generator: nn.Module, places: range, labels: Labels | None, seed: int) -> Tensor:
    """Styles [n, L, D] of those latents, z and, without labels, class of each from (seed, its number)."""
    weight, numbers = next(generator.parameters()), drawn_from(generator) or [0]
    streams = [np.random.RandomState([seed, i]) for i in places]
    z = torch.from_numpy(np.stack([rng.standard_normal(generator.z_dim) for rng in streams])).to(weight)
    if not generator.c_dim:
        return generator.mapping(z, None)
    if labels is None:
        c = chosen(generator, [numbers[rng.randint(len(numbers))] for rng in streams])
    else:
        c = as_conditions(labels[places.start : places.stop], generator.c_dim)
    return generator.mapping(z, c.to(weight))


def squared_errors(
    generator: Generator, z: Tensor, plain: Tensor, measure: str, translation: float, seed: Sequence[int]
) -> SquaredErrors:
    """One batch of one measure.

    plain: generator(z, identity). seed: numbers that the transformation is drawn from. Rest as above.
    """
    rng = np.random.RandomState(list(seed))
    tx, ty = rng.uniform(-translation, translation, 2).tolist()
    angle = rng.uniform(-math.pi, math.pi)
    width = plain.shape[3]
    if measure == "eq-t":
        tx, ty = round(tx * width) / width, round(ty * width) / width
    if measure == "eq-r":
        moved = pseudo_rotate(generator(z, rotation(-angle)), angle)
    else:
        images = generator(z, shift(-tx, -ty))
        moved = images, torch.ones_like(images[:, :1])
    operators = {
        "eq-t": lambda: translate_integer(plain, tx, ty),
        "eq-t-frac": lambda: translate_fractional(plain, tx, ty),
        "eq-r": lambda: rotate(plain, angle),
    }
    wanted, mask = operators[measure]()
    mask = (mask * moved[1]).double()
    total = ((wanted.double() - moved[0].double()).square() * mask).sum().item()
    return SquaredErrors(total, mask.sum().item() * plain.shape[1])


def shift(tx: float, ty: float) -> Tensor:
    """Matrix of p -> p + (tx, ty), float32."""
    return torch.tensor([[1.0, 0.0, tx], [0.0, 1.0, ty], [0.0, 0.0, 1.0]])


def rotation(angle: float) -> Tensor:
    """Matrix of the rotation by `angle` radians that `rotate` makes, anticlockwise as seen, float32."""
    c, s = math.cos(angle), math.sin(angle)
    return torch.tensor([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])


def translate_integer(x: Tensor, tx: float, ty: float) -> Transformed:
    """Shift by (tx * W, ty * H) rounded to whole pixels, zero where nothing comes from."""
    h, w = x.shape[2:]
    dx, dy = round(tx * w), round(ty * h)
    z, mask = torch.zeros_like(x), torch.zeros_like(x[:, :1])
    to = (..., slice(max(dy, 0), h + min(dy, 0)), slice(max(dx, 0), w + min(dx, 0)))
    source = (..., slice(max(-dy, 0), h + min(-dy, 0)), slice(max(-dx, 0), w + min(-dx, 0)))
    z[to], mask[to] = x[source], 1
    return z, mask


def translate_fractional(x: Tensor, tx: float, ty: float) -> Transformed:
    """Shift by (tx * W, ty * H) pixels with a Lanczos filter of 3 lobes (appendix E.2), zero outside of x.

    The mask leaves out what the filter mixes with the outside.
    """
    mask = torch.ones_like(x[:, :1])
    z = x
    for axis, t in ((3, tx), (2, ty)):
        size = x.shape[axis]
        whole = math.floor(t * size)
        offsets = torch.arange(1 - LANCZOS, LANCZOS + 1)  # k = -2 .. 3
        distance = offsets.double() - (t * size - whole)
        taps = torch.sinc(distance) * torch.sinc(distance / LANCZOS)
        taps = (taps / taps.sum()).tolist()
        shifted = [_moved(z, axis, whole + k) * tap for k, tap in zip(offsets.tolist(), taps, strict=True)]
        z = torch.stack(shifted).sum(0)
        inside = torch.zeros(size, dtype=x.dtype, device=x.device)
        inside[max(whole + LANCZOS, 0) : max(min(whole - LANCZOS + 1, 0) + size, 0)] = 1
        mask = mask * (inside[None, :] if axis == 3 else inside[:, None])
    return z, mask


def rotate(x: Tensor, angle: float) -> Transformed:
    """Turn about the centre by `angle` radians (appendix E.3): a pixel goes where `rotation(angle)` takes it.

    Upsampled by 4 with a filter that keeps what both the old and the new grid can hold, then read off with
    bilinear interpolation. The mask leaves out what comes from near or beyond the border.
    """
    n, _, h, w = x.shape
    f = band_limit(angle, _UP, _EXTENT[0]).to(x.device)
    pad = len(f) // 2
    fine = upsample2d(x, f, up=_UP, padding=pad)  # [N, C, 4 H + 2 pad, 4 W + 2 pad], half a sample off centre
    ys, xs = (torch.arange(size, dtype=torch.float64, device=x.device) - (size - 1) / 2 for size in (h, w))
    inverse = rotation(-angle)[:2, :2].double().to(x.device)
    places = torch.stack(torch.meshgrid(xs, ys, indexing="xy"), -1) @ inverse.T * _UP + 0.5  # [H, W, 2]
    sizes = torch.tensor([fine.shape[3], fine.shape[2]], device=x.device)
    grid = (2 * places / sizes).to(x.dtype).expand(n, h, w, 2)
    z = torch.nn.functional.grid_sample(fine, grid, padding_mode="zeros", align_corners=False)
    inside = torch.zeros_like(fine[:, :1])
    inside[:, :, len(f) : -len(f), len(f) : -len(f)] = 1
    return z, torch.nn.functional.grid_sample(inside, grid, "nearest", "zeros", align_corners=False)


def pseudo_rotate(x: Tensor, angle: float) -> Transformed:
    """The filter of `rotate` without its turn, for the other side of the comparison (appendix E.3).

    x is an image whose content was turned by `angle` already: it loses what turning an image would have lost.
    The mask leaves out the border.
    """
    f = band_limit(-angle, 1, _EXTENT[1]).to(x.device)
    mask = torch.zeros_like(x[:, :1])
    mask[:, :, _BORDER:-_BORDER, _BORDER:-_BORDER] = 1
    return filter2d(x, f), mask


def band_limit(angle: float, up: int, extent: int, half_size: int = 64) -> Tensor:
    """Low-pass filter for a grid and the grid turned by `angle` alike -> float32 [2 up extent - 1, the same].

    Both ideal filters convolved, times both of their Lanczos windows convolved, sampled `up` times per pixel.
    Every one of the up * up phases sums to 1 / up^2.
    """
    steps = np.arange(-half_size * up, half_size * up + 1) / up
    x, y = np.meshgrid(steps, steps)
    c, s = math.cos(angle), math.sin(angle)
    turned = x * c + y * s, -x * s + y * c
    lobes = [np.sinc(a) * np.sinc(b) for a, b in ((x, y), turned)]
    windows = [_window(a) * _window(b) for a, b in ((x, y), turned)]
    product = _convolved(*lobes) * _convolved(*windows)
    middle, reach = half_size * up, extent * up - 1
    taps = product[middle - reach : middle + reach + 1, middle - reach : middle + reach + 1]
    phases = np.pad(taps, (0, 1)).reshape(2 * extent, up, 2 * extent, up)
    phases = phases / phases.sum(axis=(0, 2), keepdims=True) / up**2
    return torch.from_numpy(phases.reshape(2 * extent * up, 2 * extent * up)[:-1, :-1]).float()


def _window(x: np.ndarray) -> np.ndarray:
    return np.sinc(x / LANCZOS) * (np.abs(x) < LANCZOS)


def _convolved(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The middle of their convolution, of the same size."""
    from scipy.signal import fftconvolve  # slow to load

    return fftconvolve(a, b, mode="same")


def _moved(x: Tensor, axis: int, by: int) -> Tensor:
    """Moved along an axis by whole samples, zero where nothing comes from."""
    z, size = torch.zeros_like(x), x.shape[axis]
    if abs(by) < size:
        source = x.narrow(axis, max(-by, 0), size - abs(by))
        z.narrow(axis, max(by, 0), size - abs(by)).copy_(source)
    return z

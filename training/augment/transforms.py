"""Geometric and colour transforms as matrices (Karras et al. 2020b, "Training GANs with Limited Data").

The order and the laws are those of appendix B. Draws are unit random numbers, one set per image, keyed by the
transform's name; 0 leaves an image as it is, and a name that is absent is a transform that is off:

    xflip, lumaflip [N] in {0, 1}; rotate90 [N] in {0, 1, 2, 3}; xint [N, 2] in [-1, 1]; scale, aniso,
    brightness, contrast, saturation [N] normal; xfrac [N, 2] normal; rotate [N, 2] in [-1, 1], before and
    after aniso; hue [N] in [-1, 1]; imgfilter [N, 4] normal; noise [N] >= 0; cutout [N, 3]: drawn or not,
    then the centre (x, y) in [0, 1].

Matrices are float64 and small, so they are composed in numpy, whose calls cost far less. Geometry maps pixels
of the result to pixels of the input, in pixels from the image's centre, x to the right, y down.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from training.augment.config import StrengthConfig
from training.augment.filters import BAND_ENERGY

Drawn = Mapping[str, Tensor]
Array = np.ndarray  # float64

EYE = np.eye(4)
LUMA = np.outer([1, 1, 1, 0], [1, 1, 1, 0]) / 3  # v v^T
CROSS = np.array([[0, -1, 1, 0], [1, 0, -1, 0], [-1, 1, 0, 0], [0, 0, 0, 0]]) / math.sqrt(3)


def geometry(drawn: Drawn, strengths: StrengthConfig, width: int, height: int) -> Tensor | None:
    """[N, 3, 3], the product of the geometric draws' factors; None if there are none."""
    size = np.array([width, height], np.float64)

    def xint(shift: Array) -> Array:
        return translation(np.round(-shift * strengths.xint_max * size))

    def xfrac(shift: Array) -> Array:
        return translation(-shift * strengths.xfrac_std * size)

    def aniso(exponent: Array) -> Array:
        s = 2 ** (exponent * strengths.aniso_std)
        return diagonal(1 / s, s, 1)

    def scale(exponent: Array) -> Array:
        s = 2 ** (-exponent * strengths.scale_std)
        return diagonal(s, s, 1)

    def turn(u: Array) -> Array:
        return rotation(u * strengths.rotate_max * math.pi)

    before, after = drawn["rotate"].unbind(1) if "rotate" in drawn else (None, None)
    return _product(
        (drawn.get("xflip"), lambda i: diagonal(1 - 2 * i, 1, 1)),
        (drawn.get("rotate90"), quarter_turn),
        (drawn.get("xint"), xint),
        (drawn.get("scale"), scale),
        (before, turn),
        (drawn.get("aniso"), aniso),
        (after, turn),
        (drawn.get("xfrac"), xfrac),
    )


def colour(drawn: Drawn, strengths: StrengthConfig, channels: int) -> Tensor | None:
    """[N, 4, 4], acting on (red, green, blue, 1); None if no colour transform was drawn.

    Grey images have neither hue nor saturation: for one channel these two are left out.
    """
    hue, chroma = (None if channels == 1 else drawn.get(name) for name in ("hue", "saturation"))
    return _product(
        (chroma, lambda n: saturation(2 ** (n * strengths.saturation_std))),
        (hue, lambda u: hue_rotation(u * strengths.hue_max * math.pi)),
        (drawn.get("lumaflip"), luma_flip),
        (drawn.get("contrast"), lambda n: colour_gain(2 ** (n * strengths.contrast_std))),
        (drawn.get("brightness"), lambda n: colour_offset(n * strengths.brightness_std)),
    )


def band_gains(drawn: Drawn, strengths: StrengthConfig) -> Tensor | None:
    """[N, 4], what each band of the filter bank is multiplied by; None if image filtering is off.

    Every band in turn is scaled by 2^(n std), and all of them so that the expected energy stays the same.
    """
    if "imgfilter" not in drawn:
        return None
    scales = 2 ** (_array(drawn["imgfilter"]) * strengths.imgfilter_std)  # [N, 4]
    gains = np.ones_like(scales)
    for band in range(scales.shape[1]):
        t = np.ones_like(scales)
        t[:, band] = scales[:, band]
        gains = gains * t / np.sqrt((np.array(BAND_ENERGY) * t**2).sum(1, keepdims=True))
    return torch.from_numpy(gains)


def translation(shift: Array) -> Array:
    """[N, 2] -> [N, 3, 3]."""
    matrix = diagonal(np.ones(len(shift)), 1, 1)
    matrix[:, :2, 2] = shift
    return matrix


def diagonal(first: Array, *others: Array | float) -> Array:
    """Scaling of each axis: K entries, [N] or one for all -> [N, K, K]."""
    size = 1 + len(others)
    matrix = np.zeros((len(first), size, size))
    for axis, entry in enumerate((first, *others)):
        matrix[:, axis, axis] = entry
    return matrix


def rotation(angle: Array) -> Array:
    """[[cos, -sin], [sin, cos]]: [N] in radians -> [N, 3, 3]."""
    return _turn(np.cos(angle), np.sin(angle))


def quarter_turn(count: Array) -> Array:
    """Rotation by count * 90 degrees, without rounding: [N] -> [N, 3, 3]."""
    index = count.astype(np.int64) % 4
    return _turn(np.array([1.0, 0, -1, 0])[index], np.array([0.0, 1, 0, -1])[index])


def colour_offset(b: Array) -> Array:
    """The same offset for all channels: [N] -> [N, 4, 4]."""
    matrix = diagonal(np.ones(len(b)), 1, 1, 1)
    matrix[:, :3, 3] = b[:, None]
    return matrix


def colour_gain(c: Array) -> Array:
    """The same factor for all channels: [N] -> [N, 4, 4]."""
    return diagonal(c, c, c, 1)


def luma_flip(drawn: Array) -> Array:
    """Mirror the luma axis v = (1, 1, 1) / sqrt(3) where drawn: I - 2 v v^T; [N] in {0, 1} -> [N, 4, 4]."""
    return EYE - 2 * LUMA * drawn[:, None, None]


def hue_rotation(angle: Array) -> Array:
    """Right-handed rotation about the luma axis (Rodrigues): [N] in radians -> [N, 4, 4]."""
    cos, sin = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    rotated = LUMA + (EYE - LUMA) * cos + CROSS * sin
    rotated[:, 3, 3] = 1
    return rotated


def saturation(s: Array) -> Array:
    """v v^T + s (I - v v^T): distance from grey times s; [N] -> [N, 4, 4]."""
    matrix = LUMA + (EYE - LUMA) * s[:, None, None]
    matrix[:, 3, 3] = 1
    return matrix


def _turn(cos: Array, sin: Array) -> Array:
    matrix = diagonal(cos, cos, 1)
    matrix[:, 0, 1], matrix[:, 1, 0] = -sin, sin
    return matrix


def _product(*factors: tuple[Tensor | None, Callable[[Array], Array]]) -> Tensor | None:
    """The matrices of the draws that there are, first times second times ...; None for none."""
    total = None
    for drawn, matrix in factors:
        if drawn is not None:
            factor = matrix(_array(drawn))
            total = factor if total is None else total @ factor
    return None if total is None else torch.from_numpy(total)


def _array(drawn: Tensor) -> Array:
    return drawn.numpy().astype(np.float64)

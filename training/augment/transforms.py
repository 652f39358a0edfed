"""Geometric and colour transforms as matrices (Karras et al. 2020b, "Training GANs with Limited Data").

The order and the laws are those of appendix B. Draws are unit random numbers, one set per image, keyed by the
transform's name; 0 leaves an image as it is, and a name that is absent is a transform that is off:

    xflip, lumaflip [N] in {0, 1}; rotate90 [N] in {0, 1, 2, 3}; xint [N, 2] in [-1, 1]; scale, aniso,
    brightness, contrast, saturation [N] normal; xfrac [N, 2] normal; rotate [N, 2] in [-1, 1], before and
    after aniso; hue [N] in [-1, 1]; imgfilter [N, 4] normal; noise [N] >= 0; cutout [N, 3]: drawn or not,
    then the centre (x, y) in [0, 1].

Matrices are float64. Geometry maps pixels of the result to pixels of the input, in pixels from the image's
centre, x to the right, y down.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from training.augment.config import StrengthConfig
from training.augment.filters import BAND_ENERGY

Draws = Mapping[str, Tensor]


def geometry(draws: Draws, strengths: StrengthConfig, width: int, height: int) -> Tensor | None:
    """[N, 3, 3], the product of the geometric draws' factors; None if there are none."""
    size = torch.tensor([width, height], dtype=torch.float64)

    def xint(shift: Tensor) -> Tensor:
        return translation((-shift * strengths.xint_max * size).round())

    def xfrac(shift: Tensor) -> Tensor:
        return translation(-shift * strengths.xfrac_std * size)

    def aniso(exponent: Tensor) -> Tensor:
        s = 2 ** (exponent * strengths.aniso_std)
        return diagonal(1 / s, s)

    rotations = draws["rotate"].double().unbind(1) if "rotate" in draws else (None, None)
    before, after = (None if r is None else r * strengths.rotate_max * math.pi for r in rotations)
    factors = (
        (draws.get("xflip"), lambda i: diagonal(1 - 2 * i, torch.ones_like(i))),
        (draws.get("rotate90"), quarter_turn),
        (draws.get("xint"), xint),
        (draws.get("scale"), lambda n: diagonal(*[2 ** (-n * strengths.scale_std)] * 2)),
        (before, rotation),
        (draws.get("aniso"), aniso),
        (after, rotation),
        (draws.get("xfrac"), xfrac),
    )
    matrices = [factor(value.double()) for value, factor in factors if value is not None]
    return _product(matrices)


def colour(draws: Draws, strengths: StrengthConfig, channels: int) -> Tensor | None:
    """[N, 4, 4], acting on (red, green, blue, 1); None if no colour transform was drawn.

    Grey images have neither hue nor saturation: for one channel these two are left out.
    """
    grey = channels == 1
    factors = (
        (draws.get("brightness"), lambda n: colour_offset(n * strengths.brightness_std)),
        (draws.get("contrast"), lambda n: colour_gain(2 ** (n * strengths.contrast_std))),
        (draws.get("lumaflip"), luma_flip),
        (None if grey else draws.get("hue"), lambda u: hue_rotation(u * strengths.hue_max * math.pi)),
        (
            None if grey else draws.get("saturation"),
            lambda n: saturation(2 ** (n * strengths.saturation_std)),
        ),
    )
    matrices = [factor(value.double()) for value, factor in factors if value is not None]
    return _product(matrices[::-1])


def band_gains(draws: Draws, strengths: StrengthConfig) -> Tensor | None:
    """[N, 4], what each band of the filter bank is multiplied by; None if image filtering is off.

    Every band in turn is scaled by 2^(n std), and all of them so that the expected energy stays the same.
    """
    if "imgfilter" not in draws:
        return None
    scales = 2 ** (draws["imgfilter"].double() * strengths.imgfilter_std)  # [N, 4]
    energy = scales.new_tensor(BAND_ENERGY)
    gains = torch.ones_like(scales)
    for band in range(scales.shape[1]):
        t = torch.ones_like(scales)
        t[:, band] = scales[:, band]
        gains = gains * t / (energy * t.square()).sum(1, keepdim=True).sqrt()
    return gains


def translation(shift: Tensor) -> Tensor:
    """[N, 2] -> [N, 3, 3]."""
    matrix = torch.eye(3, dtype=shift.dtype).repeat(len(shift), 1, 1)
    matrix[:, :2, 2] = shift
    return matrix


def diagonal(x: Tensor, y: Tensor) -> Tensor:
    """Scaling of each axis: [N] twice -> [N, 3, 3]."""
    return torch.stack([x, y, torch.ones_like(x)], dim=1).diag_embed()


def rotation(angle: Tensor) -> Tensor:
    """[[cos, -sin], [sin, cos]]: [N] in radians -> [N, 3, 3]."""
    return _turn(angle.cos(), angle.sin())


def quarter_turn(count: Tensor) -> Tensor:
    """Rotation by count * 90 degrees, without rounding: [N] -> [N, 3, 3]."""
    index = count.long() % 4
    return _turn(count.new_tensor([1, 0, -1, 0])[index], count.new_tensor([0, 1, 0, -1])[index])


def colour_offset(b: Tensor) -> Tensor:
    """The same offset for all channels: [N] -> [N, 4, 4]."""
    matrix = torch.eye(4, dtype=b.dtype).repeat(len(b), 1, 1)
    matrix[:, :3, 3] = b[:, None]
    return matrix


def colour_gain(c: Tensor) -> Tensor:
    """The same factor for all channels: [N] -> [N, 4, 4]."""
    return torch.stack([c, c, c, torch.ones_like(c)], dim=1).diag_embed()


def luma_flip(drawn: Tensor) -> Tensor:
    """Mirror the luma axis v = (1, 1, 1) / sqrt(3) where drawn: I - 2 v v^T; [N] in {0, 1} -> [N, 4, 4]."""
    return torch.eye(4, dtype=drawn.dtype) - 2 * _luma(drawn) * drawn[:, None, None]


def hue_rotation(angle: Tensor) -> Tensor:
    """Right-handed rotation about the luma axis (Rodrigues): [N] in radians -> [N, 4, 4]."""
    cross = angle.new_tensor([[0, -1, 1, 0], [1, 0, -1, 0], [-1, 1, 0, 0], [0, 0, 0, 0]]) / math.sqrt(3)
    luma, eye = _luma(angle), torch.eye(4, dtype=angle.dtype)
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    rotated = luma + (eye - luma) * cos + cross * sin
    rotated[:, 3, 3] = 1
    return rotated


def saturation(s: Tensor) -> Tensor:
    """v v^T + s (I - v v^T): distance from grey times s; [N] -> [N, 4, 4]."""
    luma = _luma(s)
    matrix = luma + (torch.eye(4, dtype=s.dtype) - luma) * s[:, None, None]
    matrix[:, 3, 3] = 1
    return matrix


def _turn(cos: Tensor, sin: Tensor) -> Tensor:
    zero, one = torch.zeros_like(cos), torch.ones_like(cos)
    rows = [[cos, -sin, zero], [sin, cos, zero], [zero, zero, one]]
    return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)


def _luma(like: Tensor) -> Tensor:
    v = like.new_tensor([1, 1, 1, 0]) / math.sqrt(3)
    return v.outer(v)


def _product(matrices: Sequence[Tensor]) -> Tensor | None:
    """First times second times ...; None for none."""
    total = None
    for matrix in matrices:
        total = matrix if total is None else total @ matrix
    return total

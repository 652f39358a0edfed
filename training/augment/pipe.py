"""The augmentation pipe of Karras et al. 2020b: what was drawn, applied to a batch in one pass.

images: [N, C, H, W] in about [-1, 1]. Everything is linear in the images up to an offset and differentiable
to any order; the drawn numbers are constants. They go to the images' device without waiting for its work.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

import ops
from gan.randomness import Draws
from training.augment import transforms
from training.augment.config import AugmentConfig, StrengthConfig
from training.augment.draws import draw
from training.augment.filters import BANK_RADIUS, filter_bank, symlet

FILTER_MARGIN = 3  # pixels that the low-pass reaches beyond the image's edge, at each side


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """What happens to each of N images; None: the whole batch is left alone.

    geometry: [N, 3, 3], pixels of the result to pixels of the input, from the centre, x to the right, y down.
    colour: [N, 4, 4] on (red, green, blue, 1).  bands: [N, 4] gains of the filter bank.
    noise: [N, C, H, W], added.  cutout: [N, 4], centre (x, y) and size (x, y) as fractions of the image.
    All on the CPU, in float64, but for the noise, which is like the images.
    """

    geometry: Tensor | None = None
    colour: Tensor | None = None
    bands: Tensor | None = None
    noise: Tensor | None = None
    cutout: Tensor | None = None


class Pipe:
    """`ada`: draws and applies.  config.check says whether it can act on images of a given shape."""

    def __init__(self, config: AugmentConfig):
        self.transforms, self.strengths = config.transforms, config.strengths

    def __call__(self, images: Tensor, p: float, draws: Draws) -> Tensor:
        """Augmented [N, C, H, W]; each transform acts on each image with probability p times its factor."""
        drawn = draw(self.transforms, p, draws, self.strengths.imgfilter_bands)
        return apply(images, parameters(drawn, self.strengths, images, draws))


def parameters(
    drawn: transforms.Drawn, strengths: StrengthConfig, images: Tensor, draws: Draws
) -> Parameters:
    """What the numbers drawn mean for `images`.  draws: of the pixels of the noise, if there is any."""
    channels, height, width = images.shape[1:]
    noise = cutout = None
    if "noise" in drawn:
        sigma = drawn["noise"] * strengths.noise_std
        if sigma.numpy().any():
            pixels = draws.normal(images.shape[1:], images.dtype, images.device)
            noise = pixels * _like(sigma, images)[:, None, None, None]
    if "cutout" in drawn:
        cut, centre = drawn["cutout"].double().split([1, 2], dim=1)
        cutout = torch.cat([centre, (cut * strengths.cutout_size).expand(-1, 2)], dim=1)
    return Parameters(
        geometry=transforms.geometry(drawn, strengths, width, height),
        colour=transforms.colour(drawn, strengths, channels),
        bands=transforms.band_gains(drawn, strengths),
        noise=noise,
        cutout=cutout,
    )


def apply(images: Tensor, parameters: Parameters) -> Tensor:
    """Geometry, colour, bands, noise, cutout, in this order.

    Images that a step leaves alone pass through it bit for bit.

    Returns:
        [N, C, H, W]; the input itself where nothing was drawn.
    """
    if parameters.geometry is not None:
        margin = margins(parameters.geometry, *images.shape[2:])
        images = _where_changed(images, parameters.geometry, np.eye(3), partial(resample, margin=margin))
    if parameters.colour is not None and (parameters.colour.numpy() != np.eye(4)).any():
        images = recolour(images, parameters.colour)  # where it is the identity, every bit stays
    if parameters.bands is not None:
        images = _where_changed(images, parameters.bands, np.ones(4), filter_bands)
    if parameters.noise is not None:
        images = images + parameters.noise
    if parameters.cutout is not None and parameters.cutout[:, 2:].numpy().any():
        images = cut_out(images, parameters.cutout)
    return images


def margins(geometry: Tensor, height: int, width: int) -> tuple[int, int, int, int]:
    """Pixels (left, right, top, bottom) of border that the whole batch's geometry [N, 3, 3] looks at.

    At most one less than the image, because the border is a reflection.
    """
    x, y = (width - 1) / 2, (height - 1) / 2
    corners = np.array([[-x, x, x, -x], [-y, -y, y, y], [1, 1, 1, 1]])
    places = geometry.numpy()[:, :2] @ corners  # [N, 2, 4]
    sides = np.stack([-places.min((0, 2)), places.max((0, 2))], axis=1) + 2 * FILTER_MARGIN
    size = np.array([[x], [y]])
    left, right, top, bottom = np.ceil((sides - size).clip(0, 2 * size)).flatten().astype(int).tolist()
    return left, right, top, bottom


def resample(images: Tensor, geometry: Tensor, margin: tuple[int, int, int, int]) -> Tensor:
    """Images looked up where `geometry` [N, 3, 3] says, between the samples of twice as fine a raster.

    The image continues beyond its edge by `margin` pixels of its mirror image, and by zeros after that.
    """
    height, width = images.shape[2:]
    left, right, top, bottom = margin
    low = symlet(6).to(images.device, torch.float32, non_blocking=True)
    fine = ops.upsample2d(F.pad(images, margin, mode="reflect"), low)
    size = (2 * (height + 2 * FILTER_MARGIN), 2 * (width + 2 * FILTER_MARGIN))
    offset = (left - right) / 2, (top - bottom) / 2
    matrix = _shift(-0.5, -0.5) @ _scale(2, 2) @ _shift(*offset) @ geometry.numpy() @ _scale(0.5, 0.5)
    fine = ops.grid_sample(fine, places(matrix @ _shift(0.5, 0.5), size, fine))
    return ops.downsample2d(fine, low, padding=-2 * FILTER_MARGIN, flip_filter=True)


def places(matrix: np.ndarray, size: tuple[int, int], images: Tensor) -> Tensor:
    """Where the pixels of a result of `size` lie in `images` by `matrix` [N, 3, 3]: grid_sample's grid.

    matrix: pixels to pixels, each from the centre.
    """
    height, width = size
    x, y = np.arange(width) - (width - 1) / 2, np.arange(height) - (height - 1) / 2
    scaled = matrix[:, :2] * (2 / np.array(images.shape[:1:-1]))[:, None]  # grids reach from -1 to 1
    points = scaled[:, 0] + 1j * scaled[:, 1]  # [N, 3]; x + iy is added in one go, several at a time
    kind = torch.complex128 if images.dtype == torch.float64 else torch.complex64
    across, down = (
        torch.from_numpy(part).to(images.device, kind, non_blocking=True)
        for part in (x * points[:, :1] + points[:, 2:], y * points[:, 1:2])  # [N, W], [N, H]
    )
    return torch.view_as_real(across[:, None] + down[:, :, None])  # [N, H, W, 2]


def recolour(images: Tensor, matrix: Tensor) -> Tensor:
    """The first three channels through `matrix` [N, 4, 4], others as they are.

    A single channel takes the average of the three rows, that of equal red, green and blue.

    Raises:
        ValueError: two channels.
    """
    channels = images.shape[1]
    if channels == 2:
        raise ValueError("colours are those of 1 channel or of 3 and more; got 2")
    matrix = _like(matrix[:, :3].mean(1, keepdim=True) if channels == 1 else matrix[:, :3], images)
    linear, offset = matrix.split([3, 1], dim=2)
    if channels == 1:
        return images * linear.sum(2)[..., None, None] + offset[..., None]
    coloured = torch.baddbmm(offset, linear, images[:, :3].flatten(2)).unflatten(2, images.shape[2:])
    return torch.cat([coloured, images[:, 3:]], dim=1) if channels > 3 else coloured


def filter_bands(images: Tensor, gains: Tensor) -> Tensor:
    """Each band of the filter bank times its gain [N, 4], along both axes; the border is a reflection.

    Raises:
        ValueError: images with a side below 22 pixels.
    """
    n, c, height, width = images.shape
    if min(height, width) <= BANK_RADIUS:
        raise ValueError(f"image filtering needs sides above {BANK_RADIUS} pixels; got {height}x{width}")
    taps = _like(gains @ filter_bank().to(gains), images).repeat_interleave(c, dim=0)  # [N * C, 43]
    x = F.pad(images, [BANK_RADIUS] * 4, mode="reflect").flatten(0, 1)[None]  # [1, N * C, H + 42, W + 42]
    x = F.conv2d(x, taps[:, None, None, :], groups=n * c)
    x = F.conv2d(x, taps[:, None, :, None], groups=n * c)
    return x.reshape(images.shape)


def cut_out(images: Tensor, box: Tensor) -> Tensor:
    """Zeros in `box` [N, 4]: the pixels whose centres are less than half its size (x, y) from its (x, y)."""
    centre, size = box.split(2, dim=1)
    inside = []
    for axis, count in enumerate(reversed(images.shape[2:])):
        places = (torch.arange(count, dtype=box.dtype) + 0.5) / count
        inside.append((places - centre[:, axis, None]).abs() < size[:, axis, None] / 2)
    columns, rows = (mask.to(images.device, non_blocking=True) for mask in inside)
    return images.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0)


def _where_changed(
    images: Tensor, change: Tensor, neutral: np.ndarray, step: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """step(images, change), but only of the images whose change differs from `neutral`."""
    differs = change.numpy() != neutral
    index = torch.from_numpy(differs.reshape(len(change), -1).any(1).nonzero()[0])
    if len(index) == 0:
        return images
    if len(index) == len(images):
        return step(images, change)
    place = index.to(images.device, non_blocking=True)
    return images.index_copy(0, place, step(images[place], change[index]))


def _like(constant: Tensor, images: Tensor) -> Tensor:
    return constant.to(images.device, images.dtype, non_blocking=True)


def _shift(x: float, y: float) -> np.ndarray:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]])


def _scale(x: float, y: float) -> np.ndarray:
    return np.diag([x, y, 1])

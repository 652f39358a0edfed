"""Brightness of an image on a grid of cells, in a band of frequencies, as a watermark sees it.

The grid lies over a square as long as the longer side of the whole image, whatever its pixels: what is
resized has the same cells. Frequencies are weighted by the reciprocal of what the image itself has of them,
and cells by that of the deviation around them: what stands out in an image is then no hindrance to reading a
mark (a matched filter in coloured noise).
"""

from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from scipy import fft
from scipy.ndimage import gaussian_filter1d, uniform_filter
from scipy.sparse import csr_array
from torch import Tensor

from gan.images import view

GRID = 128  # cells a side
BAND = (5.0, 62.0)  # cycles along the grid
FLOOR = 1.5  # grey levels by which a flat cell is expected to deviate
CLIP = 2.0  # deviations that a cell counts for, at most
_NEIGHBOURS = 3  # cells a side around one, and it
_NOISE = 1.0  # grey levels, squared, below which no frequency is expected
_SMOOTHING = 3  # rings of frequencies
_DENSE = GRID * 256  # weights from which a sparse matrix is faster

_CYCLES = np.hypot(*np.meshgrid(fft.fftfreq(GRID, 1 / GRID), fft.rfftfreq(GRID, 1 / GRID), indexing="ij"))
_RINGS = _CYCLES.round().astype(int)
_RING_SIZES = np.bincount(_RINGS.ravel())


class Sampler:
    """Pixels [H, W] <-> cells [GRID, GRID], by triangles as wide as the larger of both.

    whole: side of the whole image by the longer one of these, above 1 where it was cropped; the pixels then
    lie at the upper left.
    """

    def __init__(self, height: int, width: int, whole: float = 1.0) -> None:
        side = whole * max(height, width)
        self._sides, self._cell = (height, width), side / GRID
        self._rows, self._columns = (_weights(_distances(each, self._cell)) for each in self._sides)
        self.high = min(BAND[1], 0.47 * side)  # cycles that the pixels show
        present = [(np.arange(GRID) + 0.5) * side / GRID < each for each in (height, width)]
        self.present = present[0][:, None] & present[1]  # cells that have pixels
        self.size = (int(present[0].sum()), int(present[1].sum()))  # rows and columns of those

    def down(self, pixels: np.ndarray) -> np.ndarray:
        """[H, W] -> [GRID, GRID]; cells beyond the image are as its nearest pixels."""
        return (self._columns @ (self._rows @ pixels).T).T

    def up(self, cells: np.ndarray) -> np.ndarray:
        """[GRID, GRID] -> [H, W]."""
        rows, columns = self._back
        return (columns @ (rows @ cells).T).T

    @cached_property
    def _back(self) -> list[Any]:
        return [_weights(_distances(each, self._cell).T) for each in self._sides]


@lru_cache(maxsize=64)
def cell_sampler(height: int, width: int, whole: float) -> Sampler:
    """The Sampler of a part of the grid, kept: a search asks for the same ones in every image."""
    return Sampler(height, width, whole)


def _distances(pixels: int, cell: float) -> np.ndarray:
    """[GRID, pixels]: of cells to pixels, in the larger of both; cells beyond the image are at its edge."""
    centres = np.clip((np.arange(GRID) + 0.5) * cell, 0.5, pixels - 0.5)
    return np.abs(centres[:, None] - (np.arange(pixels) + 0.5)) / max(cell, 1.0)


def _weights(distances: np.ndarray) -> Any:
    """Triangles whose weights sum to 1 in every row; sparse where they are many."""
    weights = np.maximum(1 - distances, 0)
    weights /= np.maximum(weights.sum(1, keepdims=True), 1e-9)
    return csr_array(weights) if weights.size > _DENSE else weights


class Weighted:
    """An image's cells [GRID, GRID] as a mark is read from them: in the band, each by its deviation.

    pixels: brightness [H, W], which the grid samples.
    cells: 0 beyond the image, CLIP at most.  deviation: by which they were divided.
    """

    def __init__(self, pixels: np.ndarray, grid: Sampler) -> None:
        spectrum = fft.rfft2(grid.down(pixels))
        power = np.bincount(_RINGS.ravel(), np.square(np.abs(spectrum)).ravel()) / _RING_SIZES / GRID**2
        power = np.exp(gaussian_filter1d(np.log(power + 1e-6), _SMOOTHING))
        inside = (BAND[0] <= _CYCLES) & (grid.high >= _CYCLES)
        self._filter = np.where(inside, 1 / np.sqrt(power + _NOISE)[_RINGS], 0)
        band = fft.irfft2(spectrum * self._filter)
        around = np.sqrt(np.maximum(uniform_filter(np.square(band), _NEIGHBOURS), 0))
        self.deviation = around + FLOOR * np.sqrt(np.square(self._filter).mean())
        self.cells = np.clip(band / self.deviation, -CLIP, CLIP) * grid.present

    def filtered(self, cells: np.ndarray) -> np.ndarray:
        """Cells [GRID, GRID] with their frequencies weighted as the image's are."""
        return fft.irfft2(fft.rfft2(cells) * self._filter)


def brightness(image: Tensor) -> np.ndarray:
    """Of what is shown of uint8 [C, H, W] (ITU-R BT.601): float64 [H, W]."""
    shown = view(image).cpu().double().numpy()
    return shown[0] if len(shown) == 1 else np.tensordot([0.299, 0.587, 0.114], shown, 1)

"""A watermark in the brightness of an image, that only who holds its secret reads or writes.

Spread spectrum with informed embedding. The secret shuffles the cells of an image (`cells`) into CARRIERS
groups and gives each cell a sign; the signed sum of a group is one symbol. Symbols are pushed, by no more
than they lack, to the side that the message wants: what the image itself says is no noise to one who embeds
(Malvar and Florencio 2003, "Improved spread spectrum"). The message is coded (`coding`); the other symbols
are known, and find scale and place of a cropped image.

Averaging many images of one secret and model uncovers the pattern: it keeps strangers from reading and
writing marks, not those who collect images.
"""

import hashlib
import io
import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from scipy import fft
from torch import Tensor

from gan.images import to_pil, view
from gan.jobs.marking import coding
from gan.jobs.marking.cells import GRID, Sampler, Weighted, brightness, cell_sampler
from gan.jobs.marking.coding import Payload

PILOTS = 30  # symbols that are known
CARRIERS = PILOTS + coding.SYMBOLS
CELLS = GRID * GRID // CARRIERS  # of a carrier
SMALLEST = 48  # pixels of the shorter side; smaller images were not found to carry a mark
LEAST_READ = 16  # and of one that is looked at
CHANGE = 2.55  # grey levels by which an image changes, in the root mean square: a PSNR of 40 dB
MARGIN = 2.5  # of a symbol, in deviations of an unmarked image, beyond which it is not pushed
STEPS = 6
GAIN = 400.0  # of a step
MASKING = 0.25  # power of an image's own deviation with which it hides a change
QUALITY = 90  # of the JPEG in which a mark must survive, to be called one
SIDES = (64, 128, 256, 512, 1024, 2048)  # pixels that models make; a crop that was not resized left fewer
WHOLES = np.geomspace(1.0, 1.45, 39)  # side of the whole by side of what a crop left
BETWEEN = (0.9955, 1.0045)  # that are tried around the best
WHOLE_LEVEL = 2.5  # deviations of the pilots from which a whole image is decoded
PART_LEVEL = 4.5  # and from which a place of a cropped one is
TRIES = 3  # places that are decoded
LEAST_ERROR = 1e-12  # no model of pictures is to be believed below


@dataclass(frozen=True, kw_only=True)
class Detection:
    """payload: None where no mark was read.

    confidence: share of the mark's symbols that read as the decoded message has them; 0.5 is chance.
    error: probability that an unmarked picture reads so, over secrets drawn at random; 1 without a payload.
    """

    payload: Payload | None
    confidence: float
    error: float


NOTHING = Detection(payload=None, confidence=0.5, error=1.0)


class Watermark:
    """Marks of one secret: 16 bytes or more, drawn at random.

    The pattern depends on the secret alone, through SHAKE-256, so that later versions of any library read it.
    """

    def __init__(self, secret: bytes) -> None:
        if len(secret) < 16:
            raise ValueError(f"a secret of a watermark has 16 bytes or more; got {len(secret)}")
        size = GRID * GRID
        stream = hashlib.shake_256(b"gan watermark 1\0" + secret).digest(9 * size)
        order = np.argsort(np.frombuffer(stream[: 8 * size], "<u8"), kind="stable")
        signs = (np.frombuffer(stream[8 * size :], np.uint8) & 1) * 2.0 - 1.0
        self._cells = order[: CARRIERS * CELLS].reshape(CARRIERS, CELLS)
        self._signs = signs[: CARRIERS * CELLS].reshape(CARRIERS, CELLS)
        known = self._written(np.r_[np.ones(PILOTS), np.zeros(CARRIERS - PILOTS)])
        self._pilot = fft.rfft2(known.astype(np.float32))

    def embed(self, image: Tensor, payload: Payload) -> Tensor | None:
        """The image with its mark, the same for the same image and payload.

        image: uint8 [C, H, W], of any channels; colours change alike, and an alpha channel stays. None where
        the image cannot carry the mark: it is too small, or the mark is not read again from the result or
        from a JPEG of it.
        """
        if min(image.shape[-2:]) < SMALLEST:
            return None
        result = self._pushed(image, np.r_[np.ones(PILOTS), coding.encoded(payload)])
        seen = (brightness(result), brightness(_jpeg(result)))
        return result if all(self._whole(each).payload == payload for each in seen) else None

    def detect(self, image: Tensor) -> Detection:
        """What mark an image carries, also where it was resized, or cropped to 70 % of its side.

        image: uint8 [C, H, W]. Turned, mirrored and unevenly stretched images are not read.
        """
        if min(image.shape[-2:]) < LEAST_READ:
            return NOTHING
        pixels = brightness(image)
        found = self._whole(pixels)
        return found if found.payload else self._part(pixels)

    def _pushed(self, image: Tensor, symbols: np.ndarray) -> Tensor:
        """The image, changed until symbols [CARRIERS] of +-1 have the MARGIN, or the PSNR is spent."""
        height, width = image.shape[-2:]
        colours = {2: 1, 4: 3}.get(len(image), min(len(image), 3))
        original = image[:colours].double().numpy()
        grid = Sampler(height, width)
        changed, result = original, image
        for _ in range(STEPS):
            seen = Weighted(brightness(result), grid)
            lacking = np.maximum(MARGIN - symbols * self._read(seen.cells), 0.0)
            pattern = seen.filtered(self._written(symbols * lacking))
            pushed = changed + GAIN * grid.up(seen.deviation**MASKING * pattern)
            change = np.clip(pushed, 0, 255) - original
            change *= min(1.0, CHANGE / max(math.sqrt(np.square(change).mean()), 1e-9))
            changed = original + change
            result = torch.cat([torch.from_numpy(np.rint(changed)).to(torch.uint8), image[colours:]])
        return result

    def _whole(self, pixels: np.ndarray) -> Detection:
        """Of an image that was not cropped: there is one place, at which pilots need but agree."""
        symbols = self._symbols(pixels)
        level = float(symbols[:PILOTS].sum() / math.sqrt(PILOTS))
        return _decoded(symbols, _tail(level)) if level > WHOLE_LEVEL else NOTHING

    def _symbols(self, pixels: np.ndarray) -> np.ndarray:
        """[H, W] -> [CARRIERS] of an image that was not cropped."""
        return self._read(Weighted(pixels, Sampler(*pixels.shape)).cells)

    def _part(self, pixels: np.ndarray) -> Detection:
        """Of a cropped image: every scale and place that it may have had in the whole."""
        grid, longer = Sampler(*pixels.shape), max(pixels.shape)
        cells = Weighted(pixels, grid).cells[: grid.size[0], : grid.size[1]]
        usual = (side / longer for side in SIDES if 1 <= side / longer <= WHOLES[-1])
        tried = [(self._place(cells, whole), whole) for whole in (*WHOLES, *usual)]
        count = sum(place.count for place, _ in tried)
        for place, whole in sorted(tried, key=lambda each: -each[0].level)[:TRIES]:
            if place.level < PART_LEVEL:
                break
            near = [(self._place(cells, whole * each), whole * each) for each in (1.0, *BETWEEN)]
            place, whole = max(near, key=lambda each: each[0].level)
            seen = Weighted(pixels, Sampler(pixels.shape[0], pixels.shape[1], whole)).cells
            symbols = self._read(_moved(seen, place.y, place.x))
            found = _decoded(symbols, min(1.0, count * _tail(place.level)) * TRIES)
            if found.payload:
                return found
        return NOTHING

    def _read(self, cells: np.ndarray) -> np.ndarray:
        """[GRID, GRID] -> symbols [CARRIERS], of deviation 1 in an image without this mark."""
        sums = (cells.ravel()[self._cells] * self._signs).sum(1)
        return sums / max(math.sqrt(CELLS * np.square(cells).mean()), 1e-9)

    def _written(self, symbols: np.ndarray) -> np.ndarray:
        """Symbols [CARRIERS] -> [GRID, GRID]."""
        cells = np.zeros(GRID * GRID)
        cells[self._cells] = self._signs * symbols[:, None] / math.sqrt(CELLS)
        return cells.reshape(GRID, GRID)

    def _place(self, cells: np.ndarray, whole: float) -> "_Place":
        """The best place of a part [h, w] of the grid, by half cells."""
        grid = cell_sampler(*cells.shape, float(whole))
        part = (grid.down(cells) * grid.present).astype(np.float32)
        product = fft.rfft2(part).conj() * self._pilot
        half = GRID // 2  # among zeros, a spectrum gives twice the places
        fine = np.zeros((2 * GRID, half + 1), np.complex64)
        fine[:half], fine[-half:] = product[:half], product[half:]
        rows, columns = (2 * (GRID - size) + 1 for size in grid.size)
        levels = fft.irfft(fft.ifft(fine, axis=0)[:rows], 2 * GRID, axis=1)[:, :columns] * 4
        y, x = np.unravel_index(int(levels.argmax()), levels.shape)
        deviation = max(math.sqrt(PILOTS * float(np.square(part).mean())), 1e-9)
        return _Place(float(levels[y, x]) / deviation, y / 2, x / 2, levels.size)


@dataclass(frozen=True)
class _Place:
    """level: of the pilots, in deviations.  y, x: in cells.  count: of places among which it is the best."""

    level: float
    y: float
    x: float
    count: int


def _jpeg(image: Tensor) -> Tensor:
    buffer = io.BytesIO()
    to_pil(view(image)).save(buffer, format="JPEG", quality=QUALITY)
    pixels = np.array(Image.open(buffer, formats=("JPEG",)))
    return torch.from_numpy(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1))


def _moved(cells: np.ndarray, y: float, x: float) -> np.ndarray:
    """Cells, moved down and right."""
    rows, columns = fft.fftfreq(GRID)[:, None], fft.rfftfreq(GRID)
    return fft.irfft2(fft.rfft2(cells) * np.exp(-2j * np.pi * (rows * y + columns * x)))


def _tail(level: float) -> float:
    """Probability of a normal deviation beyond the level."""
    return math.erfc(level / math.sqrt(2)) / 2


def _decoded(symbols: np.ndarray, chance: float) -> Detection:
    """chance: of coming here by accident."""
    payload = coding.decoded(symbols[PILOTS:])
    if payload is None:
        return NOTHING
    wanted = np.r_[np.ones(PILOTS), coding.encoded(payload)]
    error = max(chance * coding.CHANCE, LEAST_ERROR)
    return Detection(payload=payload, confidence=float((symbols * wanted > 0).mean()), error=error)

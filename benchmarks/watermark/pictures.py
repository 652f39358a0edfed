"""Pictures to mark: photographs, glyphs, and what a model draws, each drawn from a seed. RGB, square."""

import io
from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image

from gan.images import rgb_view
from gan.jobs.sampling import sample
from training.preparation import openmoji

PHOTOGRAPHS = (
    "astronaut",
    "brick",
    "camera",
    "chelsea",
    "coffee",
    "coins",
    "grass",
    "gravel",
    "hubble_deep_field",
    "immunohistochemistry",
    "moon",
    "retina",
    "rocket",
    "stereo_motorcycle",
)  # of scikit-image, in its wheel
BATCH = 512  # samples drawn at a time

Drawer = Callable[[int, int], Image.Image]  # (seed, side in pixels) -> picture


@cache
def _photograph(name: str) -> Image.Image:
    from skimage import data

    found = getattr(data, name)()
    return Image.fromarray(found[0] if isinstance(found, tuple) else found).convert("RGB")


def photograph(seed: int, side: int) -> Image.Image:
    """A square part, of half to all of the shorter side, mirrored every other time."""
    rng = np.random.default_rng(seed)
    whole = _photograph(PHOTOGRAPHS[seed % len(PHOTOGRAPHS)])
    part = int(min(whole.size) * rng.uniform(0.5, 1))
    left, top = (int(rng.integers(0, length - part + 1)) for length in whole.size)
    found = whole.crop((left, top, left + part, top + part)).resize((side, side), Image.Resampling.LANCZOS)
    return found.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.integers(2) else found


@cache
def _codes() -> list[str]:
    return openmoji.glyph_codes()


def glyph(seed: int, side: int) -> Image.Image:
    """A glyph of OpenMoji, drawn at that side."""
    codes = _codes()
    data = openmoji.draw_glyph(str(openmoji.font_path()), side, codes[seed * 977 % len(codes)])
    return Image.open(io.BytesIO(data), formats=("PNG",)).convert("RGB")


def samples(model: str) -> Drawer:
    """Of a model, enlarged to the side that is asked for."""

    @cache
    def drawn(batch: int) -> np.ndarray:
        seeds = range(batch * BATCH, (batch + 1) * BATCH)
        images = sample(model, list(seeds), device="cpu")
        return rgb_view(images).permute(0, 2, 3, 1).numpy()

    def draw(seed: int, side: int) -> Image.Image:
        batch, place = divmod(seed, BATCH)
        found = Image.fromarray(np.ascontiguousarray(drawn(batch)[place]))
        return found.resize((side, side), Image.Resampling.BICUBIC)

    return draw

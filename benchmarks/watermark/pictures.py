"""Pictures to mark: photographs, glyphs, and what a model draws, each drawn from a seed. RGB, square."""

from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image

from benchmarks import sources
from gan.images import rgb_view
from gan.jobs.sampling import sample

PHOTOGRAPHS = (*sources.PHOTOGRAPHS, *sources.PAIRS)
BATCH = 512  # samples drawn at a time

Drawer = Callable[[int, int], Image.Image]  # (seed, side in pixels) -> picture


def photograph(seed: int, side: int) -> Image.Image:
    """A square part, of half to all of the shorter side, mirrored every other time."""
    rng = np.random.default_rng(seed)
    whole = sources.photograph(PHOTOGRAPHS[seed % len(PHOTOGRAPHS)])
    part = int(min(whole.size) * rng.uniform(0.5, 1))
    left, top = (int(rng.integers(0, length - part + 1)) for length in whole.size)
    found = whole.crop((left, top, left + part, top + part)).resize((side, side), Image.Resampling.LANCZOS)
    return found.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.integers(2) else found


def glyph(seed: int, side: int) -> Image.Image:
    """A glyph of OpenMoji, drawn at that side."""
    codes = sources.glyphs()
    return sources.glyph(codes[seed * 977 % len(codes)], side)


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

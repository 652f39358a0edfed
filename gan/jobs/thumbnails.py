"""Small pictures of files for a person to look at, whatever is wrong with the files.

What training reads is decoded as it does. What it refuses for its form (turned, animated, CMYK, transparent,
other formats) is shown as a viewer shows it, first frame and upright; what is broken is a placeholder.
"""

import functools
import html
import io

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from training.data.decoding import decode
from training.data.faults import Refused, line

MAX_PIXELS = 2**26  # of a picture that is decoded
LARGE = 2**22  # pixels beyond which a JPEG is decoded at a fraction of its size
QUALITY = 78
GROUND = (255, 255, 255)  # below what is transparent
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "TGA", "ICO", "JPEG2000", "AVIF")
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, KeyError, IndexError, TypeError, OverflowError)


def thumbnail(data: bytes, side: int) -> bytes:
    """A WebP file whose longer side has at most `side` pixels. Raises Refused, with the reason.

    data: the bytes of an image file of any of FORMATS.
    """
    return _packed(picture(data, side), side)


def shrunk(array: np.ndarray, side: int) -> bytes:
    """As `thumbnail`, of uint8 [C, H, W]; of more than four channels the first three are shown."""
    return _packed(_on_ground(_image(array if len(array) <= 4 else array[:3])), side)


def picture(data: bytes, side: int) -> Image.Image:
    """The image as mode RGB, at its size, or smaller but with sides of 2 * `side` at least."""
    try:
        with Image.open(io.BytesIO(data), formats=_available()) as image:
            pixels, jpeg = image.width * image.height, image.format in ("JPEG", "MPO")
            if pixels > MAX_PIXELS:
                raise Refused(f"has {image.width} x {image.height} pixels, too many to show")
            if jpeg and pixels > LARGE:
                image.draft("RGB", (2 * side, 2 * side))
                return _shown(image)
            try:
                return _on_ground(_image(decode(data)))
            except Refused:
                return _shown(image)
    except UnidentifiedImageError as error:
        raise Refused("is no image that can be shown") from error
    except Image.DecompressionBombError as error:
        raise Refused("has too many pixels to show") from error
    except _BROKEN as error:
        raise Refused(f"is damaged ({line(error)})") from error


def placeholder(text: str) -> bytes:
    """An SVG that says why there is no picture: the first words, and all of them for a screen reader."""
    words, rows = text.split(), [""]
    for word in words:
        if len(rows[-1]) + len(word) > 20:
            rows.append("")
        rows[-1] = f"{rows[-1]} {word[:22]}".strip()
    spans = "".join(
        f'<text x="80" y="{76 + 15 * n}" text-anchor="middle">{html.escape(row)}</text>'
        for n, row in enumerate(row for row in rows[:5] if row)
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="160" height="160" viewBox="0 0 160 160" role="img" '
        f'font-family="system-ui,sans-serif" font-size="12" fill="#77808a"><title>{html.escape(text)}</title>'
        '<path fill="none" stroke="#77808a" stroke-width="2" '
        f'd="M50 22h60v34H50zM50 50l18-16 14 12 10-8 18 14M44 16l72 46"/>{spans}</svg>'
    ).encode()


@functools.cache
def _available() -> tuple[str, ...]:
    """Those of FORMATS that this Pillow reads."""
    Image.init()
    return tuple(kind for kind in FORMATS if kind in Image.OPEN)


def _packed(image: Image.Image, side: int) -> bytes:
    image.thumbnail((side, side), Image.Resampling.BOX if min(image.size) > 4 * side else Image.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=QUALITY, method=2)
    return buffer.getvalue()


def _image(array: np.ndarray) -> Image.Image:
    """uint8 [C, H, W] of 1 to 4 channels -> mode L, LA, RGB or RGBA."""
    array = array.transpose(1, 2, 0)  # [H, W, C]
    return Image.fromarray(np.ascontiguousarray(array[:, :, 0] if array.shape[2] == 1 else array))


def _shown(image: Image.Image) -> Image.Image:
    """The first frame, upright, as RGB; 16 bits and floats are stretched over their range."""
    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image, np.float64)
        low, high = np.nanmin(values), np.nanmax(values)
        scaled = np.nan_to_num((values - low) / ((high - low) or 1.0) * 255, posinf=255.0, neginf=0.0)
        return Image.fromarray(scaled.clip(0, 255).astype(np.uint8)).convert("RGB")
    return _on_ground(image)


def _on_ground(image: Image.Image) -> Image.Image:
    """RGB, with what is transparent laid on GROUND."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    ground = Image.new("RGBA", image.size, (*GROUND, 255))
    return Image.alpha_composite(ground, image).convert("RGB")

"""Small pictures of files for a person to look at.

Files are decoded as `gan data prepare` decodes them: upright, sRGB, the first of several, on white. What it
could not decode is never tried again, for here no process of its own bears a crash or a hang.
"""

import html
import io

import numpy as np
from PIL import Image, ImageOps

from gan.jobs.work_folder import Seen, WorkFolder
from training.data.faults import Refused
from training.preparation.reading import Unusable, read, rgb

MAX_PIXELS = 2**26  # of a picture that is decoded
LARGE = 2**22  # pixels beyond which a JPEG is decoded at a fraction of its size
QUALITY = 78


def of_file(work: WorkFolder, seen: Seen, side: int) -> bytes:
    """The thumbnail of a file of a preparation. Raises Refused, with the reason why there is none."""
    if not seen.decoded:
        raise Refused(seen.detail or "cannot be decoded")
    if seen.size and seen.size[0] * seen.size[1] > MAX_PIXELS:
        raise Refused(f"has {seen.width} x {seen.height} pixels, too many to show")
    return thumbnail(work.content(seen), seen.path, side)


def thumbnail(data: bytes, name: str, side: int) -> bytes:
    """A WebP file whose longer side has at most `side` pixels. Raises Refused, with the reason.

    data, name: bytes and path of an image file that has been decoded before.
    """
    reduced = _reduced(data, side)
    if reduced is not None:
        return _packed(reduced, side)
    try:
        return shrunk(read(data, name).pixels, side)
    except Unusable as error:
        raise Refused(error.detail) from error


def shrunk(pixels: np.ndarray, side: int) -> bytes:
    """As `thumbnail`, of uint8 [H, W, C] with any number of channels."""
    return _packed(Image.fromarray(rgb(pixels)), side)


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


def _reduced(data: bytes, side: int) -> Image.Image | None:
    """A large photograph at 1/2, 1/4 or 1/8 of its size, in a part of the time; None for all others."""
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            if image.width * image.height <= LARGE or image.mode not in ("L", "RGB"):
                return None
            image.draft(image.mode, (2 * side, 2 * side))
            return ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def _packed(image: Image.Image, side: int) -> bytes:
    image.thumbnail(
        (side, side), Image.Resampling.BOX if min(image.size) > 4 * side else Image.Resampling.LANCZOS
    )
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=QUALITY, method=2)
    return buffer.getvalue()

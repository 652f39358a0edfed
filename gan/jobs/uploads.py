"""A picture that somebody sends to a page: bounded before it is decoded -> an image as a model makes them."""

import io

from PIL import Image, UnidentifiedImageError
from torch import Tensor

from gan.errors import UserError
from gan.jobs.pictures import as_image
from training.data.decoding import bare

MOST_BYTES = 16 * 2**20
MOST_PIXELS = 2**24
PNG = b"\x89PNG\r\n\x1a\n"
FORMATS = ("PNG", "JPEG", "WEBP")


def picture(data: bytes, shape: tuple[int, int, int]) -> Tensor:
    """The largest middle part of a PNG, JPEG or WebP file, as uint8 [C, H, W] of that shape.

    Raises UserError, one line, for more than MOST_BYTES, more than MOST_PIXELS by its header, another format,
    and whatever `gan.jobs.pictures.as_image` refuses.
    """
    if not data:
        raise UserError("this file is empty: choose a PNG, JPEG or WebP image")
    if len(data) > MOST_BYTES:
        raise UserError(f"this file has {len(data):,} bytes: choose one of {MOST_BYTES:,} at most")
    width, height = _size(data)
    if width * height > MOST_PIXELS:
        raise UserError(
            f"this image has {width:,} x {height:,} pixels: make it smaller, {MOST_PIXELS:,} pixels at most"
        )
    return as_image(data, "this file", shape, crop="centre")


def _size(data: bytes) -> tuple[int, int]:
    """Width and height by the header. UserError where it is of none of FORMATS."""
    plain = bare(data)[0] if data.startswith(PNG) else data  # texts beyond a size would hide the header
    try:
        with Image.open(io.BytesIO(plain), formats=FORMATS) as image:
            return image.size
    except Image.DecompressionBombError as error:
        raise UserError(f"this image has more than {MOST_PIXELS:,} pixels: make it smaller") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise UserError("this file is no PNG, JPEG or WebP image: choose another one") from error

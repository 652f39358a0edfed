"""A picture that somebody sends: bounded before it is decoded -> its pixels, or an image of a model's shape.

Letters: C channels, H rows, W columns.
"""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from gan.errors import UserError
from gan.jobs.pictures import as_image
from training.data.decoding import bare
from training.preparation.reading import Unusable, read

MOST_BYTES = 16 * 2**20
MOST_PIXELS = 2**24
PNG = b"\x89PNG\r\n\x1a\n"
FORMATS = ("PNG", "JPEG", "WEBP")


@dataclass(frozen=True, kw_only=True)
class Upload:
    """form: png, jpeg or webp.  pixels: uint8 [H, W, C], upright sRGB, opaque alpha dropped.

    info: what Pillow reads of the texts, EXIF (bytes) and XMP before the pixels.
    """

    form: str
    pixels: np.ndarray
    info: dict[str, Any]

    @property
    def image(self) -> Tensor:
        """A copy as uint8 [C, H, W]."""
        return torch.from_numpy(self.pixels.transpose(2, 0, 1).copy())


def opened(data: bytes) -> Upload:
    """A PNG, JPEG or WebP file of any size within bounds. Raises UserError, one line, as `picture` does."""
    form, info = _checked(data)
    try:
        return Upload(form=form, pixels=read(data, f"file.{form}").pixels, info=info)
    except Unusable as error:
        raise UserError(f"this image is damaged ({error.detail}): choose another one") from error
    except MemoryError as error:
        raise UserError("this image does not fit into memory: make it smaller") from error


def picture(data: bytes, shape: tuple[int, int, int]) -> Tensor:
    """The largest middle part of a PNG, JPEG or WebP file, as uint8 [C, H, W] of that shape.

    Raises UserError, one line, for more than MOST_BYTES, more than MOST_PIXELS by its header, another format,
    and whatever `gan.jobs.pictures.as_image` refuses.
    """
    _checked(data)
    return as_image(data, "this file", shape, crop="centre")


def _checked(data: bytes) -> tuple[str, dict[str, Any]]:
    """(format, info) by the header. UserError where it is of none of FORMATS, or too large."""
    if not data:
        raise UserError("this file is empty: choose a PNG, JPEG or WebP image")
    if len(data) > MOST_BYTES:
        raise UserError(f"this file has {len(data):,} bytes: choose one of {MOST_BYTES:,} at most")
    plain, about = bare(data) if data.startswith(PNG) else (data, {})  # long texts would hide the header
    try:
        with Image.open(io.BytesIO(plain), formats=FORMATS) as image:
            (width, height), form = image.size, str(image.format).lower()
            info: dict[Any, Any] = {**image.info, **about}
    except Image.DecompressionBombError as error:
        raise UserError(f"this image has more than {MOST_PIXELS:,} pixels: make it smaller") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise UserError("this file is no PNG, JPEG or WebP image: choose another one") from error
    if width * height > MOST_PIXELS:
        raise UserError(
            f"this image has {width:,} x {height:,} pixels: make it smaller, {MOST_PIXELS:,} pixels at most"
        )
    return "jpeg" if form == "mpo" else form, info

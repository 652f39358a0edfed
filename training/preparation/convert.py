"""Pixels of any size -> an image of the set: one shape, one number of channels, resized without aliasing.

Crops, for a target of another shape than the picture:

    centre  the largest part in the middle that has the shape
    wide    the full width; above and below, what is too much is cut off and what lacks is filled
    tall    the full height; at the sides likewise
    none    everything, stretched to the shape
    face    as centre, of the part around the largest face (`faces.Face.frame`), as far as the picture goes

Letters: H rows, W columns, C channels.
"""

import hashlib
import io
import json
from dataclasses import asdict, dataclass

import numpy as np
from PIL import Image

from training.preparation.reading import to_channels
from training.preparation.writer import encode_png

CROPS = ("centre", "wide", "tall", "none", "face")
LEVEL = 4  # of PNG's compression: files 1 % larger than at 6, made in half the time
FILTERS = {"lanczos": Image.Resampling.LANCZOS, "box": Image.Resampling.BOX}
Frame = tuple[float, float, float]  # x, y of the middle and side of a square, pixels of the picture
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True, kw_only=True)
class Form:
    """What every image of the set looks like. Pixels; background: red, green, blue 0..255."""

    height: int
    width: int
    channels: int = 3
    crop: str = "centre"
    filter: str = "lanczos"
    background: tuple[int, int, int] = (255, 255, 255)

    @property
    def suffix(self) -> str:
        """Ending of its files."""
        return ".png" if self.channels <= 4 else ".npy"

    def key(self, pixels_sha256: str) -> str:
        """What an image of these pixels in this form is called, 64 hex digits."""
        return hashlib.sha256(f"{pixels_sha256} {json.dumps(asdict(self))}".encode()).hexdigest()


def converted(pixels: np.ndarray, form: Form, frame: Frame | None = None) -> bytes:
    """The file, PNG or NumPy, of an image in that form. pixels: uint8 [H, W, C], sRGB.

    frame: of the face that a crop of the kind `face` shows; None cuts at the middle.
    Raises Unusable where the channels cannot be had.
    """
    pixels = to_channels(pixels, form.channels, form.background)
    box, inside = placement(pixels.shape[0], pixels.shape[1], form, frame)
    if form.channels <= 4:
        image = Image.fromarray(pixels[:, :, 0] if form.channels == 1 else pixels, _MODES[form.channels])
        return encode_png(_placed(image, box, inside, form), LEVEL)
    planes = [_placed(Image.fromarray(plane), box, inside, form) for plane in pixels.transpose(2, 0, 1)]
    buffer = io.BytesIO()
    np.save(buffer, np.stack([np.asarray(plane) for plane in planes]), allow_pickle=False)
    return buffer.getvalue()


def placement(
    height: int, width: int, form: Form, frame: Frame | None = None
) -> tuple[tuple[float, float, float, float], tuple[int, int, int, int]]:
    """(part of the picture, where it comes to lie in the image), each left, top, right, bottom in pixels."""
    whole, full = (0.0, 0.0, float(width), float(height)), (0, 0, form.width, form.height)
    if form.crop == "none":
        return whole, full
    across, down = width / form.width, height / form.height  # pixels of the picture a pixel of the image
    scale = {"wide": across, "tall": down}.get(form.crop, min(across, down))
    if frame is not None:
        scale = min(scale, frame[2] / min(form.height, form.width))
    used_w, used_h = min(float(width), form.width * scale), min(float(height), form.height * scale)
    left, top = (width - used_w) / 2, (height - used_h) / 2
    if frame is not None:
        left = min(max(0.0, frame[0] - used_w / 2), width - used_w)
        top = min(max(0.0, frame[1] - used_h / 2), height - used_h)
    inside_w = min(form.width, max(1, round(used_w / scale)))
    inside_h = min(form.height, max(1, round(used_h / scale)))
    x, y = (form.width - inside_w) // 2, (form.height - inside_h) // 2
    return (left, top, left + used_w, top + used_h), (x, y, x + inside_w, y + inside_h)


def _placed(
    image: Image.Image,
    box: tuple[float, float, float, float],
    inside: tuple[int, int, int, int],
    form: Form,
) -> Image.Image:
    """The part of an image within `box`, resized, on a ground where it does not fill everything."""
    size = (inside[2] - inside[0], inside[3] - inside[1])
    whole = box == (0, 0, *image.size)
    part = image if whole and size == image.size else image.resize(size, FILTERS[form.filter], box)
    if size == (form.width, form.height):
        return part
    ground = Image.new("RGB", (form.width, form.height), form.background).convert(image.mode)
    ground.paste(part, inside[:2])
    return ground

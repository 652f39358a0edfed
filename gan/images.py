"""Images as tensors: uint8 [0, 255] <-> float [-1, 1], the view of any channels, grids, labels, files.

Letters: N images, C channels (1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha, or any other number), H rows,
W columns.
"""

import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin
from torch import Tensor

from gan.errors import UserError
from gan.files import atomic_bytes

# suffix -> Pillow's name of a still format
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}

SIDES = {".jpg": 65_500, ".jpeg": 65_500, ".webp": 16_383, ".gif": 65_535}  # most pixels a side may have

NOTE = "gan"  # keyword of a PNG's text chunk that says how the picture was made
DESCRIPTION = 0x010E  # EXIF: ImageDescription, which says it in JPEG and WebP

_LABEL_HEIGHT = 14  # pixels of the strip under a labelled image
_LABEL_CELL = 64  # labelled images narrower than this are enlarged, so that the text fits


def to_float(images: Tensor) -> Tensor:
    """uint8 [...], 0..255 -> float32 [...] in [-1, 1]: x / 127.5 - 1, the range networks see."""
    return images.to(torch.float32) / 127.5 - 1


def to_uint8(images: Tensor) -> Tensor:
    """Float [...] -> uint8 [...]: x * 127.5 + 128, clamped to [0, 255], then truncated.

    This is the field's convention for images that are saved or scored. Truncating after + 128 rounds x *
    127.5 + 127.5 to the nearest integer, halves upward, so `to_uint8(to_float(u)) == u` for all 256 values;
    -1 gives 0, 0 gives 128, and everything from 127 / 127.5 on gives 255.
    """
    return (images.to(torch.float32) * 127.5 + 128).clamp(0, 255).to(torch.uint8)


def view(images: Tensor) -> Tensor:
    """What is shown of images with any number of channels: [..., C, H, W] -> [..., 1 or 3, H, W].

    1 and 3 channels stay what they are. Of 2 and 4 the last is alpha: they are laid on white. Of more, the
    first three are red, green and blue.
    images: uint8 0..255, the result rounded to the nearest level, or floats about -1..1.
    """
    channels = images.shape[-3]
    if channels in (1, 3):
        return images
    if channels > 4:
        return images.narrow(-3, 0, 3)
    colour, alpha = images.split([channels - 1, 1], dim=-3)
    if images.dtype != torch.uint8:
        opacity = ((alpha + 1) / 2).clamp(0, 1)
        return colour * opacity + (1 - opacity)
    colour, alpha = colour.to(torch.int32), alpha.to(torch.int32)
    return ((colour * alpha + 255 * (255 - alpha) + 127) // 255).to(torch.uint8)


def rgb_view(images: Tensor) -> Tensor:
    """`view` with grey repeated: [..., C, H, W] -> [..., 3, H, W]. What every feature network sees."""
    shown = view(images)
    return shown.expand(*shown.shape[:-3], 3, *shown.shape[-2:])


def grid_size(
    count: int, height: int, width: int, columns: int | None = None, padding: int = 2
) -> tuple[int, int]:
    """(height, width) of the `grid` of that many images, in pixels. Raises UserError as `grid` does."""
    columns = math.ceil(math.sqrt(count)) if columns is None else columns
    if count == 0 or columns < 1:
        raise UserError(
            f"cannot tile {count} images in {columns} columns; give at least one image and one column"
        )
    rows = math.ceil(count / columns)
    return rows * (height + padding) + padding, columns * (width + padding) + padding


def labelled_cell(height: int, width: int) -> tuple[int, int]:
    """(height, width) of an image with the line of text under it, in a `labelled_grid`."""
    factor = math.ceil(_LABEL_CELL / width)
    return height * factor + _LABEL_HEIGHT, width * factor


def grid(images: Tensor, columns: int | None = None, padding: int = 2, background: int = 255) -> Tensor:
    """Tile the `view` of a batch row by row into one picture.

    images: uint8 [N, C, H, W]. columns: images per row, None for a near-square picture.
    padding: pixels between and around the images. background: level 0..255 of padding and of unused cells.
    Returns uint8 [1 or 3, rows * (H + padding) + padding, columns * (W + padding) + padding] on the CPU.
    Raises UserError for another shape or data type, for no images, and for columns < 1.
    """
    _check(images, ndim=4)
    images = view(images)
    n, c, h, w = images.shape
    height, width = grid_size(n, h, w, columns, padding)
    columns = (width - padding) // (w + padding)
    canvas = torch.full((c, height, width), background, dtype=torch.uint8)
    for i, image in enumerate(images.cpu()):
        row, column = divmod(i, columns)
        top, left = padding + row * (h + padding), padding + column * (w + padding)
        canvas[:, top : top + h, left : left + w] = image
    return canvas


def labelled_grid(
    images: Tensor, labels: Sequence[str], columns: int | None = None, padding: int = 2
) -> Tensor:
    """`grid` with a line of text under every image: a contact sheet.

    images: uint8 [N, C, H, W]. labels: N texts, cut off at the cell's edge.
    Images narrower than 64 pixels are enlarged by a whole factor (nearest neighbour).
    Returns uint8 [1 or 3, H', W'] on the CPU. Raises UserError as `grid` does, and unless there are N labels.
    """
    _check(images, ndim=4)
    if len(labels) != len(images):
        raise UserError(f"{len(labels)} labels for {len(images)} images; give one label per image")
    factor = labelled_cell(*images.shape[2:])[1] // images.shape[3]
    images = view(images).cpu().repeat_interleave(factor, dim=2).repeat_interleave(factor, dim=3)
    strips = images.new_empty(len(labels), 1, _LABEL_HEIGHT, images.shape[3])
    for strip, label in zip(strips, labels, strict=True):
        strip.copy_(_label_strip(label, images.shape[3]))
    strips = strips.expand(-1, images.shape[1], -1, -1)  # [N, C, 14, W]
    return grid(torch.cat([images, strips], dim=2), columns, padding)


def to_pil(image: Tensor) -> Image.Image:
    """uint8 [C, H, W] -> Pillow image of mode L, LA, RGB or RGBA; UserError for anything else."""
    _check(image, ndim=3)
    if image.shape[0] > 4:
        raise UserError(f"a picture of {image.shape[0]} channels has no file format: take its view, or .npy")
    array = image.cpu().permute(1, 2, 0).contiguous().numpy()  # [H, W, C]
    return Image.fromarray(array[:, :, 0] if image.shape[0] == 1 else array)


def encode(image: Tensor, suffix: str, note: str | None = None) -> bytes:
    """uint8 [C, H, W] -> bytes of an image file. suffix: a key of FORMATS.

    A PNG holds 1 to 4 channels as they are; JPEG and WebP hold the `view`, at quality 95.
    note: ASCII text for its metadata: a PNG's text chunk NOTE, else EXIF's ImageDescription.
    Raises UserError for another suffix, shape or data type, and for a PNG of more channels.
    """
    if suffix.lower() not in FORMATS:
        raise UserError(f"cannot write images as '{suffix}'; use one of {', '.join(FORMATS)}")
    buffer, png = io.BytesIO(), suffix.lower() == ".png"
    metadata = {} if note is None else {"pnginfo": _chunks(note)} if png else {"exif": exif(note)}
    to_pil(image if png else view(image)).save(buffer, format=FORMATS[suffix.lower()], quality=95, **metadata)
    return buffer.getvalue()


def exif(note: str) -> Image.Exif:
    """EXIF data whose ImageDescription is that ASCII text."""
    data = Image.Exif()
    data[DESCRIPTION] = note
    return data


def save_png(path: Path | str, image: Tensor) -> None:
    """Write uint8 [C, H, W] as a PNG that appears whole or not at all. UserError if it cannot be written."""
    atomic_bytes(Path(path), encode(image, ".png"))


def encode_exactly(image: Tensor, note: str | None = None) -> tuple[str, bytes]:
    """uint8 [C, H, W] -> (suffix, bytes) of a file that holds every channel: PNG, or .npy of more than 4.

    note: as in `encode`; a .npy has none.
    """
    if image.shape[0] <= 4:
        return ".png", encode(image, ".png", note)
    buffer = io.BytesIO()
    np.save(buffer, image.cpu().numpy(), allow_pickle=False)
    return ".npy", buffer.getvalue()


def _chunks(note: str) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text(NOTE, note)
    return info


def _check(images: Tensor, ndim: int) -> None:
    """UserError unless images is uint8 with `ndim` axes."""
    wanted = "[N, C, H, W]" if ndim == 4 else "[C, H, W]"
    if images.ndim != ndim or images.dtype != torch.uint8:
        raise UserError(
            f"got {images.dtype} of shape {list(images.shape)}; convert it to uint8 {wanted} (to_uint8)"
        )


def _label_strip(text: str, width: int) -> Tensor:
    """Black text, centred on white (or cut off at the right edge) -> uint8 [1, 14, width]."""
    strip = Image.new("L", (width, _LABEL_HEIGHT), 255)
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default(size=10)
    left = max((width - draw.textlength(text, font)) / 2, 0)
    draw.text((left, _LABEL_HEIGHT / 2), text, fill=0, font=font, anchor="lm")
    return torch.frombuffer(bytearray(strip.tobytes()), dtype=torch.uint8).view(1, _LABEL_HEIGHT, width)

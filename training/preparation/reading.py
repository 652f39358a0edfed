"""Bytes of any image file -> upright 8-bit sRGB pixels, with a list of what had to be mended on the way.

Only decoders within Pillow are used, none that starts another program. Letters: H rows, W columns, C
channels: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha; NumPy files may have any number.
"""

import functools
import io
import struct
import warnings
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from training.data.arrays import decode_array
from training.data.decoding import bare, turned
from training.data.faults import Refused, line
from training.data.rows import lacks_rows

MOST_PIXELS = 2 * 89_478_485  # of one picture: where Pillow sees a decompression bomb
# Formats that are known by their first bytes, and those that only the suffix tells
SIGNED = ("PNG", "JPEG", "MPO", "WEBP", "AVIF", "GIF", "TIFF", "BMP", "JPEG2000", "ICO", "ICNS", "DDS")
SIGNED += ("PPM", "QOI", "PSD", "SGI", "BLP", "DIB", "CUR", "SUN", "FTEX", "MSP", "XBM", "XPM", "FLI", "DCX")
UNSIGNED = {".tga": "TGA", ".vda": "TGA", ".icb": "TGA", ".vst": "TGA", ".pcx": "PCX", ".spi": "SPIDER"}
UNSIGNED |= {".spider": "SPIDER", ".im": "IM", ".pcd": "PCD", ".pxr": "PIXAR"}
_ALIASES = {"MPO": "JPEG"}  # a photograph with previews behind it
_COLOURS = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_CUT = ("truncated", "incomplete", "not enough", "unexpected end", "eof", "reached end", "premature")
_TRANSPARENT = {"LA", "La", "PA", "RGBA", "RGBa"}


class Unusable(Exception):
    """A file that gives no pixels. kind: of `policies.KINDS`."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind, self.detail = kind, detail


@dataclass(kw_only=True)
class Picture:
    """What a file holds. pixels: uint8 [H, W, C], upright, sRGB.

    mode, format: of the file, in Pillow's words. faults: (kind, detail).
    """

    pixels: np.ndarray
    mode: str
    format: str
    faults: list[tuple[str, str]] = field(default_factory=list)


def read(data: bytes, name: str) -> Picture:
    """The picture of a file. Raises Unusable where it gives no pixels, MemoryError for too many."""
    if not data:
        raise Unusable("empty", "zero bytes")
    if data.startswith(b"\x93NUMPY"):
        return _array(data, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # damaged metadata: the pixels decide
        try:
            return _decoded(data, name)
        except Unusable:
            raise
        except Image.DecompressionBombError as error:
            raise Unusable("bomb", f"more than {MOST_PIXELS:,} pixels") from error
        except MemoryError:
            raise
        except Exception as error:  # decoders of strangers' files raise whatever they like
            text = line(error)
            raise Unusable("truncated" if _is_cut(data, text) else "corrupt", text) from error


def _array(data: bytes, name: str) -> Picture:
    try:
        planes = decode_array(data)
    except Refused as error:
        raise Unusable("corrupt", str(error)) from error
    faults = [] if name.lower().endswith(".npy") else [("suffix", "a NumPy file")]
    return Picture(pixels=planes.transpose(1, 2, 0), mode="array", format="NPY", faults=faults)


def _decoded(data: bytes, name: str) -> Picture:
    with _opened(data, name) as image:
        if image.width * image.height > MOST_PIXELS:
            raise Unusable("bomb", f"{image.width}x{image.height} pixels")
        kind = _ALIASES.get(image.format, image.format)
        frames = getattr(image, "n_frames", 1) if image.format not in ("MPO", "ICO", "ICNS", "PSD") else 1
        faults = _named_wrong(name, kind, image.format)
        if frames > 1:
            faults.append(("animated", f"{frames} pictures"))
        deep = kind == "PNG" and data[24:25] == b"\x10"
        mode = image.mode
        image.load()
        if lacks_rows(image, data):
            raise Unusable("truncated", "its pixels end before the last row")
        turn = turned(image.info)
        profile = image.info.get("icc_profile")
        picture = _to_eight_bits(image, deep, faults)
        if profile:
            picture = _to_srgb(picture, profile, faults)
        picture = _plain_mode(picture, faults)
        if turn is not None:
            faults.append(("orientation", f"EXIF orientation {turn}"))
            picture = picture.transpose(_TURNS[turn])
    pixels = np.asarray(picture)
    pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
    if pixels.shape[2] in (2, 4):
        if pixels[:, :, -1].min() == 255:  # opaque: nothing is lost
            pixels = pixels[:, :, :-1]
        else:
            faults.append(("alpha", "transparent in parts"))
    return Picture(pixels=np.ascontiguousarray(pixels), mode=mode, format=kind, faults=faults)


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _opened(data: bytes, name: str) -> Image.Image:
    """The image of a file, header read. Raises Unusable for what is none."""
    suffix = PurePosixPath(name.lower()).suffix
    formats = _available()
    if suffix in UNSIGNED and UNSIGNED[suffix] in Image.OPEN:
        formats = (*formats, UNSIGNED[suffix])
    try:
        try:
            return Image.open(io.BytesIO(data), formats=formats)
        except ValueError:  # texts of a PNG beyond all measure, which are no reason to lose its pixels
            return Image.open(io.BytesIO(bare(data)[0]), formats=formats)
    except UnidentifiedImageError as error:
        if suffix not in suffixes():
            raise Unusable("type", f"no image, {suffix or 'without a suffix'}") from error
        cut = _is_cut(data, "")
        raise Unusable("truncated" if cut else "corrupt", "the first bytes are of no image") from error


@functools.cache
def _available() -> tuple[str, ...]:
    """The formats with a signature that this Pillow has."""
    Image.init()
    return tuple(name for name in SIGNED if name in Image.OPEN)


@functools.cache
def suffixes() -> frozenset[str]:
    """Suffixes of the files that are expected to be images."""
    read = (*_available(), *UNSIGNED.values())
    return frozenset(s for s, kind in Image.registered_extensions().items() if kind in read) | {".npy"}


def _named_wrong(name: str, kind: str, exact: str) -> list[tuple[str, str]]:
    """The fault of a suffix that means another format than the content."""
    suffix = PurePosixPath(name.lower()).suffix
    meant = Image.registered_extensions().get(suffix)
    if meant is None and suffix not in UNSIGNED:
        return [("suffix", f"{kind} named {suffix or 'without a suffix'}")]
    same = {kind, exact, "DIB" if kind == "BMP" else kind}
    related = suffix in UNSIGNED or meant in same or {meant, kind} <= {"JPEG", "MPO"}
    return [] if related else [("suffix", f"{kind} named {suffix}")]


def _to_eight_bits(image: Image.Image, deep: bool, faults: list[tuple[str, str]]) -> Image.Image:
    """The image with 8 bits per channel. Raises Unusable where values mean nothing."""
    if deep and image.mode in ("RGB", "RGBA", "LA"):  # Pillow has dropped the low byte already
        faults.append(("16-bit", image.mode))
    if image.mode.startswith("I;16"):
        faults.append(("16-bit", image.mode))
        return Image.fromarray(_rounded(np.asarray(image).astype(np.float64) / 257))
    if image.mode not in ("I", "F"):
        return image
    values = np.asarray(image).astype(np.float64)
    if not np.isfinite(values).all():
        raise Unusable("corrupt", "values that are no finite numbers")
    low, high = values.min(), values.max()
    if image.mode == "I" and low >= 0 and high < 65536:
        faults.append(("16-bit", image.mode))
        return Image.fromarray(_rounded(values / 257))
    faults.append(("float", f"values from {low:g} to {high:g}"))
    if low >= 0 and high <= 1 and image.mode == "F":
        values = values * 255
    elif low < 0 or high > 255:
        values = (values - low) / max(high - low, 1e-30) * 255
    return Image.fromarray(_rounded(values))


def _rounded(values: np.ndarray) -> np.ndarray:
    return np.clip(np.floor(values + 0.5), 0, 255).astype(np.uint8)


@functools.cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _to_srgb(image: Image.Image, profile: bytes, faults: list[tuple[str, str]]) -> Image.Image:
    """Colours as sRGB has them (relative colorimetric); alpha stays. A profile that is broken is ignored."""
    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        description = ImageCms.getProfileDescription(given).strip()
        if "srgb" in description.lower():
            return image
        alpha = None
        if image.mode in _TRANSPARENT or "transparency" in image.info:
            image = image.convert("LA" if image.mode in ("LA", "La") else "RGBA")
            alpha = image.getchannel("A")
            image = image.convert(image.mode[:-1])
        elif image.mode not in ("L", "CMYK", "RGB", "LAB"):
            image = image.convert("RGB")
        grey = image.mode == "L"
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        image = ImageCms.profileToProfile(image, given, _srgb(), intent, "RGB")
        image = image.convert("L") if grey else image
        if alpha is not None:
            image.putalpha(alpha)
        faults.append(("profile", description or "without a description"))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        faults.append(("profile", f"it cannot be used: {line(error)}"))
    return image


def _plain_mode(image: Image.Image, faults: list[tuple[str, str]]) -> Image.Image:
    """The image as L, LA, RGB or RGBA."""
    if image.mode == "CMYK":
        faults.append(("cmyk", "CMYK"))
    if image.mode in ("P", "PA"):
        faults.append(("palette", image.mode))
    if image.mode == "1":
        return image.convert("L")
    if "transparency" in image.info or image.mode in _TRANSPARENT:
        grey = image.mode in ("L", "LA", "La")
        return image.convert("RGBA").convert("LA") if grey else image.convert("RGBA")
    return image if image.mode in ("L", "RGB") else image.convert("RGB")


def _is_cut(data: bytes, text: str) -> bool:
    """Whether a file that cannot be decoded lacks its end, by what the decoder says and by its own sizes."""
    if any(word in text.lower() for word in _CUT):
        return True
    if data.startswith(b"\x89PNG"):
        return b"IEND" not in data[-16:]
    if data.startswith(b"\xff\xd8"):
        return b"\xff\xd9" not in data[-64:]
    if data.startswith(b"RIFF") and len(data) >= 8:
        return struct.unpack_from("<I", data, 4)[0] + 8 > len(data)
    if data[:4] == b"\xff\x4f\xff\x51" or data[4:8] == b"jP  ":
        return not data.endswith(b"\xff\xd9")
    if data[4:8] == b"ftyp":
        return _boxes_end(data) > len(data)
    return len(data) < 12


def _boxes_end(data: bytes) -> int:
    """Where the last box of an ISO file (AVIF) ends, by the sizes that boxes state."""
    at = 0
    while at + 8 <= len(data):
        size = struct.unpack_from(">I", data, at)[0]
        if size < 8:
            return len(data)
        at += size
    return at


def rgb(pixels: np.ndarray, background: tuple[int, int, int] = (255, 255, 255)) -> np.ndarray:
    """uint8 [H, W, 3] of [H, W, C]: grey repeated, transparency laid on `background`, of many the first 3."""
    return to_channels(pixels if pixels.shape[2] <= 4 else pixels[:, :, :3], 3, background)


def to_channels(pixels: np.ndarray, channels: int, background: tuple[int, int, int]) -> np.ndarray:
    """uint8 [H, W, channels] of [H, W, C]. Raises Unusable where neither has at most 4 and they differ."""
    given = pixels.shape[2]
    if given == channels:
        return pixels
    if given > 4 or channels > 4:
        raise Unusable("type", f"{given} channels instead of {channels}")
    image = Image.fromarray(pixels[:, :, 0] if given == 1 else pixels, _COLOURS[given])
    if given in (2, 4) and channels in (1, 3):
        ground = Image.new("RGBA", image.size, (*background, 255))
        image = Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")
    image = image.convert("RGBA") if channels == 2 and image.mode == "RGB" else image
    found = np.asarray(image.convert(_COLOURS[channels]))
    return found[:, :, None] if channels == 1 else found
